//! Login policies: what they mean, what is said of them, and what hostile ones can do.

mod check_docs;
mod classes;
mod eval;
mod examples;
mod examples_served;
mod forms;
pub(crate) mod grammar;
mod hostile;
mod hostile_served;
mod impact;
mod mistakes;
mod mutated;
mod opa;
pub(crate) mod question;
mod room;
mod samples;
mod shared;
mod simulate;
mod test_command;
mod tried_docs;
mod workbench_docs;
