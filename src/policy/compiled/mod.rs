//! The evaluator that decides: a program's rules, run as OPA would run them.
//!
//! A [program](core::Program) is made once, when it is loaded, into [terms](term) whose names are numbers and whose constants are values
//! ([`resolve`]). An evaluation asks for the rules that count, each of which asks for others; what a rule comes to is kept until the
//! evaluation is over. It runs on the caller's thread, whose stack must be large.
//!
//! What OPA says is what is meant, errors included: which rules are looked at at all ([`index`]), that rules with one value end with their
//! first solution, and that two values for one place end the evaluation.
//!
//! A policy is not trusted to be small: time is looked at every few steps, and everything that is made is charged to the budget while it
//! grows ([`gather`]), as if nothing in it were shared. Nothing is ever given back, so that what an evaluation holds is never more.

mod failure;
mod flow;
mod gather;
mod guards;
mod index;
mod observer;
mod program;
mod replaced;
mod resolve;
mod solve;
mod term;
mod terms;
#[cfg(test)]
mod tests;
mod value;
mod with;
mod world;

use std::cell::RefCell;

use regorus::Value;

pub(in crate::policy) use failure::{Evaluated, Failure, FailureKind, Limit};
pub(in crate::policy) use observer::{Observer, Print};
pub(in crate::policy) use program::Compiled;
pub(in crate::policy) use term::BranchPlace;

use super::builtins::budget;
use super::engine::entrypoint;
use super::syntax::core;
use crate::model::Verdict;
use world::{Run, Unknown, World};

/// What one evaluation may take.
#[derive(Clone, Copy)]
pub(in crate::policy) struct Bounds<'b> {
    /// Bytes of all values that are made.
    pub(in crate::policy) memory: usize,
    /// Steps of one call.
    pub(in crate::policy) work: usize,
    pub(in crate::policy) time_is_up: &'b dyn Fn() -> bool,
}

impl Compiled {
    pub(in crate::policy) fn of(program: &core::Program) -> Self {
        // What is written out is no larger than the text.
        budget::start(usize::MAX);
        resolve::program(program)
    }

    /// The verdict on an input.
    ///
    /// # Errors
    /// What ends the evaluation; it has no verdict then.
    pub(in crate::policy) fn ask(&self, input: &Value, bounds: Bounds<'_>, watcher: Option<&dyn Observer>) -> Evaluated<Verdict> {
        self.run(input, bounds, watcher, None, |world| {
            let mut verdict = Verdict::default();
            for counted in &world.run.compiled.counted {
                let value = world.counted(counted)?;
                if value != Value::Undefined {
                    entrypoint::read_rule(&mut verdict, counted.name, &value)
                        .map_err(|reason| Failure::of(FailureKind::Verdict(reason)))?;
                }
            }
            Ok(verdict)
        })
    }

    /// The value of what is at a path of `data`, undefined if nothing is, for an `input` without anything; and what is printed on the way.
    pub(in crate::policy) fn rule(
        &self,
        path: &[Box<str>],
        bounds: Bounds<'_>,
        watcher: Option<&dyn Observer>,
    ) -> (Evaluated<Value>, Vec<Print>) {
        let prints = RefCell::default();
        let value = self.run(&Value::new_object(), bounds, watcher, Some(&prints), |world| world.document(path));
        (value, prints.into_inner())
    }

    fn run<T>(
        &self,
        input: &Value,
        bounds: Bounds<'_>,
        watcher: Option<&dyn Observer>,
        prints: Option<&RefCell<Vec<Print>>>,
        evaluate: impl FnOnce(&World<'_>) -> Evaluated<T>,
    ) -> Evaluated<T> {
        budget::start_with(bounds.memory, bounds.work);
        let run = Run::new(self, bounds.time_is_up, watcher, prints);
        let unknown = Unknown::of(self);
        let value = evaluate(&World::new(&run, input, &unknown))?;
        // An answer that was found although a limit was passed does not count.
        if let Some(exceeded) = budget::exceeded() {
            return Err(exceeded.into());
        }
        if (bounds.time_is_up)() { Err(Failure::limit(Limit::Time)) } else { Ok(value) }
    }
}
