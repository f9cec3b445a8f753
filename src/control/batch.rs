//! Several changes at once, as they are asked for.

use crate::model::{Mutation, Resource};
use crate::store::Precondition;

/// Changes that are made together.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// In this order.
    pub mutations: Vec<Mutation>,
    /// What is remembered as declared in files from then on.
    pub declared: Vec<Resource>,
    /// What must hold before the first.
    pub only_if: Option<Precondition>,
}

/// What to do with changes that may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rehearsal {
    /// They are made and taken back: nobody sees anything of them.
    Only,
    /// They are made.
    No,
}
