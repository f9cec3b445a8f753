//! Lists of keys, as people ask for them: a page at a time, however many there are.

use super::manager::Control;
use crate::model::{GroupName, KeyId, KeyName, KeyRecord, KeyState};
use crate::store::{KeyFilter, LOOKED_THROUGH_AT_ONCE, ListPart, StoreError};

const READ_AT_ONCE: u32 = 500;

/// Which keys are wanted, by age.
#[derive(Clone, Debug)]
pub struct KeysWanted {
    /// Later than this one: the page before ended with it.
    pub after: Option<KeyId>,
    /// How many at most.
    pub limit: u32,
    /// How many keys are looked through for them, more or less: nobody waits for longer.
    pub look_through: u32,
    /// Members of this group.
    pub group: Option<GroupName>,
    /// This stands in the name, letter by letter.
    pub text: Option<String>,
    /// In which state.
    pub state: StateWanted,
}

/// In which state keys are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateWanted {
    /// All but revoked ones.
    NotRevoked,
    /// Every key.
    Any,
    /// In this very state.
    In(KeyState),
}

/// Keys that were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysFound {
    /// In their order.
    pub keys: Vec<KeyRecord>,
    /// There may be more after this one.
    pub looked_to: Option<KeyId>,
}

impl StateWanted {
    fn holds(self, state: KeyState) -> bool {
        match self {
            Self::NotRevoked => state != KeyState::Revoked,
            Self::Any => true,
            Self::In(wanted) => state == wanted,
        }
    }
}

impl Control {
    /// The key that is called this: an id, or the name of a key that is not revoked.
    ///
    /// # Errors
    /// The store is away.
    pub async fn key_called(&self, called: &str) -> Result<Option<KeyRecord>, StoreError> {
        if let Ok(id) = called.parse::<KeyId>()
            && let Some(key) = self.store.key(id).await?
        {
            return Ok(Some(key));
        }
        match called.parse::<KeyName>() {
            Ok(name) => self.store.key_named(&name).await,
            Err(_) => Ok(None),
        }
    }

    /// The keys that are wanted, as far as they were found by looking through so many.
    ///
    /// # Errors
    /// The store is away.
    pub async fn keys_found(&self, wanted: KeysWanted) -> Result<KeysFound, StoreError> {
        let KeysWanted { mut after, limit, look_through, group, text, state } = wanted;
        let (now, limit) = (self.now(), limit as usize);
        let (mut keys, mut looked_through): (Vec<KeyRecord>, u32) = (Vec::new(), 0);
        loop {
            let wanted = KeyFilter { after, limit: READ_AT_ONCE, group: group.clone(), query: text.clone() };
            let ListPart { items, looked_to } = self.store.keys_where(&wanted).await?;
            looked_through = looked_through.saturating_add(if text.is_some() { LOOKED_THROUGH_AT_ONCE } else { READ_AT_ONCE });
            keys.extend(items.into_iter().filter(|key| state.holds(key.state_at(now))));
            if keys.len() > limit {
                keys.truncate(limit);
                let looked_to = keys.last().map(|key| key.id);
                return Ok(KeysFound { keys, looked_to });
            }
            let Some(end) = looked_to else { return Ok(KeysFound { keys, looked_to: None }) };
            if looked_through >= look_through {
                // There may be more: the page ends here, wherever it has come to.
                return Ok(KeysFound { keys, looked_to: Some(end) });
            }
            after = Some(end);
        }
    }
}
