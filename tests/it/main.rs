//! One binary for all integration tests: a folder for each room, in it a file for each topic.
#![cfg(test)]

mod admin;
mod app;
mod cli;
mod config;
mod console;
mod control;
mod edge;
mod exchange;
mod feed;
mod house;
mod model;
mod ops;
mod policy;
mod proxy;
mod store;
mod support;
mod telemetry;
mod token;
mod wire;
