//! Rego: load, check, ask. The only room that knows regorus.
//!
//! A policy is text that people write and that decides who gets in, so nothing of it is trusted until it has been checked, and nothing
//! that goes wrong while it is asked can let somebody pass:
//!
//! - [`PolicySet::load`] refuses what OPA would refuse, and the little that would mean something else here, with the place and a hint. It
//!   runs on a thread of its own, so that a hostile text costs a fault and not the process.
//! - [`Evaluator::ask`] answers with a verdict of every policy or with a [`PolicyError`]; there is no third thing. Policies run on
//!   threads with large stacks, bounded in time and memory: by their compiled form, or on a throw-away clone of a prepared engine.
//! - [`PolicySet::reads`] says which requests get the same answer; the `analysis` behind it says why.
//!
//! What holds the memory limit: every builtin is called through a wrapper that looks at the size of its arguments first and charges its
//! result to the evaluation; and what a policy puts into its own values is charged while it grows, as if nothing were shared, so that no
//! value is larger for whoever walks through it than the limit says. Nothing is given back before the end. Counting allocations by thread
//! was rejected: it takes an allocator of our own, and with it `unsafe`; and what counts them without is for whole processes, which says
//! nothing of one evaluation.

mod allowance;
mod analysis;
mod builtins;
mod compiled;
mod engine;
mod error;
mod fault;
#[doc(hidden)]
pub mod fuzzing;
mod input;
mod lint;
mod loaded;
mod networks;
mod pool;
mod set;
mod settings;
mod source;
mod syntax;
pub mod testing;
mod trace;
mod trial;
mod vocabulary;

pub use analysis::{Facet, Reads, truncated};
pub use error::PolicyError;
pub use fault::PolicyFault;
pub use input::{LoginInput, SharedInput};
pub use networks::networks;
pub use pool::Evaluator;
pub use set::{PolicySet, review};
pub use settings::{EvaluationSettings, PolicyLimits};
pub use source::PolicySource;
pub use source::directory::{Directory, read_dir, survey_dir};
pub use trace::{HeldRule, Trace, Tracer, Unheld};
pub use trial::Trial;
pub use vocabulary::Vocabulary;
