//! A key as it is kept while it is cached: what decisions read of it, in as few bytes as that takes.

use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{GroupName, KeyBinding, KeyId, KeyName, KeyRecord, WhyInvalid};

/// Neither its secrets nor what it is for: no decision reads them.
#[derive(Clone)]
pub(super) struct RememberedKey {
    pub(super) id: KeyId,
    pub(super) name: KeyName,
    groups: Box<[GroupName]>,
    bindings: Box<[KeyBinding]>,
    created_at: Timestamp,
    /// When it stops working by itself.
    pub(super) expires_at: Option<Timestamp>,
    ended: Option<Ended>,
}

/// How somebody has ended it.
#[derive(Clone, Copy)]
enum Ended {
    Disabled(Timestamp),
    Revoked(Timestamp),
}

impl RememberedKey {
    pub(super) fn of(record: KeyRecord) -> Self {
        let KeyRecord { id, name, groups, created_at, expires_at, disabled_at, revoked_at, bindings, .. } = record;
        let ended = revoked_at.map(Ended::Revoked).or(disabled_at.map(Ended::Disabled));
        Self { id, name, groups: groups.into(), bindings: bindings.into(), created_at, expires_at, ended }
    }

    /// As decisions take it.
    pub(super) fn record(&self) -> Arc<KeyRecord> {
        let (disabled_at, revoked_at) = match self.ended {
            None => (None, None),
            Some(Ended::Disabled(at)) => (Some(at), None),
            Some(Ended::Revoked(at)) => (None, Some(at)),
        };
        Arc::new(KeyRecord {
            groups: self.groups.to_vec(),
            expires_at: self.expires_at,
            disabled_at,
            revoked_at,
            bindings: self.bindings.to_vec(),
            ..KeyRecord::unbound(self.id, self.name.clone(), self.created_at)
        })
    }

    /// Why it works for nobody at `now`, if so: what is final comes before what can be undone.
    pub(super) fn why_invalid(&self, now: Timestamp) -> Option<WhyInvalid> {
        match self.ended {
            Some(Ended::Revoked(_)) => Some(WhyInvalid::Revoked),
            _ if self.expires_at.is_some_and(|end| now >= end) => Some(WhyInvalid::Expired),
            Some(Ended::Disabled(_)) => Some(WhyInvalid::Disabled),
            None => None,
        }
    }

    /// Bytes that hang on it; names are shared with the snapshot where it has them.
    pub(super) fn bytes(&self) -> usize {
        self.name.as_str().len() + size_of_val(&*self.groups) + size_of_val(&*self.bindings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::KeyState;

    #[test]
    fn a_remembered_key_is_in_the_state_of_its_record() {
        let at = |second| Timestamp::from_second(second).unwrap();
        for (expires, disabled, revoked) in (0..8).map(|bits| (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0)) {
            let mut record = KeyRecord::unbound(KeyId::new(0, 1), "ci".parse().unwrap(), at(1));
            record.groups = vec!["platform".parse().unwrap()];
            record.expires_at = expires.then(|| at(100));
            record.disabled_at = disabled.then(|| at(50));
            record.revoked_at = revoked.then(|| at(60));
            let key = RememberedKey::of(record.clone());
            for now in [at(99), at(100)] {
                let why = match record.state_at(now) {
                    KeyState::Active => None,
                    KeyState::Disabled => Some(WhyInvalid::Disabled),
                    KeyState::Expired => Some(WhyInvalid::Expired),
                    KeyState::Revoked => Some(WhyInvalid::Revoked),
                };
                assert_eq!(key.why_invalid(now), why, "{record:?}");
                assert_eq!(key.record().state_at(now), record.state_at(now), "{record:?}");
            }
            assert_eq!(key.record().groups, record.groups);
        }
    }
}
