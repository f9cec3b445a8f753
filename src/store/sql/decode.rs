//! From rows to the model, column by column, each by its name.

use jiff::Timestamp;

use super::backend::{Row, column};
use crate::model::{
    ActionPattern, AuditEntry, AuditId, Binding, BindingId, Change, ConsoleSession, DoneOnce, EntryHash, Group, GroupName, KeptSample,
    KeyBinding, KeyDigest, KeyId, KeyName, KeyRecord, LoginPolicy, Reach, Replica, ReplicaReport, Resource, Revision, Role, RoleId, Sample,
    SampleId, SampledKey, SecretRecord, SessionDigest, Space, SpaceId, Strategy, Subject, SystemRole,
};
use crate::store::apply::HeldBack;
use crate::store::audit::GivenUp;
use crate::store::contract::FoundKey;
use crate::store::error::StoreError;
use crate::store::stored::{audit_id, digest, json, nonsense, parsed, revision, time};
use crate::store::webhook::{Receiver, Webhook};

/// Something that a row says.
pub(in crate::store) trait FromRow: Sized {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError>;
}

fn text<'r>(row: &'r dyn Row, name: &str) -> Result<&'r str, StoreError> {
    column(row, name)
}

fn time_in(row: &dyn Row, name: &str) -> Result<Timestamp, StoreError> {
    time(column(row, name)?)
}

fn time_or_none(row: &dyn Row, name: &str) -> Result<Option<Timestamp>, StoreError> {
    column::<Option<i64>>(row, name)?.map(time).transpose()
}

/// ordinal, digest in hexadecimal, created, ends, last used.
type SecretItem = (u32, String, i64, Option<i64>, Option<i64>);

impl FromRow for Resource {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        let id = text(row, "id")?;
        Ok(match text(row, "kind")? {
            "key" => Self::Key(parsed("a key", id)?),
            "space" => Self::Space(parsed("a space", id)?),
            "role" => Self::Role(parsed("a role", id)?),
            "group" => Self::Group(parsed("a group", id)?),
            "binding" => Self::Binding(parsed("a binding", id)?),
            "policy" => Self::Policy(parsed("a policy", id)?),
            other => return Err(nonsense("a kind of thing", other)),
        })
    }
}

impl FromRow for DoneOnce {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        let fingerprint = column::<&[u8]>(row, "fingerprint")?;
        Ok(Self {
            fingerprint: fingerprint.try_into().map_err(|error| nonsense("a fingerprint", error))?,
            revision: revision(column(row, "revision")?)?,
            resource: column(row, "resource")?,
            at: time(column(row, "at")?)?,
        })
    }
}

impl FromRow for FoundKey {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        Ok(Self { key: KeyRecord::from_row(row)?, as_of: revision(column(row, "as_of")?)? })
    }
}

impl FromRow for KeyRecord {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        let mut groups: Vec<GroupName> = json("a key's groups", text(row, "groups")?)?;
        groups.sort_unstable();
        let mut secrets: Vec<SecretItem> = json("a key's secrets", text(row, "secrets")?)?;
        secrets.sort_unstable_by_key(|item| std::cmp::Reverse(item.0));
        let mut bindings: Vec<KeyBinding> = json::<Vec<(BindingId, RoleId, SpaceId)>>("a key's bindings", text(row, "bindings")?)?
            .into_iter()
            .map(|(id, role, space)| KeyBinding { id, role, space })
            .collect();
        bindings.sort_unstable();
        Ok(Self {
            id: parsed("a key", text(row, "id")?)?,
            name: parsed("a key", text(row, "name")?)?,
            description: column(row, "description")?,
            groups,
            created_at: time_in(row, "created_at")?,
            expires_at: time_or_none(row, "expires_at")?,
            disabled_at: time_or_none(row, "disabled_at")?,
            revoked_at: time_or_none(row, "revoked_at")?,
            secrets: secrets.into_iter().map(secret).collect::<Result<_, _>>()?,
            bindings,
        })
    }
}

fn secret((_, digest, created_at, ends_at, last_used_at): SecretItem) -> Result<SecretRecord, StoreError> {
    Ok(SecretRecord {
        digest: parsed("a secret", &digest)?,
        created_at: time(created_at)?,
        ends_at: ends_at.map(time).transpose()?,
        last_used_at: last_used_at.map(time).transpose()?,
    })
}

/// How many keys an index knows of, and one of those of them that are wanted, if there is any.
pub(in crate::store) struct Sieved {
    pub(in crate::store) among: u64,
    pub(in crate::store) key: Option<KeyRecord>,
}

impl FromRow for Sieved {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        let among = column::<i64>(row, "among")?.unsigned_abs();
        let key = column::<Option<&str>>(row, "id")?.map(|_| KeyRecord::from_row(row)).transpose()?;
        Ok(Self { among, key })
    }
}

