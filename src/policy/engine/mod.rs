//! What is given to Regorus, and what is made of its answers.

pub(super) mod entrypoint;
