//! One binary for all integration tests: one file for each topic.
#![cfg(test)]

mod configuration;
mod model_properties;
mod store_conformance;
mod store_oracle;
mod store_sqlite;
mod telemetry;
