//! One binary for all integration tests: one file for each topic.
#![cfg(test)]

mod architecture;
mod audit_trail;
mod cache_property;
mod canary;
mod changes;
mod check;
mod command_line;
mod configuration;
mod dev;
mod example_policies;
mod exchange;
mod exchange_world;
mod loom_generation;
mod model_properties;
mod ops;
mod policy_examples;
mod policy_forms;
mod policy_hostile;
mod policy_mutated;
mod policy_question;
mod proxy_http2;
mod proxy_upstream;
mod proxy_wire;
mod proxy_world;
mod repository;
mod serve;
mod signing_key_roll;
mod soak;
mod store_conformance;
mod store_oracle;
mod store_sqlite;
mod support;
mod telemetry;
mod token;
mod token_cli;
