//! Whether an evaluation goes on.

/// Whether more solutions are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    On,
    Enough,
}
