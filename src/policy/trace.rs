//! Which rule of a policy gave what, by the lines of its text.
//!
//! A policy is evaluated twice: as it is, for its verdict, and with [marks](super::mark), for the heads that held on the way. What each of
//! those gives is read like the answer of a policy that has no other.

use std::thread;
use std::time::Duration;

use regorus::{Engine, Value};
use serde::Serialize;

use super::builtins::{self, budget};
use super::engine::entrypoint;
use super::fault::PolicyFault;
use super::mark::{self, Held, Mark, Recorder};
use super::set::Policy;
use super::{EvaluationSettings, LoginInput, PolicyError, PolicyLimits, PolicySource, check, module, weigh};
use crate::clock::{Clock, SystemClock};
use crate::model::{PolicyName, Verdict};

/// One policy, ready to be asked why.
pub struct Tracer {
    /// What it is called.
    pub name: PolicyName,
    /// Its file, or its name.
    pub place: String,
    policy: Policy,
    marked: Marked,
}

/// What a policy said, and because of what.
#[derive(Clone, Debug)]
pub struct Trace {
    /// What it said.
    pub verdict: Result<Verdict, PolicyError>,
    /// The heads that held, in the order of the text. Those of a policy that failed are the ones that held before.
    pub steps: Vec<Step>,
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
pub struct Step {
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

struct Marked {
    engine: Engine,
    marks: Vec<Mark>,
    recorder: Recorder,
    limits: PolicyLimits,
}

/// Stack of the threads, as of those that ask policies.
const STACK: usize = 256 * 1024 * 1024;
/// The least time for the first evaluation, which is also the analysis.
const PREPARE_LIMIT: Duration = Duration::from_secs(5);

impl Tracer {
    /// Checks and compiles.
    ///
    /// # Errors
    /// Every fault of the policy.
    pub fn load(source: &PolicySource, settings: impl Into<EvaluationSettings>) -> Result<Self, Vec<PolicyFault>> {
        let settings = settings.into();
        let place = source.place();
        on_thread(|| {
            let policy = super::set::load(source, settings)?;
            let marked =
                Marked::load(source, settings.limits).map_err(|error| vec![PolicyFault::of_engine(&place, &source.text, &error)])?;
            Ok(Self { name: source.name.clone(), place: place.clone(), policy, marked })
        })
        .unwrap_or_else(|| Err(vec![PolicyFault::of(&place, "the engine fails on it")]))
    }

    /// Asks the policy.
    pub fn ask(&self, input: &LoginInput) -> Trace {
        let failed = || Trace {
            verdict: Err(PolicyError::Failed(self.name.clone(), "the engine fails".to_owned())),
            steps: Vec::new(),
            unheld: Vec::new(),
        };
        on_thread(|| {
            let (value, clock) = (input.value(), SystemClock::start());
            let steps = self.marked.steps(value.clone());
            let verdict = self.policy.ask(&value, || clock.now().monotonic);
            // Of a policy that failed it is not known what it would have come to.
            let unheld = if verdict.is_ok() { self.marked.unheld(&steps) } else { Vec::new() };
            Trace { verdict, steps, unheld }
        })
        .unwrap_or_else(failed)
    }
}

impl Marked {
    fn load(source: &PolicySource, limits: PolicyLimits) -> anyhow::Result<Self> {
        let fault = |fault: PolicyFault| anyhow::anyhow!("{}", fault.reason);
        let module = module::parse(source, limits.time).map_err(fault)?.module;
        let findings = check::policy(&source.place(), &module);
        let (weighed, _) = weigh::module(&source.place(), &module, limits.time).map_err(fault)?;
        let marked = mark::mark(weighed.as_ref().map_or(&module, |weighed| &weighed.module));
        let mut engine = module::rewritten(&source.place(), &marked.text, module::version(&module), limits.time).map_err(fault)?.engine;
        weigh::add(&mut engine)?;
        for name in &findings.calls {
            builtins::add(&mut engine, name)?;
        }
        let recorder = Recorder::default();
        recorder.listen(&mut engine)?;
        engine.set_rego_v0(false);
        engine.add_policy("entrypoint".to_owned(), entrypoint::module(&findings.rules))?;
        Ok(Self { engine, marks: marked.marks, recorder, limits })
    }

    fn steps(&self, input: Value) -> Vec<Step> {
        let mut engine = self.engine.clone();
        engine.set_execution_timer_config(module::timer(self.limits.time.max(PREPARE_LIMIT)));
        engine.set_input(input);
        budget::start(self.limits.memory);
        // How it ends, the policy without marks has said; what held until then is of use all the same.
        let _ = engine.eval_rule(entrypoint::RESULT.to_owned());
        self.recorder.take().iter().filter_map(|held| self.step(held)).collect()
    }

    /// If one of the rules that count has held, the others may not have been looked at; if none has, all were.
    fn unheld(&self, steps: &[Step]) -> Vec<Unheld> {
        if steps.iter().any(|step| entrypoint::shape(&step.rule).is_some()) {
            return Vec::new();
        }
        let counting = self.marks.iter().filter(|mark| !mark.is_function && entrypoint::shape(&mark.rule).is_some());
        counting.map(|mark| Unheld { line: mark.line, rule: mark.rule.clone() }).collect()
    }

    fn step(&self, (number, path, value): &Held) -> Option<Step> {
        let mark = self.marks.get(*number).filter(|mark| !mark.is_function)?;
        let json = |value: &Value| serde_json::to_value(value).unwrap_or_default();
        let path: Vec<Value> = path.as_array().ok()?.iter().cloned().collect();
        Some(Step {
            line: mark.line,
            rule: mark.rule.clone(),
            path: path.iter().map(json).collect(),
            value: json(value),
            gives: entrypoint::read_one(&mark.rule, &path, value, mark.is_item).unwrap_or_default(),
        })
    }
}

/// Does the work on a thread with a large stack; `None` if it panicked, or no thread could be had.
fn on_thread<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("policy-trace".to_owned()).stack_size(STACK).spawn_scoped(scope, work);
        thread.ok()?.join().ok()
    })
}
