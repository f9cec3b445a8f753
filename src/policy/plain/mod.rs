//! The short way to a verdict, for policies that are plain.
//!
//! Regorus walks through a policy's syntax tree, and finds each name anew by its path as text: tens of microseconds for a policy of ten
//! lines. Most login policies need none of what makes that necessary. They are translated once, when they are loaded, into a few
//! [terms and statements](term) whose names are numbers, and [run](run) in a microsecond or two.
//!
//! Regorus stays the one that says what a policy means. So three things hold here:
//!
//! 1. What is not understood is not guessed. A policy with a `with`, a recursive import, a name that stands for two things has no short
//!    way ([`Plain::of`] is `None`), and is asked as ever.
//! 2. Where an evaluation comes to something that is not plain (two values for one rule, an argument that is undefined under a `not`, a
//!    wrong type, much work, large values) it gives up, and the whole policy is asked as ever: every error and every limit is Regorus'.
//! 3. In builds for development every evaluation goes both ways, and two verdicts that differ are an error. So each test that asks a
//!    policy, the comparison with OPA and the random policies among them, holds the two to each other.
//!
//! Functions are the same on both ways, see [`builtins`](super::builtins).

mod body;
mod compile;
mod expr;
#[cfg(test)]
mod grammar;
#[cfg(test)]
mod random;
mod run;
mod term;
#[cfg(test)]
mod tests;
mod value;

use std::time::Duration;

use regorus::Value;
use regorus::unstable::Module;

use super::engine::entrypoint;
use crate::model::Verdict;

/// A policy's rules, translated.
pub(super) struct Plain {
    rules: Vec<term::Rule>,
    functions: Vec<term::Function>,
    /// Paths of `input` that are read.
    inputs: Vec<Vec<Value>>,
    /// The rules that count.
    counted: Vec<(&'static str, usize)>,
}

impl Plain {
    /// Translates a policy that has passed the checks; `None` if not all that counts of it is plain.
    pub(super) fn of(module: &Module) -> Option<Self> {
        compile::module(module)
    }

    /// The verdict; `None` if the evaluation comes to something that is not plain, or would go on after `time_is_up`.
    pub(super) fn ask(&self, input: &Value, time_is_up: &dyn Fn() -> bool) -> Option<Verdict> {
        let run = run::Run::new(self, input, time_is_up);
        let mut verdict = Verdict::default();
        for (name, rule) in &self.counted {
            let value = run.rule(*rule).ok()?;
            if *value != Value::Undefined {
                entrypoint::read_rule(&mut verdict, name, value).ok()?;
            }
        }
        Some(verdict)
    }
}

/// How far the short way goes before it gives up.
struct Limits;

impl Limits {
    /// Statements, items of loops and calls of one evaluation.
    const STEPS: u32 = 50_000;
    /// Steps between two looks at the clock.
    const STEPS_PER_LOOK: u32 = 64;
    /// Bytes of all values that are made on the way, as if nothing in them were shared.
    const MADE: usize = 256 * 1024;
    /// Calls of rules and functions within each other.
    const DEPTH: u32 = 256;
}

/// The time that an evaluation has left.
pub(super) fn until(limit: Duration, now: impl Fn() -> Duration) -> impl Fn() -> bool {
    let begun = now();
    move || now().saturating_sub(begun) > limit
}
