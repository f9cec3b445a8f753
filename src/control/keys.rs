//! Keys that are made here, and texts that are shown once.

use jiff::Timestamp;

use super::caller::Asked;
use super::change::Made;
use super::draw;
use super::error::ControlError;
use super::manager::Control;
use crate::clock::later;
use crate::model::{GroupName, KeyDigest, KeyId, KeyName, Mutation, NewKey, PlainKey, Revision, RoleId, SpaceId};

/// What a key is called and what it may do, however its text comes about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFields {
    /// Its name; must be free.
    pub name: KeyName,
    /// What it is for.
    pub description: String,
    /// Groups; those that do not exist yet come into being.
    pub groups: Vec<GroupName>,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
    /// Roles bound from the start.
    pub bindings: Vec<(RoleId, SpaceId)>,
}

/// A key with a text that nobody has seen yet.
#[derive(Debug)]
pub struct MadeKey {
    /// Which.
    pub id: KeyId,
    /// To be shown once; `None` if an earlier request of the same name has made it, and shown it then.
    pub plain: Option<PlainKey>,
    /// The change.
    pub revision: Revision,
}

impl Control {
    /// Makes a key.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub async fn create_key(&self, asked: &Asked, fields: KeyFields) -> Result<MadeKey, ControlError> {
        let id = draw::key_id(self.now())?;
        let plain = draw::plain_key(id)?;
        let new = self.new_key(id, KeyDigest::of(&plain), fields)?;
        let made = self.change(asked, Mutation::CreateKey(new), None).await?;
        shown_once(&made, plain)
    }

    /// Takes over a key of another system; `id`: the one that it gets, else a new one.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub async fn import_key(
        &self,
        asked: &Asked,
        digest: KeyDigest,
        id: Option<KeyId>,
        fields: KeyFields,
    ) -> Result<(KeyId, Revision), ControlError> {
        let id = id.map_or_else(|| draw::key_id(self.now()), Ok)?;
        let new = self.new_key(id, digest, fields)?;
        let made = self.change(asked, Mutation::ImportKey(new), None).await?;
        Ok((key_of(&made)?, made.revision))
    }

    /// Gives a key a new secret; the one before works for `grace` still.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub async fn rotate_key(
        &self,
        asked: &Asked,
        id: KeyId,
        grace: std::time::Duration,
        only_at: Option<Revision>,
    ) -> Result<MadeKey, ControlError> {
        let plain = draw::plain_key(id)?;
        let rotate = Mutation::RotateKey { id, digest: KeyDigest::of(&plain), old_ends_at: later(self.now(), grace) };
        let made = self.change(asked, rotate, only_at).await?;
        shown_once(&made, plain)
    }

    fn new_key(&self, id: KeyId, digest: KeyDigest, fields: KeyFields) -> Result<NewKey, ControlError> {
        let KeyFields { name, description, groups, expires_at, bindings } = fields;
        if expires_at.is_some_and(|end| end <= self.now()) {
            return Err(ControlError::Invalid("expires_at lies in the past".to_owned()));
        }
        // Else the store would name a binding of this very change, which nobody can look up.
        let is_repeated = |(number, bound): &(usize, &(RoleId, SpaceId))| bindings.iter().take(*number).any(|other| other == *bound);
        if let Some((_, (role, space))) = bindings.iter().enumerate().find(is_repeated) {
            return Err(ControlError::Invalid(format!("the binding {role}@{space} is given twice")));
        }
        let now = self.now();
        let bindings = bindings.into_iter().map(|(role, space)| Ok((draw::binding_id(now)?, role, space)));
        let bindings = bindings.collect::<Result<_, draw::NoRandomness>>()?;
        Ok(NewKey { id, name, description, groups, expires_at, digest, bindings })
    }
}

fn shown_once(made: &Made, plain: PlainKey) -> Result<MadeKey, ControlError> {
    Ok(MadeKey { id: key_of(made)?, plain: (!made.replayed).then_some(plain), revision: made.revision })
}

/// The key that a change was about.
fn key_of(made: &Made) -> Result<KeyId, ControlError> {
    made.resource.parse().map_err(|_| ControlError::IdempotencyMismatch)
}
