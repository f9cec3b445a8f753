//! A program, as it is run.

use std::collections::BTreeMap;

use regorus::Value;

use super::index::Index;
use super::term;
use crate::policy::syntax::core;

/// A program, ready to be run.
pub(in crate::policy) struct Compiled {
    pub(super) rules: Vec<term::CompiledRule>,
    pub(super) functions: Vec<term::CompiledFunction>,
    /// Functions, as they are named in the place of others.
    pub(super) names: BTreeMap<Box<str>, usize>,
    /// Paths of `input` that are read.
    pub(super) inputs: Vec<Vec<Value>>,
    /// Paths of `data` that more than one rule is at, and where their values are kept.
    pub(super) documents: Vec<(Vec<Box<str>>, usize)>,
    /// What is at `data`.
    pub(super) root: core::Extent,
    pub(super) counted: Vec<Counted>,
}

/// A rule that counts.
pub(super) struct Counted {
    pub(super) name: &'static str,
    pub(super) path: [Box<str>; 2],
    /// The rules below it, if there is none at it.
    pub(super) leaves: Vec<Leaf>,
    /// Which of those can give anything.
    pub(super) index: Option<Index>,
}

/// A rule below another path.
pub(super) struct Leaf {
    pub(super) path: Vec<Value>,
    pub(super) rule: usize,
}
