//! Claviger: an API key goes in, a short-lived JWT with the roles that the key holds now comes out.

pub mod app;
pub mod clock;
pub mod config;
pub mod exchange;
pub mod model;
pub mod ops;
pub mod policy;
pub mod proxy;
pub mod store;
pub mod telemetry;
pub mod token;
