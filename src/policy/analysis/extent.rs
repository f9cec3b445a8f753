//! How much of a request's address and time an answer depends on.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::calendar::Calendar;

/// What the answers of one policy depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) struct Depends {
    pub(super) address: ReadExtent<BTreeSet<IpNet>>,
    pub(super) time: ReadExtent<Calendar>,
    /// Whether the client's certificate is read.
    pub(super) certificate: bool,
}

impl Depends {
    /// Whether two requests of one key are the same to the policy, as long as the key and what all keys share are the same.
    pub(in crate::policy) fn on_the_key_alone(&self) -> bool {
        self.address == ReadExtent::Nothing && self.time == ReadExtent::Nothing && !self.certificate
    }
}

/// How much of something is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum ReadExtent<T> {
    #[default]
    Nothing,
    /// Which class it is in.
    Classes(T),
    Everything,
}

impl<T: Clone> ReadExtent<T> {
    /// As much as either.
    pub(super) fn merge(&mut self, other: &Self, merge: impl FnOnce(&mut T, &T)) {
        match (&mut *self, other) {
            (Self::Everything, _) | (_, Self::Nothing) => {}
            (Self::Classes(classes), Self::Classes(more)) => merge(classes, more),
            (Self::Nothing | Self::Classes(_), _) => *self = other.clone(),
        }
    }
}

impl<T> ReadExtent<T> {
    pub(super) fn map<U>(self, map: impl FnOnce(T) -> U) -> ReadExtent<U> {
        match self {
            Self::Nothing => ReadExtent::Nothing,
            Self::Classes(classes) => ReadExtent::Classes(map(classes)),
            Self::Everything => ReadExtent::Everything,
        }
    }
}
