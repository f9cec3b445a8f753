//! How far an exchange has followed its store.

use crate::model::Revision;
use crate::policy::{PolicyFault, PolicySource};

/// How far the store's feed has been followed, and what the store does not know of.
pub(super) struct Feed {
    /// Every change up to this one is in force.
    pub(super) seen: Revision,
    /// The policies of the directory.
    pub(super) files: Vec<PolicySource>,
    /// What was odd about the policies in force, and has been logged.
    pub(super) warned: Vec<PolicyFault>,
    /// How often policies have begun to be compiled, or were put in force: what was begun before is of no use any more.
    pub(super) compilation: u64,
    /// Whether those that are to be in force are still being compiled.
    pub(super) compiling: bool,
}

/// What has been acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InForce {
    pub(super) revision: Revision,
    pub(super) epoch: u64,
}
