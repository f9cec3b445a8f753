//! From a key to a credential, remembered or not.

mod cache_property;
mod cached;
mod classes;
mod indistinct;
mod loom_generation;
mod memory;
mod open;
mod past;
mod samples;
pub(crate) mod world;
