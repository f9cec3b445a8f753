#![doc = include_str!("ARCHITECTURE.md")]

pub mod admin;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod diagnostics;
pub mod edge;
pub mod exchange;
pub mod model;
pub mod ops;
pub mod policy;
pub mod proxy;
pub mod store;
pub mod telemetry;
pub mod token;
