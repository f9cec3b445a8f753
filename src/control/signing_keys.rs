//! The signing keys of the process that is asked. They lie in files beside the store, so that no transaction holds the change and its entry
//! in the audit together: the entry is written as soon as the change is made.

use serde_json::{Value, json};

use super::caller::{Asked, Caller};
use super::error::ControlError;
use super::manager::{Control, Serving};
use super::rights::Operation;
use crate::config::{TokenAlgorithm, TokenSettings};
use crate::exchange::ExchangeError;
use crate::model::AuditNote;
use crate::store::StoreError;
use crate::token::{Activate, KeyDirectory, KeyStanding, ListedKey, RollRefusal, TokenError, Withdraw};

/// One step of a roll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roll {
    /// Makes the next key; `None`: for the algorithm that is configured.
    Publish(Option<TokenAlgorithm>),
    /// Lets a key sign.
    Activate {
        /// Which.
        kid: String,
        /// Whether it must be known to verifiers.
        how: Activate,
    },
    /// Takes a key away for good.
    Retire {
        /// Which.
        kid: String,
        /// Whether what it has signed must have expired.
        how: Withdraw,
    },
}

/// What a step has come to.
struct Rolled {
    kid: String,
    /// The key before and after, as the audit tells of it.
    before: Option<Value>,
    after: Option<Value>,
    listed: Option<ListedKey>,
}

impl Roll {
    /// As the audit has it.
    fn action(&self) -> &'static str {
        match self {
            Self::Publish(_) => "signing-key.publish",
            Self::Activate { .. } => "signing-key.activate",
            Self::Retire { .. } => "signing-key.retire",
        }
    }

    /// The key that it is about; what it makes has no name before it is made.
    fn kid(&self) -> &str {
        match self {
            Self::Publish(_) => "next",
            Self::Activate { kid, .. } | Self::Retire { kid, .. } => kid,
        }
    }

    /// Done where the keys lie: it waits for files.
    fn made(self, token: &TokenSettings, now: jiff::Timestamp) -> Result<Rolled, TokenError> {
        let directory = KeyDirectory::of(token);
        let keys_before = directory.list(now)?;
        let kid = match self {
            Self::Publish(algorithm) => directory.publish(algorithm.unwrap_or(token.algorithm), now)?,
            Self::Activate { kid, how } => {
                signs_what_is_configured(&keys_before, &kid, token.algorithm)?;
                directory.activate(&kid, how, token.ttl, now)?;
                kid
            }
            Self::Retire { kid, how } => {
                directory.retire(&kid, how, now)?;
                kid
            }
        };
        let find = |keys: Vec<ListedKey>| keys.into_iter().find(|key| key.kid == kid);
        let listed = find(directory.list(now)?);
        let (before, after) = (find(keys_before).as_ref().map(audited), listed.as_ref().map(audited));
        Ok(Rolled { kid, before, after, listed })
    }
}

/// A key that signs for another algorithm than the one that is configured would keep the process from starting again.
fn signs_what_is_configured(keys: &[ListedKey], kid: &str, wanted: TokenAlgorithm) -> Result<(), RollRefusal> {
    match keys.iter().find(|key| key.kid == kid) {
        Some(key) if key.algorithm != wanted.as_str() => {
            Err(RollRefusal::OtherAlgorithm { kid: kid.to_owned(), has: key.algorithm, wants: wanted.as_str() })
        }
        Some(_) | None => Ok(()),
    }
}

/// Where it lies is for whoever holds the machine.
fn audited(key: &ListedKey) -> Value {
    let mut told = json!({ "algorithm": key.algorithm });
    if let (Some(told), Ok(Value::Object(standing))) = (told.as_object_mut(), serde_json::to_value(key.standing)) {
        told.extend(standing);
    }
    told
}

impl Control {
    /// Every signing key of this process, the one that signs first.
    ///
    /// # Errors
    /// As [`may`](Self::may), and they cannot be read.
    pub async fn signing_keys(&self, caller: &Caller) -> Result<Vec<ListedKey>, ControlError> {
        self.may(caller, Operation::ViewSigningKeys).await?;
        let mut keys = self.rolls()?.exchange.signing_keys().await.map_err(refused)?;
        keys.sort_by_key(|key| !matches!(key.standing, KeyStanding::Current { .. }));
        Ok(keys)
    }

    /// Rolls the signing keys of this process by one step. What comes of it is in force, and in the audit, when it returns: the key that it is
    /// about, if it is still there.
    ///
    /// # Errors
    /// As [`may`](Self::may); what [`RollRefusal`] says, and nothing has been changed then; the audit cannot be written, and it is logged then
    /// that something has.
    pub async fn roll(&self, asked: &Asked, roll: Roll) -> Result<Option<ListedKey>, ControlError> {
        let attempt = (roll.action(), roll.kid().to_owned(), Vec::new());
        let done = self.weigh_and_roll(asked, roll).await;
        if let (Err(error), Caller::Key { .. }) = (&done, &asked.caller) {
            self.note_refused(attempt, error.code(), asked).await;
        }
        done
    }

    async fn weigh_and_roll(&self, asked: &Asked, roll: Roll) -> Result<Option<ListedKey>, ControlError> {
        let _turn = self.turn.lock().await;
        self.may(&asked.caller, Operation::ChangeSigningKeys).await?;
        let action = roll.action();
        let rolled = self.rolls()?.exchange.roll_signing_keys(move |token, now| roll.made(token, now)).await.map_err(refused)?;
        let Rolled { kid, before, after, listed } = rolled;
        let cause = asked.cause();
        tracing::info!(action, kid, actor = cause.actor.label(), "the signing keys have been changed");
        let note = AuditNote::SigningKey { action, kid: kid.clone(), before, after };
        if let Err(error) = self.store.note(note, &cause).await {
            let actor = cause.actor.label();
            tracing::error!(%error, action, kid, actor, "the signing keys have been changed, and that cannot be written into the audit");
            return Err(error.into());
        }
        Ok(listed)
    }

    fn rolls(&self) -> Result<&Serving, StoreError> {
        self.serving.as_ref().ok_or_else(|| StoreError::Unavailable("nobody serves here".to_owned()))
    }
}

fn refused(error: ExchangeError) -> ControlError {
    match error {
        ExchangeError::Token(error) => ControlError::SigningKeys(error),
        ExchangeError::Store(error) => error.into(),
        ExchangeError::Io(_) | ExchangeError::Policies(_) | ExchangeError::NoPolicyLeft(_) => {
            ControlError::SigningKeys(TokenError::Keys(error.to_string()))
        }
    }
}
