//! The console, as a browser without script meets it: pages, forms, sessions.

pub(crate) mod browser;
mod groups;
mod hostile;
mod keys;
mod policies;
mod roles;
mod sessions;
mod spaces;
mod strategy;
