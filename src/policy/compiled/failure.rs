//! Why an evaluation ends without an answer.

#![expect(clippy::unnecessary_box_returns, reason = "a failure is rare, and large beside what is handed on without one")]

use std::fmt;

use crate::policy::builtins::budget::{self, Exceeded};
use crate::policy::syntax::tree::Span;

/// What went wrong, and where.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Failure {
    pub(in crate::policy) what: FailureKind,
    /// The definition that comes to another value, or the statement at hand.
    pub(in crate::policy) place: Option<Span>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) enum FailureKind {
    Conflict(Conflict),
    Limit(Limit),
    /// A builtin will not go on.
    Builtin(String),
    /// A rule that counts has a value that nobody can read.
    Verdict(String),
}

/// What comes to two different values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Conflict {
    Rule,
    Function,
    /// Of an object comprehension.
    Key,
    /// Of an object that is written out.
    Fields,
    Template,
}

/// What an evaluation may not take more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Limit {
    Time,
    Memory,
    /// Of calls, loops and terms within each other: each takes a piece of the stack.
    Depth,
}

/// A failure is rare, and large beside what is handed on without one.
pub(in crate::policy) type Evaluated<T> = Result<T, Box<Failure>>;

impl Failure {
    pub(super) fn of(what: FailureKind) -> Box<Self> {
        Box::new(Self { what, place: None })
    }

    pub(super) fn conflict(conflict: Conflict) -> Box<Self> {
        Self::of(FailureKind::Conflict(conflict))
    }

    pub(super) fn limit(limit: Limit) -> Box<Self> {
        Self::of(FailureKind::Limit(limit))
    }

    /// What a builtin has ended with.
    pub(super) fn of_builtin(error: &anyhow::Error) -> Box<Self> {
        match budget::exceeded() {
            Some(exceeded) => exceeded.into(),
            None => Self::of(FailureKind::Builtin(format!("{error:#}"))),
        }
    }

    /// Says where, unless that is known better already.
    pub(super) fn at(mut self: Box<Self>, place: &Span) -> Box<Self> {
        self.place.get_or_insert_with(|| place.clone());
        self
    }

    /// Whether it took too much, and not what the policy says is to blame.
    pub(in crate::policy) fn is_limit(&self) -> bool {
        matches!(self.what, FailureKind::Limit(_))
    }
}

impl From<Exceeded> for Box<Failure> {
    fn from(exceeded: Exceeded) -> Self {
        Failure::limit(match exceeded {
            Exceeded::Memory => Limit::Memory,
            Exceeded::Work => Limit::Time,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            FailureKind::Conflict(Conflict::Rule) => out.write_str("the rule comes to two different values, and has room for one"),
            FailureKind::Conflict(Conflict::Function) => out.write_str("the function comes to two different values for the same arguments"),
            FailureKind::Conflict(Conflict::Key) => {
                out.write_str("a key of the object comes to two different values, and has room for one")
            }
            FailureKind::Conflict(Conflict::Fields) => out.write_str("two keys that are written in the object come to the same"),
            FailureKind::Conflict(Conflict::Template) => {
                out.write_str("a part of the text comes to two different values, and has room for one")
            }
            FailureKind::Limit(Limit::Time) => out.write_str("it took longer than it may"),
            FailureKind::Limit(Limit::Memory) => out.write_str("it took more memory than it may"),
            FailureKind::Limit(Limit::Depth) => out.write_str("its rules and functions go deeper into each other than they may"),
            FailureKind::Builtin(reason) | FailureKind::Verdict(reason) => out.write_str(reason),
        }
    }
}
