//! The repository held to its own rules.

mod architecture;
mod dependencies;
mod inside;
mod manifests;
mod map;
mod repository;