impl FromRow for Replica {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        let report = ReplicaReport {
            name: parsed("a replica", text(row, "name")?)?,
            version: column(row, "version")?,
            applied: revision(column(row, "applied")?)?,
            started_at: time_in(row, "started_at")?,
        };
        Ok(Self { report, last_seen_at: time_in(row, "last_seen_at")?, behind_since: time_or_none(row, "behind_since")? })
    }
}

/// What there is one of.
pub(in crate::store) struct State {
    pub(in crate::store) revision: Revision,
    pub(in crate::store) strategy: Strategy,
}

impl FromRow for State {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        Ok(Self { revision: revision(column(row, "revision")?)?, strategy: parsed("a strategy", text(row, "strategy")?)? })
    }
}

impl FromRow for Space {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: parsed("a space", text(row, "id")?)?,
            name: column(row, "name")?,
            description: column(row, "description")?,
            parent: column::<Option<&str>>(row, "parent")?.map(|parent| parsed("a space", parent)).transpose()?,
            labels: json("a space's labels", text(row, "labels")?)?,
        })
    }
}

/// What a system role allows is said by the program, whatever the store has.
impl FromRow for Role {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        let (id, system) = (text(row, "id")?, column::<bool>(row, "system")?);
        if let Some(role) = SystemRole::ALL.into_iter().find(|role| system && role.slug() == id) {
            return Ok(role.role());
        }
        let actions: Vec<ActionPattern> = json("a role's actions", text(row, "actions")?)?;
        Ok(Self { id: parsed("a role", id)?, name: column(row, "name")?, description: column(row, "description")?, actions, system })
    }
}

impl FromRow for Group {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        Ok(Self { name: parsed("a group", text(row, "name")?)?, description: column(row, "description")? })
    }
}

impl FromRow for Binding {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        let subject = match (column::<Option<&str>>(row, "key_id")?, column::<Option<&str>>(row, "group_name")?) {
            (Some(key), None) => Subject::Key(parsed("a binding", key)?),
            (None, Some(group)) => Subject::Group(parsed("a binding", group)?),
            (Some(_), Some(_)) | (None, None) => return Err(nonsense("a binding", "it must have one subject")),
        };
        Ok(Self {
            id: parsed("a binding", text(row, "id")?)?,
            subject,
            role: parsed("a binding", text(row, "role")?)?,
            space: parsed("a binding", text(row, "space")?)?,
            created_at: time_in(row, "created_at")?,
        })
    }
}

impl FromRow for LoginPolicy {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        let rego = column::<Option<&str>>(row, "rego")?.map(|rego| parsed("a policy", rego)).transpose()?;
        Ok(Self { name: parsed("a policy", text(row, "name")?)?, source: column::<String>(row, "source")?.into(), rego })
    }
}

/// The last revision, and a change if there is one beside it.
pub(in crate::store) struct FeedRow {
    pub(in crate::store) last: Revision,
    pub(in crate::store) change: Option<Change>,
}

impl FromRow for FeedRow {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        let last = revision(column(row, "last")?)?;
        let Some(number) = column::<Option<i64>>(row, "revision")? else { return Ok(Self { last, change: None }) };
        let reach = match (column::<Option<&str>>(row, "key_id")?, column::<Option<&[u8]>>(row, "digests")?) {
            (Some(id), Some(digests)) => Reach::Key(parsed("a change", id)?, digests.chunks(32).map(digest).collect::<Result<_, _>>()?),
            (None, None) => Reach::All,
            (Some(_), None) | (None, Some(_)) => return Err(nonsense("a change", "a key and its digests go together")),
        };
        Ok(Self { last, change: Some(Change { revision: revision(number)?, at: time_in(row, "at")?, reach }) })
    }
}

impl FromRow for AuditEntry {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        let value = |name| column::<Option<&str>>(row, name)?.map(|text| json("an audit entry", text)).transpose();
        Ok(Self {
            id: audit_id(column(row, "id")?)?,
            revision: column::<Option<i64>>(row, "revision")?.map(revision).transpose()?,
            at: time_in(row, "at")?,
            actor: column(row, "actor")?,
            remote_ip: column(row, "remote_ip")?,
            action: column(row, "action")?,
            resource: column(row, "resource")?,
            before: value("before")?,
            after: value("after")?,
            request_id: column(row, "request_id")?,
            refused: column(row, "refused")?,
            hash: entry_hash(row)?,
        })
    }
}

fn entry_hash(row: &dyn Row) -> Result<EntryHash, StoreError> {
    let bytes: &[u8] = column(row, "hash")?;
    bytes.try_into().map(EntryHash::from_bytes).map_err(|_| nonsense("the hash of an audit entry", "it must have 32 bytes"))
}

/// What the next entry is linked to.
pub(in crate::store) struct Link {
    pub(in crate::store) id: AuditId,
    pub(in crate::store) hash: EntryHash,
}

