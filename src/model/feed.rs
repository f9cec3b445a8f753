//! What a control plane tells the sidecars that follow it, as it goes over the wire.
//!
//! The form has a number of its own, since sidecars and control planes of two versions work side by side. Fields that are not known are passed
//! over; whatever would decide something and is not understood is a fault, and leaves the sidecar where it is.
//!
//! A sidecar is told no more than it takes to serve. Of a key that has changed it hears a [`mark`](KeyDigest::mark), by which it finds what it
//! remembers of the key, and nobody else finds the key; of a key that it has asked for by a digest, it hears of the secret with that digest alone.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::api_key::{KeyDigest, KeyRecord, SecretRecord};
use super::binding::{Binding, KeyBinding};
use super::id::{GroupName, KeyId, KeyName, Revision};
use super::mutation::{Change, Changes, Reach};
use super::policy::{LoginPolicy, Strategy};
use super::role::Role;
use super::snapshot::{Group, Snapshot};
use super::space::{Space, SpaceTree};

/// The form that this version speaks. Another number says that something decides which this version does not know.
pub const FEED_FORMAT: u32 = 1;
/// How many changes are told at once; whoever is further behind reads everything anew.
pub const FEED_CHANGES_MAX: usize = 2_000;
/// How many uses, and how many samples, are reported at once.
pub const FEED_REPORTED_MAX: usize = 2_000;

/// Why what a control plane says cannot be gone by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeedFault {
    /// It is of another version.
    #[error("it speaks form {found} of the feed, and this sidecar form {FEED_FORMAT}: one of them is too old for the other")]
    Format {
        /// What it says.
        found: u32,
    },
    /// It contradicts itself.
    #[error("what it says cannot be: {0}")]
    Nonsense(String),
}

/// What stands around everything but the keys.
#[derive(Debug, Serialize, Deserialize)]
pub struct FeedSnapshot {
    /// [`FEED_FORMAT`].
    pub format: u32,
    /// The content is as this change and all before it have left it, or newer.
    pub revision: Revision,
    /// What there is.
    pub content: FeedContent,
}

/// Everything but the keys.
#[derive(Debug, Serialize, Deserialize)]
pub struct FeedContent {
    spaces: Vec<Space>,
    roles: Vec<Role>,
    groups: Vec<Group>,
    /// Those of groups; a key has its own.
    bindings: Vec<Binding>,
    policies: Vec<LoginPolicy>,
    strategy: Strategy,
}

/// What has changed after a revision.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FeedChanges {
    /// [`FEED_FORMAT`].
    pub format: u32,
    /// The last change that the control plane knows of. Less than what was asked after: it is behind whoever asks.
    pub revision: Revision,
    /// When the change that was asked after was committed; `None`: it is not known any more. Another time: it is another store.
    #[serde(default)]
    pub after_at: Option<Timestamp>,
    /// So many milliseconds after it was asked, or before if negative, this was all that had been committed.
    pub as_of_ms: i64,
    /// Whether more has changed than can be told: everything is to be read anew.
    pub too_old: bool,
    /// Each change, in order.
    pub changes: Vec<FeedChange>,
}

/// A change that has been committed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FeedChange {
    /// Its number.
    pub revision: Revision,
    /// When it was committed.
    pub at: Timestamp,
    /// Whom it can touch.
    pub reach: FeedReach,
}

/// Whom a change can touch.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FeedReach {
    /// Everybody.
    All,
    /// Keys whose digests have one of these marks.
    Marks(Vec<String>),
}

/// The key of a digest.
#[derive(Debug, Serialize, Deserialize)]
pub struct FeedFound {
    /// [`FEED_FORMAT`].
    pub format: u32,
    /// As of which change.
    pub as_of: Revision,
    /// `None`: there is none.
    pub key: Option<FeedKey>,
}

/// A key as far as it takes to serve it.
#[derive(Debug, Serialize, Deserialize)]
pub struct FeedKey {
    id: KeyId,
    name: KeyName,
    groups: Vec<GroupName>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    disabled_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    /// The one with the digest that was asked for.
    secret: Option<FeedSecret>,
    bindings: Vec<KeyBinding>,
}

#[derive(Debug, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "what it goes over the wire by is what the record calls it")]
struct FeedSecret {
    created_at: Timestamp,
    ends_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
}

