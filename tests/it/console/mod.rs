//! The console, as a browser without script meets it: pages, forms, sessions.

mod audit;
pub(crate) mod browser;
mod documentation;
mod hostile;
mod keys;
mod replicas;
mod search;
mod sessions;
mod settings;
mod signing_keys;
mod trying;
