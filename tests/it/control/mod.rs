//! Who may manage what, and the one way to change anything: asked without anything around it.

mod feed;
mod file_store;
mod lockout;
mod rights;
