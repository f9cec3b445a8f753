//! What a value of a policy may be, as far as that matters for what an answer depends on.

use std::ops::{BitAnd, BitOr, BitOrAssign};

/// A set of possibilities; empty for a value that has not been seen yet. They only ever grow, so the walk through a policy ends.
///
/// The first three are about what a value is or holds, at whatever depth; the others about what it *is*, as a whole. A value that is put
/// into another, or computed with, is none of the latter any more, and counts as read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ValueSource(u16);

impl ValueSource {
    /// Texts and numbers that stand in the policy itself, and times that such a text is read as.
    pub(super) const LITERAL: Self = Self(1);
    /// Numbers that stand nowhere: an array's indices, sums.
    pub(super) const NUMBER: Self = Self(1 << 1);
    /// Anything else that is the same for all requests of one class: other fields of `input`, what builtins make, hours, weekdays.
    pub(super) const OTHER: Self = Self(1 << 2);
    /// The client's address, as text.
    pub(super) const ADDRESS: Self = Self(1 << 3);
    /// The request's time, in nanoseconds.
    pub(super) const TIME: Self = Self(1 << 4);
    /// What `time.clock` makes of it: hour, minute, second.
    pub(super) const CLOCK: Self = Self(1 << 5);
    /// `input.request`.
    pub(super) const REQUEST: Self = Self(1 << 6);
    /// `input.session`.
    pub(super) const SESSION: Self = Self(1 << 7);
    /// `input`.
    pub(super) const INPUT: Self = Self(1 << 8);
    /// The certificate that the client has shown. Whoever gets so far has read it, and it is in a class by itself.
    pub(super) const CERTIFICATE: Self = Self(1 << 9);

    /// What may be an item of a collection, or be made of it, without being the whole of something that varies.
    pub(super) const PLAIN: Self = Self(Self::LITERAL.0 | Self::NUMBER.0 | Self::OTHER.0);

    /// Whether any of these is possible.
    pub(super) fn may_be(self, any: Self) -> bool {
        self.0 & any.0 != 0
    }

    /// Without these.
    pub(super) fn without(self, these: Self) -> Self {
        Self(self.0 & !these.0)
    }

    /// What the items of such a collection may be.
    pub(super) fn items(self) -> Self {
        self & Self::PLAIN
    }

    /// What the keys or indices of such a collection may be.
    pub(super) fn keys(self) -> Self {
        (self & Self::PLAIN) | Self::NUMBER
    }
}

impl BitOr for ValueSource {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for ValueSource {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for ValueSource {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}