impl FromRow for Link {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        Ok(Self { id: audit_id(column(row, "id")?)?, hash: entry_hash(row)? })
    }
}

impl FromRow for GivenUp {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        let Link { id, hash } = Link::from_row(row)?;
        Ok(Self { id, hash, revision: revision(column(row, "revision")?)? })
    }
}

impl FromRow for Webhook {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        let receiver = column::<Option<String>>(row, "url")?.zip(column(row, "secret_file")?);
        let receiver = receiver.map(|(url, secret_file)| Receiver { url, secret_file });
        Ok(Self { receiver, sent: audit_id(column(row, "sent")?)? })
    }
}

/// With the spaces whose people may want to know.
pub(in crate::store) struct EntryOfSpaces {
    pub(in crate::store) entry: AuditEntry,
    pub(in crate::store) spaces: Vec<SpaceId>,
}

impl FromRow for EntryOfSpaces {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        Ok(Self { entry: AuditEntry::from_row(row)?, spaces: json("the spaces of an audit entry", text(row, "spaces")?)? })
    }
}

impl FromRow for HeldBack {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        let attempts = column::<i64>(row, "attempts")?.unsigned_abs();
        Ok(Self { actor: column(row, "actor")?, since: time_in(row, "since")?, until: time_in(row, "until")?, attempts })
    }
}

impl FromRow for KeptSample {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        let id = u64::try_from(column::<i64>(row, "id")?).map(SampleId).map_err(|error| nonsense("a sample", error))?;
        let key = SampledKey { id: parsed("a sample", text(row, "key_id")?)?, name: parsed("a sample", text(row, "key_name")?)? };
        let answer = json("a sample's answer", text(row, "answer")?)?;
        Ok(Self { id, sample: Sample { at: time_in(row, "at")?, key, answer, input: json("a sample's input", text(row, "input")?)? } })
    }
}

impl FromRow for ConsoleSession {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        let of_cookie = column::<&[u8]>(row, "digest")?.try_into().map_err(|_| nonsense("a session", "its digest must have 32 bytes"))?;
        Ok(Self {
            digest: SessionDigest::from_bytes(of_cookie),
            key: parsed("a session", text(row, "key_id")?)?,
            secret: digest(column(row, "secret")?)?,
            key_at: revision(column(row, "key_at")?)?,
            began_at: time_in(row, "began_at")?,
            ends_at: time_in(row, "ends_at")?,
        })
    }
}

/// What marks a store among all others: its first change. Copies and backups have it too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Origin {
    pub(in crate::store) revision: i64,
    pub(in crate::store) at: i64,
    pub(in crate::store) action: String,
    pub(in crate::store) resource: String,
    pub(in crate::store) after: Option<String>,
}

impl FromRow for Origin {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        Ok(Self {
            revision: column(row, "revision")?,
            at: column(row, "at")?,
            action: column(row, "action")?,
            resource: column(row, "resource")?,
            after: column(row, "after")?,
        })
    }
}

/// Of a key nothing but what it is called.
pub(in crate::store) struct NamedKey {
    pub(in crate::store) name: KeyName,
    pub(in crate::store) revoked: bool,
}

impl FromRow for NamedKey {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        Ok(Self { name: parsed("a key", text(row, "name")?)?, revoked: column::<Option<i64>>(row, "revoked_at")?.is_some() })
    }
}

/// The revision that last changed something.
impl FromRow for Revision {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        revision(column(row, "revision")?)
    }
}

/// How many there are.
pub(in crate::store) struct RowCount(pub(in crate::store) u64);

impl FromRow for RowCount {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        Ok(Self(column::<i64>(row, "count")?.unsigned_abs()))
    }
}

/// How many bindings there are in a space.
pub(in crate::store) struct BindingCount {
    pub(in crate::store) space: SpaceId,
    pub(in crate::store) bindings: u32,
}

impl FromRow for BindingCount {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        let bindings = u32::try_from(column::<i64>(row, "bindings")?).map_err(|error| nonsense("a count", error))?;
        Ok(Self { space: parsed("a space", text(row, "space")?)?, bindings })
    }
}

impl FromRow for GroupName {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        parsed("a group", text(row, "name")?)
    }
}

/// What the key of an id is called.
pub(in crate::store) struct CalledKey {
    pub(in crate::store) id: KeyId,
    pub(in crate::store) name: KeyName,
}

impl FromRow for CalledKey {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        Ok(Self { id: KeyId::from_row(row)?, name: parsed("a key", text(row, "name")?)? })
    }
}

impl FromRow for KeyId {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        parsed("a key", text(row, "id")?)
    }
}

impl FromRow for BindingId {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        parsed("a binding", text(row, "id")?)
    }
}

impl FromRow for KeyDigest {
    fn from_row(row: &dyn Row) -> Result<Self, StoreError> {
        digest(column(row, "digest")?)
    }
}
