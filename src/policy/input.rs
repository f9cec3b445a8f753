//! `input`: what a policy sees.
//!
//! Values are made here and nowhere else. Regorus' own reader of JSON is never used on anything from outside: it takes an object with a
//! certain key for a number of any size, and then spends half a minute on it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use regorus::Value;

use crate::model::{AlternativeNames, ClientCertificate, GroupName, KeyId, KeyName, KeyRecord, Role, RoleId, Snapshot, Space, SpaceTree};

/// The part of `input` that all keys share (`spaces`, `roles`), built once per snapshot, when a policy is first asked: ten thousand spaces
/// take 5 MiB.
#[derive(Clone, Debug)]
pub struct SharedInput {
    spaces: SpaceTree,
    roles: BTreeMap<RoleId, Role>,
    values: OnceLock<SharedValues>,
}

#[derive(Clone, Debug)]
struct SharedValues {
    spaces: Value,
    roles: Value,
}

/// One question.
#[derive(Clone, Debug)]
pub struct LoginInput {
    /// `spaces`, `roles`.
    pub shared: Arc<SharedInput>,
    /// `session.login`, `name`, `api_key_id`, `actor`, `teams`.
    pub key: Arc<KeyRecord>,
    /// `session.admin`.
    pub root_admin: bool,
    /// `request.remote_ip` and `session.creator_ip`; already unmapped from IPv6.
    pub remote_ip: IpAddr,
    /// `request.client_certificate`; `None`: null.
    pub client_certificate: Option<Arc<ClientCertificate>>,
    /// `request.timestamp_ns`; already truncated to the quantum.
    pub at: Timestamp,
    /// `session.account_name`.
    pub instance: Arc<str>,
}

/// All that a question shows of its key, to whoever sees neither the address nor the time: what else there is in `input` is shared.
#[derive(Debug)]
pub(super) struct AboutKey {
    id: KeyId,
    name: KeyName,
    groups: Box<[GroupName]>,
    root_admin: bool,
    instance: Arc<str>,
}

impl AboutKey {
    pub(super) fn of(input: &LoginInput) -> Self {
        Self {
            id: input.key.id,
            name: input.key.name.clone(),
            groups: input.key.groups.as_slice().into(),
            root_admin: input.root_admin,
            instance: Arc::clone(&input.instance),
        }
    }

    /// Whether another question shows the same.
    pub(super) fn is_that_of(&self, input: &LoginInput) -> bool {
        let Self { id, name, groups, root_admin, instance } = self;
        let key = &input.key;
        (*id, *root_admin) == (key.id, input.root_admin) && *name == key.name && **groups == *key.groups && **instance == *input.instance
    }

    /// Bytes that hang on it.
    pub(super) fn bytes(&self) -> usize {
        let groups: usize = self.groups.iter().map(|group| size_of_val(group) + group.as_str().len()).sum();
        self.name.as_str().len() + groups
    }
}

impl SharedInput {
    /// What a snapshot says of spaces and roles.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        Self { spaces: snapshot.spaces.clone(), roles: snapshot.roles.clone(), values: OnceLock::new() }
    }

    /// Whether policies see the same of another snapshot.
    #[must_use]
    pub fn is_that_of(&self, snapshot: &Snapshot) -> bool {
        let Self { spaces, roles, values: _ } = self;
        *spaces == snapshot.spaces && *roles == snapshot.roles
    }

    /// Builds now what the first question would have to wait for.
    pub fn prepare(&self) {
        self.values();
    }

    /// Values without anything that they were made of.
    fn made(spaces: Value, roles: Value) -> Self {
        Self { spaces: SpaceTree::root_only(), roles: BTreeMap::new(), values: OnceLock::from(SharedValues { spaces, roles }) }
    }

    fn values(&self) -> &SharedValues {
        self.values.get_or_init(|| {
            let fields = ["id", "labels", "name", "parent"].map(text);
            SharedValues {
                spaces: Value::from(self.spaces.iter().map(|row| space(row, &fields)).collect::<Vec<_>>()),
                roles: Value::from(self.roles.values().map(role).collect::<Vec<_>>()),
            }
        })
    }
}

impl LoginInput {
    /// The same as JSON, for whoever keeps or shows it.
    #[must_use]
    pub fn document(&self) -> serde_json::Value {
        serde_json::to_value(self.value()).unwrap_or_default()
    }

    /// The `input` document. Every field is always there.
    pub(super) fn value(&self) -> Value {
        let teams = self.key.groups.iter().map(|group| text(group.as_str())).collect();
        document(
            &self.shared,
            &self.key.id.to_string(),
            self.key.name.as_str(),
            teams,
            self.root_admin,
            (self.remote_ip, self.client_certificate.as_deref()),
            self.at,
            &self.instance,
        )
    }
}