/// Refuses what is of another form.
///
/// # Errors
/// It is.
pub fn check_format(found: u32) -> Result<(), FeedFault> {
    if found == FEED_FORMAT { Ok(()) } else { Err(FeedFault::Format { found }) }
}

impl From<&Snapshot> for FeedContent {
    fn from(snapshot: &Snapshot) -> Self {
        Self {
            spaces: snapshot.spaces.iter().cloned().collect(),
            roles: snapshot.roles.values().cloned().collect(),
            groups: snapshot.groups.values().cloned().collect(),
            bindings: snapshot.group_bindings.values().flatten().cloned().collect(),
            policies: snapshot.policies.clone(),
            strategy: snapshot.strategy,
        }
    }
}

impl FeedSnapshot {
    /// What it says.
    ///
    /// # Errors
    /// It is of another form, or its spaces are no tree.
    pub fn read(self) -> Result<Snapshot, FeedFault> {
        let Self { format, revision, content } = self;
        check_format(format)?;
        let FeedContent { spaces, roles, groups, bindings, policies, strategy } = content;
        let mut snapshot = Snapshot {
            revision,
            spaces: SpaceTree::from_rows(spaces).map_err(|fault| FeedFault::Nonsense(fault.to_string()))?,
            roles: roles.into_iter().map(|role| (role.id.clone(), role)).collect(),
            groups: groups.into_iter().map(|group| (group.name.clone(), group)).collect(),
            group_bindings: BTreeMap::new(),
            policies,
            strategy,
        };
        for binding in bindings {
            snapshot.bind_group(binding);
        }
        Ok(snapshot)
    }
}

impl From<&Change> for FeedChange {
    fn from(change: &Change) -> Self {
        let reach = match &change.reach {
            Reach::All => FeedReach::All,
            Reach::Key(_, digests) => FeedReach::Marks(digests.iter().map(KeyDigest::mark).collect()),
        };
        Self { revision: change.revision, at: change.at, reach }
    }
}

impl FeedChanges {
    /// What has changed after this revision.
    ///
    /// # Errors
    /// It is of another form, or not what comes after that.
    pub fn read(self, after: Revision) -> Result<Changes, FeedFault> {
        check_format(self.format)?;
        if self.too_old {
            return Ok(Changes::TooOld);
        }
        let mut last = after;
        let mut changes = Vec::with_capacity(self.changes.len());
        for FeedChange { revision, at, reach } in self.changes {
            if revision != last.next() {
                return Err(FeedFault::Nonsense(format!("revision {revision} after {last}")));
            }
            last = revision;
            let reach = match reach {
                FeedReach::All => Reach::All,
                FeedReach::Marks(marks) => {
                    let digest = |mark: &String| KeyDigest::with_mark(mark).ok_or(FeedFault::Nonsense("a mark is none".to_owned()));
                    // Which key it is, is not told: nobody who follows asks.
                    Reach::Key(KeyId::new(0, 0), marks.iter().map(digest).collect::<Result<_, _>>()?)
                }
            };
            changes.push(Change { revision, at, reach });
        }
        Ok(Changes::Since(changes))
    }
}

impl FeedKey {
    /// The key, for whoever has asked for this digest.
    #[must_use]
    pub fn of(key: KeyRecord, digest: &KeyDigest) -> Self {
        let secret = key.secret(digest).map(|secret| FeedSecret {
            created_at: secret.created_at,
            ends_at: secret.ends_at,
            last_used_at: secret.last_used_at,
        });
        let KeyRecord { id, name, groups, created_at, expires_at, disabled_at, revoked_at, bindings, description: _, secrets: _ } = key;
        Self { id, name, groups, created_at, expires_at, disabled_at, revoked_at, secret, bindings }
    }

    /// The same as a record, for whoever has asked for this digest.
    #[must_use]
    pub fn record(self, digest: &KeyDigest) -> KeyRecord {
        let Self { id, name, groups, created_at, expires_at, disabled_at, revoked_at, secret, bindings } = self;
        let record = |FeedSecret { created_at, ends_at, last_used_at }| SecretRecord { digest: *digest, created_at, ends_at, last_used_at };
        let secrets = secret.into_iter().map(record).collect();
        KeyRecord { id, name, description: String::new(), groups, created_at, expires_at, disabled_at, revoked_at, secrets, bindings }
    }
}
