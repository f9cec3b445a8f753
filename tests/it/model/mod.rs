//! The pure rules, held against naive ones.

mod properties;
