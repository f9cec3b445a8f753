//! Where policies' texts come from, and what is looked at before one is parsed.

pub(super) mod directory;
