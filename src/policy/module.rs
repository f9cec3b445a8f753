//! One policy's text as a module of Rego.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use regorus::unstable::{Module, Ref};
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, PolicyLengthConfig};

use super::PolicySource;
use super::fault::PolicyFault;
use super::source::text;
use crate::model::RegoVersion;

/// An engine that holds the module and nothing else yet.
pub(super) struct Parsed {
    pub(super) engine: Engine,
    pub(super) module: Ref<Module>,
}

/// Parses a policy's text in the version that it states; if it states none, as v1 first and as v0 only if that fails.
///
/// The other order would let everybody in: in v0, where `if` is a name like any other, `allow if { … }` is two facts, `allow` and `if`.
pub(super) fn parse(source: &PolicySource, time_limit: Duration) -> Result<Parsed, PolicyFault> {
    let mut engine = engine(time_limit);
    let module = parse_into(&mut engine, source)?;
    Ok(Parsed { engine, module })
}

/// The version that a module was understood as.
pub(super) fn version(module: &Module) -> RegoVersion {
    if module.rego_v1 { RegoVersion::V1 } else { RegoVersion::V0 }
}

/// The same, into an engine that may hold others.
pub(super) fn parse_into(engine: &mut Engine, source: &PolicySource) -> Result<Ref<Module>, PolicyFault> {
    let place = source.place();
    let text = text::without_bom(&source.text);
    text::check(&place, text)?;
    match source.rego {
        Some(RegoVersion::V1) => add(engine, &place, text, RegoVersion::V1)?,
        Some(RegoVersion::V0) => add(engine, &place, text, RegoVersion::V0)?,
        None => {
            if let Err(v1) = add(engine, &place, text, RegoVersion::V1) {
                // The version that understood more of the text is the one that its author had in mind.
                add(engine, &place, text, RegoVersion::V0)
                    .map_err(|v0| if (v0.line, v0.column) > (v1.line, v1.column) { v0 } else { v1 })?;
            }
        }
    }
    engine.get_modules().last().cloned().ok_or_else(|| PolicyFault::of(&place, "there is no module in it"))
}

/// A text of ours, made of a module's by putting something into it: it may be longer than one that somebody writes.
pub(super) fn rewritten(place: &str, text: &str, rego: RegoVersion, time_limit: Duration) -> Result<Parsed, PolicyFault> {
    let mut engine = engine(time_limit);
    add(&mut engine, place, text, rego)?;
    let module = engine.get_modules().last().cloned().ok_or_else(|| PolicyFault::of(place, "there is no module in it"))?;
    Ok(Parsed { engine, module })
}

/// An engine without modules, set as all of ours are.
fn engine(time_limit: Duration) -> Engine {
    let mut engine = Engine::new();
    // Errors of builtins become `undefined` in our wrappers, as OPA has it. What is still an error then (a limit, a conflict) must end
    // the evaluation: the engine's lenient mode would swallow it inside of functions, where `not f(x)` turns it into `true`.
    engine.set_strict_builtin_errors(true);
    // Or else `print` writes to stderr.
    engine.set_gather_prints(true);
    engine.set_execution_timer_config(timer(time_limit));
    engine.set_policy_length_config(PolicyLengthConfig { max_col: MAX_COLUMN, max_file_bytes: MAX_BYTES, max_lines: MAX_LINES });
    engine
}

/// Wall clock; looked at by the interpreter between its steps, and not inside of a builtin.
pub(super) fn timer(limit: Duration) -> ExecutionTimerConfig {
    ExecutionTimerConfig { limit, check_interval: CHECK_INTERVAL }
}

/// Steps of the interpreter between two looks at the clock.
const CHECK_INTERVAL: NonZeroU32 = NonZeroU32::new(16).expect("16 is not zero");
/// The engine's own limits are out of the way: `text::check` has looked before, with better words, and what we put in makes a text
/// longer.
const MAX_COLUMN: NonZeroU32 = NonZeroU32::new(text::LINE_MAX * 8).expect("a line may have characters");
const MAX_BYTES: NonZeroUsize = NonZeroUsize::new(text::TEXT_MAX * 8).expect("a text may have bytes");
const MAX_LINES: NonZeroUsize = NonZeroUsize::new(text::TEXT_MAX + 1).expect("a text may have lines");

fn add(engine: &mut Engine, place: &str, text: &str, rego: RegoVersion) -> Result<(), PolicyFault> {
    match rego {
        RegoVersion::V1 => engine.set_rego_v0(false),
        RegoVersion::V0 => {
            if let Some((at, word)) = text::v1_word_without_import(text) {
                let fault = PolicyFault::at_byte(place, text, at, format!("`{word}` is a keyword of Rego v1"));
                return Err(PolicyFault { width: u32::try_from(word.len()).unwrap_or(1), ..fault }
                    .hint("add `import rego.v1`, or leave the version of the policy unstated"));
            }
            engine.set_rego_v0(true);
        }
    }
    engine.add_policy(place.to_owned(), text.to_owned()).map(drop).map_err(|error| syntax(place, text, &error))
}

/// A text that cannot be parsed: the word that the parser stopped at, and what most often helps.
fn syntax(place: &str, text: &str, error: &anyhow::Error) -> PolicyFault {
    let fault = PolicyFault::of_engine(place, text, error);
    let word = fault.text.chars().skip(fault.column.saturating_sub(1) as usize).take_while(|c| c.is_alphanumeric() || *c == '_').count();
    let width = if fault.line == 0 { 0 } else { u32::try_from(word.max(1)).unwrap_or(1) };
    let fault = PolicyFault { width, ..fault };
    let hint = HELP.iter().find(|(part, _)| fault.reason.contains(part)).map(|(_, help)| (*help).to_owned());
    PolicyFault { hint, ..fault }
}

/// By a part of what the parser says.
const HELP: [(&str, &str); 5] = [
    ("`if` keyword is required", "in Rego v1 a body stands after `if`: `allow if { … }`"),
    ("`contains` keyword is required", "in Rego v1 an item is put into a set by `contains`: `team contains \"name\" if { … }`"),
    ("expecting `}`", "a `{` above is not closed"),
    ("expecting `]`", "a `[` before this is not closed"),
    ("expecting `)`", "a `(` before this is not closed"),
];
