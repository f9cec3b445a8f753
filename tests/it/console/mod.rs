//! The console, as a browser without script meets it: pages, forms, sessions.

mod audit;
pub(crate) mod browser;
mod clocked;
mod documentation;
mod groups;
mod hostile;
mod keys;
mod overview;
mod policies;
mod replicas;
mod rights;
mod roles;
mod search;
mod sessions;
mod settings;
mod signing_keys;
mod spaces;
mod strategy;
mod trying;
