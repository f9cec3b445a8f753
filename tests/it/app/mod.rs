//! The running process: its life, what it keeps to itself, and what it stands for long.

mod canary;
mod changes;
mod files;
mod killed;
mod live;
mod live_upstream;
mod serve;
mod shared_store;
mod signing_key_roll;
mod soak;
mod webhook;
