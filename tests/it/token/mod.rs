//! Signing keys, and the tokens they sign.

mod tokens;
mod verify_docs;
