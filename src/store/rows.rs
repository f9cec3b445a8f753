//! Rows as the database gives them, and the way from each to the model.
//!
//! A row that the model refuses means that somebody else has written to the store: the store answers with nonsense, so it cannot be used.

use jiff::Timestamp;

use super::{FoundKey, StoreError};
use crate::model::{
    ActionPattern, AuditEntry, Binding, BindingId, Change, Group, GroupName, KeptSample, KeyBinding, KeyDigest, KeyId, KeyRecord,
    LoginPolicy, Reach, Revision, Role, RoleId, Sample, SampleId, SampledKey, SecretRecord, Space, SpaceId, Strategy, Subject, SystemRole,
};

/// id, name, description, created, expires, disabled, revoked; groups, newest two secrets, bindings: JSON arrays in any order.
pub(super) type KeyRow = (String, String, String, i64, Option<i64>, Option<i64>, Option<i64>, String, String, String);
/// The same, and the store's revision.
pub(super) type FoundRow = (String, String, String, i64, Option<i64>, Option<i64>, Option<i64>, String, String, String, i64);
/// ordinal, digest in hexadecimal, created, ends, last used.
type SecretItem = (u32, String, i64, Option<i64>, Option<i64>);
/// revision, strategy.
pub(super) type StateRow = (i64, String);
/// id, name, description, parent, labels as a JSON array.
pub(super) type SpaceRow = (String, String, String, Option<String>, String);
/// id, name, description, actions as a JSON array, system.
pub(super) type RoleRow = (String, String, String, String, bool);
/// name, description.
pub(super) type GroupRow = (String, String);
/// id, key, group, role, space, created.
pub(super) type BindingRow = (String, Option<String>, Option<String>, String, String, i64);
/// name, source, version of Rego.
pub(super) type PolicyRow = (String, String, Option<String>);
/// revision, at, key, digests one after the other.
pub(super) type ChangeRow = (i64, i64, Option<String>, Option<Vec<u8>>);
/// revision, at, actor, remote address, action, resource, before, after, request.
pub(super) type AuditRow = (i64, i64, String, Option<String>, String, String, Option<String>, Option<String>, Option<String>);
/// number, at, key, the key's name, answer and input as JSON.
pub(super) type SampleRow = (i64, i64, String, String, String, String);

/// The store holds what it cannot hold.
pub(super) fn nonsense(what: &str, why: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("it holds {what} that makes no sense: {why}"))
}

/// Microseconds since the Unix epoch: what times are stored as. The last second of all has none but its first, as it could not be read again.
pub(super) fn stored(at: Timestamp) -> i64 {
    at.as_microsecond().min(Timestamp::MAX.as_second() * 1_000_000)
}

/// A time as it will be read again: whole microseconds.
pub(super) fn storable(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(stored(at)).unwrap_or(at)
}

/// The minute that a time lies in, as it is stored.
pub(super) fn to_the_minute(at: Timestamp) -> i64 {
    const MINUTE: i64 = 60_000_000;
    stored(at).div_euclid(MINUTE) * MINUTE
}

fn time(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|error| nonsense("a time", error))
}

fn times(micros: Option<i64>) -> Result<Option<Timestamp>, StoreError> {
    micros.map(time).transpose()
}

fn json<'a, T: serde::Deserialize<'a>>(what: &str, text: &'a str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| nonsense(what, error))
}

pub(super) fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(what: &str, text: &str) -> Result<T, StoreError> {
    text.parse().map_err(|error| nonsense(what, error))
}

pub(super) fn revision(number: i64) -> Result<Revision, StoreError> {
    u64::try_from(number).map(Revision).map_err(|error| nonsense("a revision", error))
}

/// A revision as a number of the database; those that it cannot count to are all alike to it.
pub(super) fn number(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}

pub(super) fn found(row: FoundRow) -> Result<FoundKey, StoreError> {
    let (id, name, description, created_at, expires_at, disabled_at, revoked_at, groups, secrets, bindings, revision_now) = row;
    let key = key((id, name, description, created_at, expires_at, disabled_at, revoked_at, groups, secrets, bindings))?;
    Ok(FoundKey { key, as_of: revision(revision_now)? })
}

pub(super) fn key(row: KeyRow) -> Result<KeyRecord, StoreError> {
    let (id, name, description, created_at, expires_at, disabled_at, revoked_at, groups, secrets, bindings) = row;
    let mut groups: Vec<GroupName> = json("a key's groups", &groups)?;
    groups.sort_unstable();
    let mut secrets: Vec<SecretItem> = json("a key's secrets", &secrets)?;
    secrets.sort_unstable_by_key(|item| std::cmp::Reverse(item.0));
    let mut bindings: Vec<KeyBinding> = json::<Vec<(BindingId, RoleId, SpaceId)>>("a key's bindings", &bindings)?
        .into_iter()
        .map(|(id, role, space)| KeyBinding { id, role, space })
        .collect();
    bindings.sort_unstable();
    Ok(KeyRecord {
        id: parsed("a key", &id)?,
        name: parsed("a key", &name)?,
        description,
        groups,
        created_at: time(created_at)?,
        expires_at: times(expires_at)?,
        disabled_at: times(disabled_at)?,
        revoked_at: times(revoked_at)?,
        secrets: secrets.into_iter().map(secret).collect::<Result<_, _>>()?,
        bindings,
    })
}

