//! Lists of keys, as people ask for them: a page at a time, however many there are.

use std::time::Duration;

use super::manager::Control;
use crate::model::{GroupName, KeyId, KeyName, KeyRecord};
use crate::store::{KeyFilter, LOOKED_THROUGH_AT_ONCE, ListPart, StateWanted, StoreError};

/// No further part is looked through after so long: nobody waits longer for a page than for a glance, and whoever asks for the next one goes on from there.
pub(super) const LOOK_FOR: Duration = Duration::from_millis(50);

/// Which keys are wanted, by age.
#[derive(Clone, Debug)]
pub struct KeysWanted {
    /// Later than this one: the page before ended with it.
    pub after: Option<KeyId>,
    /// How many at most.
    pub limit: u32,
    /// How many keys are looked through for them, more or less, if that does not take longer than anybody would wait.
    pub look_through: u32,
    /// Members of this group.
    pub group: Option<GroupName>,
    /// This stands in the name, letter by letter.
    pub text: Option<String>,
    /// In which state.
    pub state: StateWanted,
}

/// Keys that were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysFound {
    /// In their order.
    pub keys: Vec<KeyRecord>,
    /// There may be more after this one.
    pub looked_to: Option<KeyId>,
    /// How many were looked through for them, more or less.
    pub looked_through: u32,
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
        let (now, began) = (self.now(), self.monotonic());
        let (mut keys, mut looked_through): (Vec<KeyRecord>, u32) = (Vec::new(), 0);
        loop {
            // One more tells whether there is another page.
            let more = limit.saturating_add(1).saturating_sub(u32::try_from(keys.len()).unwrap_or(u32::MAX));
            let among = look_through.saturating_sub(looked_through).min(LOOKED_THROUGH_AT_ONCE);
            let wanted = KeyFilter { after, limit: more, group: group.clone(), query: text.clone(), state, now, among: Some(among) };
            let ListPart { items, looked_to } = self.store.keys_where(&wanted).await?;
            looked_through = looked_through.saturating_add(among);
            keys.extend(items);
            if keys.len() > limit as usize {
                keys.truncate(limit as usize);
                let looked_to = keys.last().map(|key| key.id);
                return Ok(KeysFound { keys, looked_to, looked_through });
            }
            let Some(end) = looked_to else { return Ok(KeysFound { keys, looked_to: None, looked_through }) };
            if looked_through >= look_through || self.monotonic().saturating_sub(began) >= LOOK_FOR {
                // There may be more: the page ends here, wherever it has come to.
                return Ok(KeysFound { keys, looked_to: Some(end), looked_through });
            }
            after = Some(end);
        }
    }
}
