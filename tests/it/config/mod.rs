//! Settings: what is accepted, and what is said about what is not.

mod configuration;