/// An `input` that nobody asks about, with every field, for the first evaluation of a policy.
pub(super) fn sample() -> Value {
    sample_with(&SharedInput::made(Value::new_array(), Value::new_array()))
}

/// Inputs as they could come, for trying a policy out, and who each is in words.
pub(super) fn samples() -> Vec<(Value, &'static str)> {
    let of = |name: &str, teams: &[&str], ip: &str, at: i64, admin: bool, described| {
        let root = object([
            ("id", text("root")),
            ("labels", Value::from(vec![text("team:platform")])),
            ("name", text("root")),
            ("parent", Value::Null),
        ]);
        let reader = object([("id", text("space-reader")), ("name", text("Reader")), ("slug", text("space-reader"))]);
        let shared = SharedInput::made(Value::from(vec![root]), Value::from(vec![reader]));
        let teams = teams.iter().map(|team| text(team)).collect();
        let ip = ip.parse().unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED));
        let at = Timestamp::from_second(at).unwrap_or(Timestamp::UNIX_EPOCH);
        (document(&shared, "01hv0000000000000000000000", name, teams, admin, (ip, None), at, "instance"), described)
    };
    vec![
        (sample(), "a key without a name"),
        of("ci-1", &[], "10.0.0.1", 1_780_000_000, false, "a key without groups"),
        of("alice", &["platform"], "192.0.2.7", 1_780_030_000, false, "a key with one group"),
        of(
            "Ops 2",
            &["platform", "ops", "DevOps Team"],
            "2001:db8::7",
            1_780_300_000,
            true,
            "a key with many groups, from an IPv6 address,",
        ),
    ]
}

/// The same with these spaces and roles.
pub(super) fn sample_with(shared: &SharedInput) -> Value {
    document(shared, "", "", Vec::new(), false, (IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), None), Timestamp::UNIX_EPOCH, "")
}

#[expect(clippy::too_many_arguments, reason = "one for each thing that `input` tells of")]
fn document(
    shared: &SharedInput,
    id: &str,
    name: &str,
    teams: Vec<Value>,
    root_admin: bool,
    (remote_ip, client_certificate): (IpAddr, Option<&ClientCertificate>),
    at: Timestamp,
    instance: &str,
) -> Value {
    // Here once more, in case a caller forgets: a mapped address would fall out of every IPv4 network.
    let address = text(&remote_ip.to_canonical().to_string());
    let name = text(name);
    let request = object([
        ("client_certificate", client_certificate.map_or(Value::Null, certificate)),
        ("remote_ip", address.clone()),
        ("timestamp_ns", nanoseconds(at)),
    ]);
    let session = object([
        ("account_name", text(instance)),
        ("actor", text(&format!("api::{id}"))),
        ("admin", Value::Bool(root_admin)),
        ("api_key_id", text(id)),
        ("creator_ip", address),
        ("login", name.clone()),
        ("machine", Value::Bool(true)),
        ("member", Value::Bool(true)),
        ("name", name),
        ("stack_id", text("")),
        ("teams", Value::from(teams)),
    ]);
    let SharedValues { spaces, roles } = shared.values().clone();
    object([("attachment", Value::Null), ("request", request), ("roles", roles), ("session", session), ("spaces", spaces)])
}

fn certificate(certificate: &ClientCertificate) -> Value {
    let AlternativeNames { dns, email, ip, uri } = &certificate.san;
    let texts = |names: &[String]| Value::from(names.iter().map(|name| text(name)).collect::<Vec<_>>());
    let addresses = Value::from(ip.iter().map(|ip| text(&ip.to_string())).collect::<Vec<_>>());
    object([
        ("fingerprint", text(&certificate.fingerprint.to_string())),
        ("issuer", text(&certificate.issuer)),
        ("san", object([("dns", texts(dns)), ("email", texts(email)), ("ip", addresses), ("uri", texts(uri))])),
        ("serial", text(&certificate.serial)),
        ("subject", text(&certificate.subject)),
    ])
}

/// Of the names of its fields, which all spaces share.
fn space(space: &Space, fields: &[Value; 4]) -> Value {
    let values = [
        text(space.id.as_str()),
        Value::from(space.labels.iter().map(|label| text(label)).collect::<Vec<_>>()),
        text(&space.name),
        space.parent.as_ref().map_or(Value::Null, |parent| text(parent.as_str())),
    ];
    Value::from(fields.iter().cloned().zip(values).collect::<BTreeMap<_, _>>())
}

fn role(role: &Role) -> Value {
    object([("id", text(role.id.as_str())), ("name", text(&role.name)), ("slug", text(role.id.as_str()))])
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::from(fields.into_iter().map(|(name, value)| (text(name), value)).collect::<BTreeMap<_, _>>())
}

fn text(text: &str) -> Value {
    Value::String(text.into())
}

