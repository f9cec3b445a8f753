//! Wherever the short way answers, the engine says the same: held to random modules.

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::thread;
use std::time::Duration;

use regorus::Value;

use super::grammar::{Draw, Writer};
use crate::policy::{PolicyLimits, PolicySource, input, set};

/// Stack of the thread that asks: builds for development need much for each step down.
const STACK: usize = 256 * 1024 * 1024;
/// How many modules are tried.
const MODULES: u64 = 4_000;
const INPUTS: usize = 4;

#[derive(Debug, Default)]
struct Count {
    refused: u64,
    not_plain: u64,
    /// Questions.
    given_up: u64,
    answered: u64,
    /// Answers that are not the verdict that is given when nothing holds.
    telling: u64,
    /// Where the engine has no answer, by its reason, and the first of them. These are none that let somebody in.
    failed: BTreeMap<String, (u64, String)>,
    /// Where it has another one.
    differ: Vec<String>,
}

fn value(draw: &mut Draw, depth: usize) -> Value {
    match draw.below(if depth == 0 { 8 } else { 11 }) {
        0 => Value::Null,
        1 => Value::Bool(true),
        2 => Value::Bool(false),
        3 => Value::from(draw.pick(&[0_i64, 1, 2, 9_007_199_254_740_993, i64::MAX])),
        4 => Value::from(draw.pick(&[0.5_f64, 1.0, -0.0])),
        5..=7 => Value::from(draw.pick(&["x", "y", "x-y", ""])),
        8 | 9 => Value::from((0..draw.below(4)).map(|_| value(draw, depth - 1)).collect::<Vec<_>>()),
        _ => {
            let names: &[&str] = draw.pick(&[&["x"][..], &["x", "y"], &["y"], &[]]);
            Value::from(names.iter().map(|name| (Value::from(*name), value(draw, depth - 1))).collect::<BTreeMap<_, _>>())
        }
    }
}

/// What every input has, and `x`, `y`, `z` of any kind, or not at all.
fn input(draw: &mut Draw) -> Value {
    let mut input = input::sample();
    let session = input["session"].clone();
    let fields = input.as_object_mut().unwrap();
    for name in ["x", "y", "z"] {
        if draw.below(4) > 0 {
            fields.insert(Value::from(name), value(draw, 2));
        }
    }
    let teams: Vec<Value> = (0..draw.below(3)).map(|_| Value::from(draw.pick(&["x", "y", "x-y"]))).collect();
    let mut session = session;
    let of_session = session.as_object_mut().unwrap();
    of_session.insert(Value::from("login"), Value::from(draw.pick(&["x", "x-y", ""])));
    of_session.insert(Value::from("admin"), Value::Bool(draw.below(2) == 0));
    of_session.insert(Value::from("teams"), Value::from(teams));
    fields.insert(Value::from("session"), session);
    if draw.below(2) == 0 {
        let space = BTreeMap::from([(Value::from("id"), Value::from("x")), (Value::from("labels"), Value::from(vec![Value::from("y")]))]);
        fields.insert(Value::from("spaces"), Value::from(vec![Value::from(space)]));
    }
    input
}

fn hold(seed: u64, limits: PolicyLimits, count: &mut Count) {
    let text = Writer::of(seed).module();
    let source = PolicySource { name: "p".parse().unwrap(), file: None, text: text.as_str().into(), rego: None };
    // Of a few texts the engine makes a panic, which is a fault of theirs when they are loaded.
    let Ok(Ok(policy)) = catch_unwind(|| set::load(&source, limits.into())) else {
        count.refused += 1;
        return;
    };
    if !policy.is_plain() {
        count.not_plain += 1;
        return;
    }
    let mut draw = Draw::new(!seed);
    for _ in 0..INPUTS {
        let input = input(&mut draw);
        let (short, engine) = policy.ask_both(&input, || Duration::ZERO);
        let Some(short) = short else {
            count.given_up += 1;
            continue;
        };
        count.answered += 1;
        count.telling += u64::from(short != crate::model::Verdict::default());
        let told = || format!("module {seed}\n{text}\n{input}\n{short:?}\n{engine:?}");
        match &engine {
            Ok(verdict) if *verdict == short => {}
            Ok(_) => count.differ.push(told()),
            Err(error) => {
                let reason: String = error.to_string().chars().filter(|c| !c.is_ascii_digit()).collect();
                let kind = reason.split('`').step_by(2).collect::<String>().split('(').next().unwrap_or_default().to_owned();
                count.failed.entry(kind).or_insert_with(|| (0, told())).0 += 1;
            }
        }
    }
}

/// What the engine has no answer for, and OPA has: a step of a head that is taken before the body has failed, a variable that is both a
/// step and what stands there, and a comprehension that is a step. All of them only refuse.
const ENGINE_ALONE: [&str; 3] = ["must be an object whose keys are the names of spaces", "is unsafe", "statements not scheduled"];

#[test]
#[expect(clippy::print_stdout, reason = "the numbers are asked for with `--nocapture`")]
fn the_short_way_and_the_engine_agree_on_random_modules() {
    let limits = PolicyLimits { time: Duration::from_secs(5), memory: 64 << 20 };
    let work = move || {
        let mut count = Count::default();
        (0..MODULES).for_each(|seed| hold(seed, limits, &mut count));
        count
    };
    let count = thread::Builder::new().stack_size(STACK).spawn(work).unwrap().join().unwrap();
    println!(
        "{MODULES} modules: {} refused, {} not plain; of {INPUTS} questions each: {} given up, {} answered, {} of them with something",
        count.refused, count.not_plain, count.given_up, count.answered, count.telling
    );
    for (reason, (times, _)) in &count.failed {
        println!("no answer from the engine, {times} times: {reason}");
    }
    let few: Vec<&str> = count.differ.iter().take(5).map(String::as_str).collect();
    assert!(few.is_empty(), "{} differ:\n{}", count.differ.len(), few.join("\n\n"));
    let unknown: Vec<_> = count.failed.iter().filter(|(reason, _)| !ENGINE_ALONE.iter().any(|known| reason.contains(known))).collect();
    assert!(unknown.is_empty(), "the engine alone fails: {unknown:#?}");
    assert!(count.answered > MODULES / 5 && count.telling > MODULES / 25, "the short way hardly ever answers");
}
