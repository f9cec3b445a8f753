//! The console, as a browser without script meets it: pages, forms, sessions.

pub(crate) mod browser;
mod hostile;
mod keys;
mod policies;
mod sessions;
mod strategy;