/// Exact, before 1970 and after 2262 too.
pub(super) fn nanoseconds(at: Timestamp) -> Value {
    let nanoseconds = at.as_nanosecond();
    i64::try_from(nanoseconds).map_or_else(|_| Value::from(nanoseconds), Value::from)
}

#[cfg(test)]
impl LoginInput {
    /// About a key with this name, of a store with nothing else in it.
    pub(super) fn about(login: &str) -> Self {
        let key = KeyRecord {
            id: KeyId::new(1, 2),
            name: login.parse().unwrap(),
            description: String::new(),
            groups: Vec::new(),
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
            disabled_at: None,
            revoked_at: None,
            secrets: Vec::new(),
            bindings: Vec::new(),
        };
        Self {
            shared: Arc::new(SharedInput::of(&Snapshot::empty(crate::model::Strategy::Combined))),
            key: Arc::new(key),
            root_admin: false,
            remote_ip: "10.1.2.3".parse().unwrap(),
            client_certificate: None,
            at: Timestamp::UNIX_EPOCH,
            instance: "dev".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Group;

    fn question() -> LoginInput {
        let (remote_ip, at) = ("::ffff:10.1.2.3".parse().unwrap(), "2026-07-01T12:00:00.123456789Z".parse().unwrap());
        let mut question = LoginInput { remote_ip, at, ..LoginInput::about("ci \"prod\"") };
        Arc::make_mut(&mut question.key).groups.push("Platform Team".parse().unwrap());
        question
    }

    #[test]
    fn every_field_is_there_with_its_type() {
        let question = question();
        let id = question.key.id.to_string();
        let expected = serde_json::json!({
            "attachment": null,
            "request": {"client_certificate": null, "remote_ip": "10.1.2.3", "timestamp_ns": 1_782_907_200_123_456_789_i64},
            "roles": [
                {"id": "replica", "name": "Replica", "slug": "replica"},
                {"id": "space-admin", "name": "Space admin", "slug": "space-admin"},
                {"id": "space-reader", "name": "Space reader", "slug": "space-reader"},
                {"id": "space-writer", "name": "Space writer", "slug": "space-writer"},
            ],
            "session": {
                "account_name": "dev", "actor": format!("api::{id}"), "admin": false, "api_key_id": id, "creator_ip": "10.1.2.3",
                "login": "ci \"prod\"", "machine": true, "member": true, "name": "ci \"prod\"", "stack_id": "", "teams": ["Platform Team"],
            },
            "spaces": [{"id": "root", "labels": [], "name": "Root", "parent": null}],
        });
        let written: serde_json::Value = serde_json::from_str(&question.value().to_json_str().unwrap()).unwrap();
        assert_eq!(written, expected);
        assert_eq!(question.document(), expected);
    }

    #[test]
    fn a_client_certificate_is_written_as_it_is_read() {
        let written = serde_json::json!({
            "subject": "CN=ci", "issuer": "CN=of clients", "serial": "4f2a", "fingerprint": "a5".repeat(32),
            "san": {"dns": ["ci.example.com"], "email": ["a@b"], "ip": ["192.0.2.7", "2001:db8::7"], "uri": ["spiffe://a/b"]},
        });
        let shown: ClientCertificate = serde_json::from_value(written.clone()).unwrap();
        let question = LoginInput { client_certificate: Some(Arc::new(shown)), ..question() };
        assert_eq!(question.document()["request"]["client_certificate"], written);
    }

    #[test]
    fn a_key_without_groups_has_an_empty_array_of_teams() {
        let mut question = question();
        Arc::make_mut(&mut question.key).groups.clear();
        assert_eq!(question.value()["session"]["teams"], Value::new_array());
    }

    #[test]
    fn what_keys_share_is_that_of_every_snapshot_with_the_same_spaces_and_roles() {
        let snapshot = Snapshot::empty(crate::model::Strategy::Combined);
        let shared = SharedInput::of(&snapshot);
        let mut other =
            Snapshot { revision: snapshot.revision.next(), strategy: crate::model::Strategy::LoginPolicies, ..snapshot.clone() };
        let group = Group { name: "ops".parse().unwrap(), description: String::new() };
        other.groups.insert(group.name.clone(), group);
        assert!(shared.is_that_of(&other));

        let parent = Some(crate::model::SpaceId::root());
        let eu = Space { id: "eu".parse().unwrap(), name: "EU".to_owned(), description: String::new(), parent, labels: Vec::new() };
        let mut with_space = snapshot.clone();
        assert!(with_space.spaces.add(eu));
        assert!(!shared.is_that_of(&with_space));
        assert!(shared.is_that_of(&snapshot), "its own is another tree than one that was made of it");

        let mut renamed = snapshot;
        renamed.roles.values_mut().next().unwrap().name = "Other".to_owned();
        assert!(!shared.is_that_of(&renamed));
    }
}