fn secret((_, digest, created_at, ends_at, last_used_at): SecretItem) -> Result<SecretRecord, StoreError> {
    Ok(SecretRecord {
        digest: parsed("a secret", &digest)?,
        created_at: time(created_at)?,
        ends_at: times(ends_at)?,
        last_used_at: times(last_used_at)?,
    })
}

pub(super) fn strategy(text: &str) -> Result<Strategy, StoreError> {
    parsed("a strategy", text)
}

pub(super) fn space((id, name, description, parent, labels): SpaceRow) -> Result<Space, StoreError> {
    let parent = parent.map(|parent| parsed("a space", &parent)).transpose()?;
    Ok(Space { id: parsed("a space", &id)?, name, description, parent, labels: json("a space's labels", &labels)? })
}

/// What a system role allows is said by the program, whatever the store has.
pub(super) fn role((id, name, description, actions, system): RoleRow) -> Result<Role, StoreError> {
    if let Some(role) = SystemRole::ALL.into_iter().find(|role| system && role.slug() == id) {
        return Ok(role.role());
    }
    let actions: Vec<ActionPattern> = json("a role's actions", &actions)?;
    Ok(Role { id: parsed("a role", &id)?, name, description, actions, system })
}

pub(super) fn group((name, description): GroupRow) -> Result<Group, StoreError> {
    Ok(Group { name: parsed("a group", &name)?, description })
}

pub(super) fn binding((id, key, group, role, space, created_at): BindingRow) -> Result<Binding, StoreError> {
    let subject = match (key, group) {
        (Some(key), None) => Subject::Key(parsed("a binding", &key)?),
        (None, Some(group)) => Subject::Group(parsed("a binding", &group)?),
        (Some(_), Some(_)) | (None, None) => return Err(nonsense("a binding", "it must have one subject")),
    };
    let id: BindingId = parsed("a binding", &id)?;
    Ok(Binding { id, subject, role: parsed("a binding", &role)?, space: parsed("a binding", &space)?, created_at: time(created_at)? })
}

pub(super) fn policy((name, source, rego): PolicyRow) -> Result<LoginPolicy, StoreError> {
    let rego = rego.map(|rego| parsed("a policy", &rego)).transpose()?;
    Ok(LoginPolicy { name: parsed("a policy", &name)?, source: source.into(), rego })
}

pub(super) fn digest(bytes: &[u8]) -> Result<KeyDigest, StoreError> {
    bytes.try_into().map(KeyDigest::from_bytes).map_err(|_| nonsense("a digest", "it must have 32 bytes"))
}

pub(super) fn change((number, at, key, digests): ChangeRow) -> Result<Change, StoreError> {
    let reach = match (key, digests) {
        (Some(id), Some(digests)) => {
            let id: KeyId = parsed("a change", &id)?;
            Reach::Key(id, digests.chunks(32).map(digest).collect::<Result<_, _>>()?)
        }
        (None, None) => Reach::All,
        (Some(_), None) | (None, Some(_)) => return Err(nonsense("a change", "a key and its digests go together")),
    };
    Ok(Change { revision: revision(number)?, at: time(at)?, reach })
}

pub(super) fn audit(
    (number, at, actor, remote_ip, action, resource, before, after, request_id): AuditRow,
) -> Result<AuditEntry, StoreError> {
    let value = |text: Option<String>| text.map(|text| json("an audit entry", &text)).transpose();
    Ok(AuditEntry {
        revision: revision(number)?,
        at: time(at)?,
        actor,
        remote_ip,
        action,
        resource,
        before: value(before)?,
        after: value(after)?,
        request_id,
    })
}

pub(super) fn sample((number, at, key, name, answer, input): SampleRow) -> Result<KeptSample, StoreError> {
    let id = u64::try_from(number).map(SampleId).map_err(|error| nonsense("a sample", error))?;
    let key = SampledKey { id: parsed("a sample", &key)?, name: parsed("a sample", &name)? };
    let sample = Sample { at: time(at)?, key, answer: json("a sample's answer", &answer)?, input: json("a sample's input", &input)? };
    Ok(KeptSample { id, sample })
}

/// A list as a JSON array.
pub(super) fn list<T: serde::Serialize>(items: &[T]) -> String {
    serde_json::to_string(items).expect("lists of texts can be written as JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_time_can_be_stored_and_read_again() {
        for at in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            let again = time(stored(at)).unwrap();
            assert_eq!(again.as_second(), at.as_second());
            assert_eq!(storable(at), again);
        }
    }

    #[test]
    fn a_minute_before_the_epoch_begins_before_it() {
        let at = "1969-12-31T23:59:59Z".parse().unwrap();
        assert_eq!(time(to_the_minute(at)).unwrap().to_string(), "1969-12-31T23:59:00Z");
    }
}
