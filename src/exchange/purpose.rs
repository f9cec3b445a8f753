//! What a request is for: the space that it is about, and what its key must be allowed to do there.

use super::credential::Credential;
use crate::model::{Action, MissingAction, Refusal, SpaceId};

/// What a route says of its requests, as far as an answer depends on it. The default: any key will do, and its token speaks of every space.
#[derive(Clone, Copy, Debug, Default)]
pub struct Purpose<'a> {
    /// The space that the request is about: its token speaks of that one alone.
    pub space: Option<&'a SpaceId>,
    /// What the key must be allowed to do in that space. Without a space it says nothing.
    pub require: Option<&'a Action>,
}

impl Purpose<'_> {
    /// Whether what a key is exchanged for will do. A space that does not exist allows nothing, and is answered like one in which the key
    /// holds too little.
    pub(super) fn permit(&self, credential: Credential) -> Result<Credential, Refusal> {
        match (self.require, self.space) {
            (Some(action), Some(space)) if !credential.may(action, space) => {
                Err(Refusal::MissingAction(Box::new(MissingAction { action: action.clone(), space: space.clone() })))
            }
            (Some(_) | None, Some(_) | None) => Ok(credential),
        }
    }
}
