//! Which rule of a policy gave what, by the lines of its text.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::thread;

use regorus::Value;
use serde::Serialize;

use super::compiled::{BranchPlace, Observer};
use super::engine::entrypoint;
use super::error::PolicyError;
use super::fault::PolicyFault;
use super::input::LoginInput;
use super::loaded::{self, Policy};
use super::settings::EvaluationSettings;
use super::source::PolicySource;
use super::syntax::core::{Node, Program, Put};
use crate::clock::{Clock, SystemClock};
use crate::model::{PolicyName, Verdict};

/// One policy, ready to be asked why.
pub struct Tracer {
    /// What it is called.
    pub name: PolicyName,
    /// Its file, or its name.
    pub place: String,
    policy: Policy,
}

/// What a policy said, and because of what.
#[derive(Clone, Debug)]
pub struct Trace {
    /// What it said.
    pub verdict: Result<Verdict, PolicyError>,
    /// The heads that held, in the order of the text. Those of a policy that failed are the ones that held before.
    pub steps: Vec<HeldRule>,
    /// The heads that did not hold, in the order of the text; only those of rules that count, and only if none of these held.
    pub unheld: Vec<Unheld>,
}

/// A rule that counts and did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unheld {
    /// Where the rule begins, 1-based.
    pub line: u32,
    /// The rule's name.
    pub rule: String,
}

/// A rule that held.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeldRule {
    /// Where the rule begins, 1-based.
    pub line: u32,
    /// The rule's name.
    pub rule: String,
    /// The steps behind the name: `["production", "deployer"]`.
    pub path: Vec<serde_json::Value>,
    /// Its value, or the item that it puts into a set.
    pub value: serde_json::Value,
    /// What it gives by itself; nothing if it is not one of the rules that count.
    #[serde(skip)]
    pub gives: Verdict,
}

/// A head, or an `else`: whatever can hold by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) at: BranchPlace,
    /// The rule's name.
    pub(super) rule: String,
    /// The steps of its path behind the name.
    path: Vec<Box<str>>,
    /// 1-based.
    pub(super) line: u32,
    /// A function: what it is given, and so how it is spoken of, is not the rule's own doing.
    is_function: bool,
    /// The value is an item of a set.
    is_item: bool,
    /// It holds whatever is asked, and need not be looked at for that.
    pub(super) is_unconditional: bool,
}

/// Stack of the threads, as of those that load policies.
const STACK: usize = 256 * 1024 * 1024;
/// Findings that are kept.
const MOST: usize = 10_000;

impl Tracer {
    /// Checks and compiles.
    ///
    /// # Errors
    /// Every fault of the policy.
    pub fn load(source: &PolicySource, settings: impl Into<EvaluationSettings>) -> Result<Self, Vec<PolicyFault>> {
        let (place, settings) = (source.place(), settings.into());
        on_thread(|| loaded::load(source, settings))
            .unwrap_or_else(|| Err(vec![PolicyFault::of(&place, "loading it panics")]))
            .map(|policy| Self { name: source.name.clone(), place, policy })
    }

    /// Asks the policy.
    pub fn ask(&self, input: &LoginInput) -> Trace {
        let failed = || Trace {
            verdict: Err(PolicyError::Failed(self.name.clone(), "the evaluation panicked".to_owned())),
            steps: Vec::new(),
            unheld: Vec::new(),
        };
        on_thread(|| {
            let (value, clock) = (input.value(), SystemClock::start());
            let now = || clock.now().monotonic;
            let held = Held::default();
            // It does not decide: what is watched may be more than what is asked.
            let _ = self.policy.ask_compiled(&value, &now, Some(&held));
            let verdict = self.policy.ask(&value, now).answer;
            let marks = marks(&self.policy.program, entrypoint::PACKAGE);
            let steps = steps(&marks, held);
            // Of a policy that failed it is not known what it would have come to.
            let unheld = if verdict.is_ok() { unheld(&marks, &steps) } else { Vec::new() };
            Trace { verdict, steps, unheld }
        })
        .unwrap_or_else(failed)
    }
}

/// The heads that hold in an evaluation.
#[derive(Default)]
struct Held(RefCell<BTreeSet<(BranchPlace, Vec<Value>, Value)>>);

impl Observer for Held {
    fn gives(&self, branch: BranchPlace, steps: &[Value], value: &Value) {
        let mut held = self.0.borrow_mut();
        if held.len() < MOST {
            held.insert((branch, steps.to_vec(), value.clone()));
        }
    }
}

/// Every head of a package but those of defaults, which hold for want of others; in the order of the text.
pub(super) fn marks(program: &Program, package: &str) -> Vec<Mark> {
    let mut marks = Vec::new();
    for (of, path, _, definitions) in program.nodes() {
        let [first, name, rest @ ..] = path else { continue };
        if **first != *package {
            continue;
        }
        for (definition, branches) in definitions.iter().map(|definition| &definition.branches).enumerate() {
            marks.extend(branches.iter().enumerate().map(|(branch, found)| Mark {
                at: BranchPlace { of, definition, branch },
                rule: name.to_string(),
                path: rest.to_vec(),
                line: found.span.line,
                is_function: matches!(of, Node::Function(_)),
                is_item: matches!(found.put, Put::Item(_)),
                is_unconditional: branch == 0 && found.body.is_empty(),
            }));
        }
    }
    marks.sort_by_key(|mark| (mark.line, mark.at));
    marks
}

fn steps(marks: &[Mark], held: Held) -> Vec<HeldRule> {
    let json = |value: &Value| serde_json::to_value(value).unwrap_or_default();
    let held = held.0.into_inner();
    let mut steps = Vec::new();
    for mark in marks.iter().filter(|mark| !mark.is_function) {
        for (_, behind, value) in held.iter().filter(|(at, _, _)| *at == mark.at) {
            let path: Vec<Value> = mark.path.iter().map(|name| Value::from(name.as_ref())).chain(behind.iter().cloned()).collect();
            steps.push(HeldRule {
                line: mark.line,
                rule: mark.rule.clone(),
                path: path.iter().map(json).collect(),
                value: json(value),
                gives: entrypoint::read_one(&mark.rule, &path, value, mark.is_item).unwrap_or_default(),
            });
        }
    }
    steps
}

/// If one of the rules that count has held, the others may not have been looked at; if none has, all were.
fn unheld(marks: &[Mark], steps: &[HeldRule]) -> Vec<Unheld> {
    if steps.iter().any(|step| entrypoint::shape(&step.rule).is_some()) {
        return Vec::new();
    }
    let counting = marks.iter().filter(|mark| !mark.is_function && entrypoint::shape(&mark.rule).is_some());
    counting.map(|mark| Unheld { line: mark.line, rule: mark.rule.clone() }).collect()
}

/// Does the work on a thread with a large stack; `None` if it panicked, or no thread could be had.
pub(super) fn on_thread<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("policy-trace".to_owned()).stack_size(STACK).spawn_scoped(scope, work);
        thread.ok()?.join().ok()
    })
}
