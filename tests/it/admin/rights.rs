//! Every operation of the API by every kind of caller.

use std::io::Write as _;
use std::process::{Command, Stdio};

use claviger::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::client::Api;
use super::maker::Maker;
use crate::support::server::Server;
use crate::support::waiting;

/// Who asks. The spaces are `root` > `division` > { `team` > { `a`, `b` }, `other` }.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// With the store in their hands: not over HTTP.
    Operator,
    /// Claviger itself: not over HTTP either.
    System,
    RootAdmin,
    RootAdminByGroup,
    AdminOfTeam,
    AdminOfTeamByGroup,
    AdminOfDivision,
    AdminOfOther,
    Writer,
    Reader,
    /// With the role `replica`.
    Sidecar,
    NoRoles,
    Disabled,
    Expired,
    Revoked,
    Nobody,
}

/// Who asks over HTTP.
pub(crate) const EVERYBODY: [(Who, &str); 14] = [
    (Who::RootAdmin, "root admin"),
    (Who::RootAdminByGroup, "root admin by group"),
    (Who::AdminOfTeam, "admin of the space"),
    (Who::AdminOfTeamByGroup, "the same by group"),
    (Who::AdminOfDivision, "admin of its parent"),
    (Who::AdminOfOther, "admin of a sibling"),
    (Who::Writer, "writer"),
    (Who::Reader, "reader"),
    (Who::Sidecar, "sidecar"),
    (Who::NoRoles, "no roles"),
    (Who::Disabled, "disabled"),
    (Who::Expired, "expired"),
    (Who::Revoked, "revoked"),
    (Who::Nobody, "no key"),
];

/// Who may, as the product says it: written down here once more, and not read from the program's table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum May {
    EveryKey,
    AnyAdmin,
    /// In `team` or below it.
    AdminHere,
    /// In both `team` and `other`.
    AdminOfBoth,
    RootAdmin,
    /// And no admin.
    Sidecar,
}

impl Who {
    /// Whether the key is as good as none.
    pub(crate) fn works_for_nobody(self) -> bool {
        matches!(self, Self::Disabled | Self::Expired | Self::Revoked | Self::Nobody)
    }
}

impl May {
    pub(crate) fn allows(self, who: Who) -> bool {
        use Who::{
            AdminOfDivision, AdminOfOther, AdminOfTeam, AdminOfTeamByGroup, Disabled, Expired, NoRoles, Nobody, Operator, Reader, Revoked,
            RootAdmin, RootAdminByGroup, Sidecar, System, Writer,
        };
        match who {
            Disabled | Expired | Revoked | Nobody => false,
            Operator | System => true,
            RootAdmin | RootAdminByGroup => !matches!(self, Self::Sidecar),
            Sidecar => matches!(self, Self::EveryKey | Self::Sidecar),
            AdminOfDivision => !matches!(self, Self::RootAdmin | Self::Sidecar),
            AdminOfTeam | AdminOfTeamByGroup => matches!(self, Self::EveryKey | Self::AnyAdmin | Self::AdminHere),
            AdminOfOther => matches!(self, Self::EveryKey | Self::AnyAdmin),
            Writer | Reader | NoRoles => matches!(self, Self::EveryKey),
        }
    }
}

/// A request that is ready to be sent.
type Request = (&'static str, String, Option<Value>);

/// Spaces, and everybody who asks.
fn world_of(server: &Server) -> (Maker, Vec<(Who, &'static str, Api)>) {
    let world = Maker::new(Api::of_root(server));
    let root = &world.root;
    for (id, parent) in [("division", "root"), ("team", "division"), ("other", "division"), ("a", "team"), ("b", "team")] {
        root.made("/spaces", &json!({ "id": id, "parent": parent }));
    }
    for (group, space) in [("roots", "root"), ("leads", "team")] {
        root.made("/bindings", &json!({ "subject": { "group": group }, "role": "space-admin", "space": space }));
    }
    let callers = EVERYBODY.iter().map(|(who, called)| (*who, *called, caller(*who, root))).collect();
    (world, callers)
}

impl Maker {
    fn key(&self) -> String {
        let made = self.root.made("/keys", &json!({ "name": self.fresh("key") }));
        made["id"].as_str().unwrap().to_owned()
    }

    /// Of a key that is made for it.
    fn binding(&self, space: &str) -> String {
        self.bound(&json!({ "key": self.key() }), space)
    }
}

const POLICY: &str = "package spacelift\n\nallow if input.session.member\n";

type Prepare = fn(&Maker) -> Request;

/// Every operation on something in `team`, unless it says otherwise.
const OPERATIONS: [(&str, May, Prepare); 63] = [
    ("see oneself", May::EveryKey, |_| ("GET", "/whoami".into(), None)),
    ("list keys", May::AnyAdmin, |_| ("GET", "/keys".into(), None)),
    ("show a key", May::AnyAdmin, |world| ("GET", format!("/keys/{}", world.key()), None)),
    ("see a key's effective access", May::AnyAdmin, |world| ("GET", format!("/keys/{}/effective", world.key()), None)),
    ("create a key", May::RootAdmin, |world| ("POST", "/keys".into(), Some(json!({ "name": world.fresh("key") })))),
    ("import a key", May::RootAdmin, |world| {
        let sha256 = format!("{:064x}", world.count.get() + 7);
        ("POST", "/keys/import".into(), Some(json!({ "name": world.fresh("key"), "sha256": sha256 })))
    }),
    ("change a key", May::RootAdmin, |world| ("PATCH", format!("/keys/{}", world.key()), Some(json!({ "groups": ["x"] })))),
    ("rotate a key", May::RootAdmin, |world| ("POST", format!("/keys/{}/rotate", world.key()), Some(json!({ "grace_seconds": 0 })))),
    ("disable a key", May::RootAdmin, |world| ("POST", format!("/keys/{}/disable", world.key()), None)),
    ("enable a key", May::RootAdmin, |world| ("POST", format!("/keys/{}/enable", world.key()), None)),
    ("revoke a key", May::RootAdmin, |world| ("DELETE", format!("/keys/{}", world.key()), None)),
    ("list spaces", May::AnyAdmin, |_| ("GET", "/spaces".into(), None)),
    ("show a space", May::AnyAdmin, |_| ("GET", "/spaces/team".into(), None)),
    ("create a space below", May::AdminHere, |world| {
        ("POST", "/spaces".into(), Some(json!({ "id": world.fresh("space"), "parent": "team" })))
    }),
    ("create a space at the root", May::RootAdmin, |world| ("POST", "/spaces".into(), Some(json!({ "id": world.fresh("space") })))),
    ("change the space", May::AdminHere, |_| ("PATCH", "/spaces/team".into(), Some(json!({ "description": "changed" })))),
    ("move a space within", May::AdminHere, |world| ("PATCH", format!("/spaces/{}", world.space("a")), Some(json!({ "parent": "b" })))),
    ("move a space to a sibling", May::AdminOfBoth, |world| {
        ("PATCH", format!("/spaces/{}", world.space("a")), Some(json!({ "parent": "other" })))
    }),
    ("fetch a space from a sibling", May::AdminOfBoth, |world| {
        ("PATCH", format!("/spaces/{}", world.space("other")), Some(json!({ "parent": "a" })))
    }),
    ("delete a space below", May::AdminHere, |world| ("DELETE", format!("/spaces/{}", world.space("a")), None)),
    ("list roles", May::AnyAdmin, |_| ("GET", "/roles".into(), None)),
    ("show a role", May::AnyAdmin, |_| ("GET", "/roles/space-admin".into(), None)),
    ("create a role", May::RootAdmin, |world| {
        ("POST", "/roles".into(), Some(json!({ "id": world.fresh("role"), "actions": ["run:read"] })))
    }),
    ("change a role", May::RootAdmin, |world| ("PATCH", format!("/roles/{}", world.role()), Some(json!({ "actions": ["*:*"] })))),
    ("delete a role", May::RootAdmin, |world| ("DELETE", format!("/roles/{}", world.role()), None)),
    ("list groups", May::AnyAdmin, |_| ("GET", "/groups".into(), None)),
    ("show a group", May::AnyAdmin, |_| ("GET", "/groups/roots".into(), None)),
    ("create a group", May::RootAdmin, |world| ("POST", "/groups".into(), Some(json!({ "name": world.fresh("group") })))),
    ("change a group", May::RootAdmin, |world| ("PATCH", format!("/groups/{}", world.group()), Some(json!({ "description": "x" })))),
    ("delete a group", May::RootAdmin, |world| ("DELETE", format!("/groups/{}", world.group()), None)),
    ("list bindings", May::AnyAdmin, |_| ("GET", "/bindings".into(), None)),
    ("show a binding", May::AnyAdmin, |world| ("GET", format!("/bindings/{}", world.binding("team")), None)),
    ("bind a key", May::AdminHere, |world| {
        let subject = json!({ "key": world.key() });
        ("POST", "/bindings".into(), Some(json!({ "subject": subject, "role": "space-admin", "space": "team" })))
    }),
    ("bind a group below", May::AdminHere, |world| {
        let subject = json!({ "group": world.fresh("group") });
        ("POST", "/bindings".into(), Some(json!({ "subject": subject, "role": "space-writer", "space": "a" })))
    }),
    ("bind at the root", May::RootAdmin, |world| {
        let subject = json!({ "key": world.key() });
        ("POST", "/bindings".into(), Some(json!({ "subject": subject, "role": "space-reader", "space": "root" })))
    }),
    ("unbind", May::AdminHere, |world| ("DELETE", format!("/bindings/{}", world.binding("a")), None)),
    ("unbind at the root", May::RootAdmin, |world| ("DELETE", format!("/bindings/{}", world.binding("root")), None)),
    ("list login policies", May::RootAdmin, |_| ("GET", "/policies".into(), None)),
    ("create a login policy", May::RootAdmin, |world| {
        ("POST", "/policies".into(), Some(json!({ "name": world.fresh("policy"), "source": POLICY })))
    }),
    ("change a login policy", May::RootAdmin, |world| {
        ("PUT", format!("/policies/{}", world.policy(POLICY)), Some(json!({ "source": POLICY })))
    }),
    ("delete a login policy", May::RootAdmin, |world| ("DELETE", format!("/policies/{}", world.policy(POLICY)), None)),
    ("validate a login policy", May::RootAdmin, |world| {
        ("POST", "/policies/validate".into(), Some(json!({ "name": world.fresh("policy"), "source": POLICY })))
    }),
    ("simulate a login policy", May::RootAdmin, |_| {
        ("POST", "/policies/simulate".into(), Some(json!({ "name": "p", "source": POLICY, "about": "all_keys" })))
    }),
    ("see the strategy", May::RootAdmin, |_| ("GET", "/strategy".into(), None)),
    ("set the strategy", May::RootAdmin, |_| ("PUT", "/strategy".into(), Some(json!({ "strategy": "combined" })))),
    ("see and clear samples", May::RootAdmin, |_| ("GET", "/samples".into(), None)),
    ("have a decision explained", May::RootAdmin, |world| ("POST", "/explain".into(), Some(json!({ "key": world.key() })))),
    ("see the audit", May::RootAdmin, |_| ("GET", "/audit".into(), None)),
    ("see replicas", May::AnyAdmin, |_| ("GET", "/replicas".into(), None)),
    ("list signing keys", May::RootAdmin, |_| ("GET", "/signing-keys".into(), None)),
    ("publish a signing key", May::RootAdmin, |world| {
        if let Some(next) = world.signing_key_that_is("next") {
            world.root.post(&format!("/signing-keys/{next}/retire"), &json!({}));
        }
        ("POST", "/signing-keys".into(), Some(json!({})))
    }),
    ("activate a signing key", May::RootAdmin, |world| {
        ("POST", format!("/signing-keys/{}/activate", world.next_signing_key()), Some(json!({ "force": true })))
    }),
    ("retire a signing key", May::RootAdmin, |world| {
        ("POST", format!("/signing-keys/{}/retire", world.next_signing_key()), Some(json!({})))
    }),
    ("see everything but keys", May::AnyAdmin, |_| ("GET", "/access".into(), None)),
    ("see what files declare", May::RootAdmin, |_| ("GET", "/declared".into(), None)),
    ("see what decisions depend on", May::RootAdmin, |_| ("GET", "/evaluation".into(), None)),
    ("read the feed's snapshot", May::Sidecar, |_| ("GET", "/feed/snapshot".into(), None)),
    ("read the feed's changes", May::Sidecar, |_| ("GET", "/feed/changes?after=0".into(), None)),
    ("look a key up by its digest", May::Sidecar, |_| ("POST", "/feed/key".into(), Some(json!({ "sha256": "0".repeat(64) })))),
    ("report uses", May::Sidecar, |_| ("POST", "/feed/uses".into(), Some(json!({ "uses": [] })))),
    ("report samples", May::Sidecar, |_| ("POST", "/feed/samples".into(), Some(json!({ "samples": [] })))),
    ("report itself", May::Sidecar, |_| {
        let report = json!({ "version": "0", "applied": 0, "started_at": "2026-03-02T12:00:00Z" });
        ("POST", "/feed/replica".into(), Some(report))
    }),
    ("make several changes", May::AdminHere, |world| {
        let changes = [world.fresh("space"), world.fresh("space")].map(|id| json!({ "space.create": { "id": id, "parent": "team" } }));
        ("POST", "/changes".into(), Some(json!({ "changes": changes })))
    }),
];

/// The same at the command line, which asks a server; `None` where it has no command for it, or one that is another row's.
fn command(row: &str, world: &Maker) -> Option<Vec<String>> {
    let line = match row {
        "see oneself" => "whoami".to_owned(),
        "list keys" => "key list".to_owned(),
        "show a key" => format!("key show {}", world.key()),
        "create a key" => format!("key create --name {}", world.fresh("key")),
        "import a key" => format!("key import --name {} --sha256 {:064x}", world.fresh("key"), world.count.get() + 7),
        "change a key" => format!("key update {} --add-group x", world.key()),
        "rotate a key" => format!("key rotate {} --grace 0", world.key()),
        "disable a key" => format!("key disable {}", world.key()),
        "enable a key" => format!("key enable {}", world.key()),
        "revoke a key" => format!("key revoke {} --yes", world.key()),
        "list spaces" => "space list".to_owned(),
        "show a space" => "space show team".to_owned(),
        "create a space below" => format!("space create {} --parent team", world.fresh("space")),
        "create a space at the root" => format!("space create {}", world.fresh("space")),
        "change the space" => "space update team --description changed".to_owned(),
        "move a space within" => format!("space update {} --parent b --yes", world.space("a")),
        "move a space to a sibling" => format!("space update {} --parent other --yes", world.space("a")),
        "fetch a space from a sibling" => format!("space update {} --parent a --yes", world.space("other")),
        "delete a space below" => format!("space delete {} --yes", world.space("a")),
        "list roles" => "role list".to_owned(),
        "show a role" => "role show space-reader".to_owned(),
        "create a role" => format!("role create {} --action run:read", world.fresh("role")),
        "change a role" => format!("role update {} --action *:* --yes", world.role()),
        "delete a role" => format!("role delete {} --yes", world.role()),
        "list groups" => "group list".to_owned(),
        "create a group" => format!("group create {}", world.fresh("group")),
        "change a group" => format!("group update {} --description x", world.group()),
        "delete a group" => format!("group delete {}", world.group()),
        "list bindings" => "binding list".to_owned(),
        "bind a key" => format!("binding create --key {} --role space-admin --space team", world.key()),
        "bind a group below" => format!("binding create --group {} --role space-writer --space a", world.fresh("group")),
        "bind at the root" => format!("binding create --key {} --role space-reader --space root", world.key()),
        "unbind" => format!("binding delete {} --yes", world.binding("a")),
        "unbind at the root" => format!("binding delete {} --yes", world.binding("root")),
        "list login policies" => "policy list".to_owned(),
        "create a login policy" => format!("policy create {} --file -", world.fresh("policy")),
        "change a login policy" => format!("policy update {} --file - --yes", world.policy(POLICY)),
        "delete a login policy" => format!("policy delete {} --yes", world.policy(POLICY)),
        "simulate a login policy" => format!("policy simulate --file - --key {}", world.key()),
        "see the strategy" => "strategy show".to_owned(),
        "set the strategy" => "strategy set combined --yes".to_owned(),
        "see and clear samples" => "policy sample list".to_owned(),
        "have a decision explained" => format!("explain --key {}", world.key()),
        "see the audit" => "audit --limit 1".to_owned(),
        "see replicas" => "replicas".to_owned(),
        "see what files declare" => "apply -f - --dry-run".to_owned(),
        _ => return None,
    };
    Some(line.split(' ').map(str::to_owned).collect())
}

/// What is expected of each operation, for whoever asks in another way than over HTTP.
pub(crate) fn expectations() -> impl Iterator<Item = (&'static str, May)> {
    OPERATIONS.iter().map(|(operation, may, _)| (*operation, *may))
}

#[test]
fn every_operation_is_open_to_those_whom_the_product_names_and_to_nobody_else() {
    let server = Server::start();
    let (world, callers) = world_of(&server);

    let mut wrong = Vec::new();
    for (operation, may, prepare) in OPERATIONS {
        for (who, called, api) in &callers {
            let (method, path, body) = prepare(&world);
            let before = server.applied_revision();
            // Each from an address of its own: keys that do not work are slowed down by theirs.
            world.count.set(world.count.get() + 1);
            let from = format!("10.1.{}.{}", world.count.get() / 250, world.count.get() % 250);
            let answer = api.send(method, &path, body.as_ref(), &[("X-Forwarded-For", &from), ("Claviger-Replica", "web-1")]);
            let expected = match (may.allows(*who), who) {
                (true, _) => answer.status / 100 == 2,
                (false, Who::Nobody) => answer.status == 401 && answer.code() == "missing_key",
                (false, Who::Disabled | Who::Expired | Who::Revoked) => answer.status == 401 && answer.code() == "invalid_key",
                (false, _) => answer.status == 403 && answer.code() == "forbidden",
            };
            let changed = server.applied_revision() != before;
            if !expected || (changed && answer.status / 100 != 2) {
                wrong.push(format!("{operation} by {called}: {} {} (changed: {changed})", answer.status, answer.text()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_command_at_a_server_is_open_to_the_same_callers() {
    let server = Server::start();
    let (world, callers) = world_of(&server);
    let url = format!("http://{}", server.admin());
    let (mut wrong, mut walked) = (Vec::new(), 0);
    for (row, may, _) in OPERATIONS {
        for (who, called, api) in &callers {
            // Keys that do not work are slowed down by their address, which is one for all of these.
            if who.works_for_nobody() && *who != Who::Nobody && !matches!(row, "see oneself" | "list keys" | "revoke a key") {
                continue;
            }
            let Some(line) = command(row, &world) else { break };
            let before = server.applied_revision();
            let mut command = Command::new(env!("CARGO_BIN_EXE_claviger"));
            command.args(&line).env_clear().env("HOME", server.dir().join("nowhere")).env("CLAVIGER_SERVER", &url);
            command.envs(api.key.iter().map(|key| ("CLAVIGER_KEY", key)));
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let stdin = if line[0] == "apply" { "spaces:\n- id: division\n" } else { POLICY };
            // A command that is refused may be gone before it reads.
            let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
            let done = child.wait_with_output().unwrap();
            let (code, told) = (done.status.code(), String::from_utf8_lossy(&done.stderr));
            let expected = match (may.allows(*who), who) {
                (true, _) => code == Some(0),
                (false, Who::Nobody) => code == Some(2) && told.contains("which key?"),
                (false, Who::Disabled | Who::Expired | Who::Revoked) => code == Some(1) && told.contains("the API key is not valid"),
                (false, _) => code == Some(1) && told.contains("error: only "),
            };
            let changed = server.applied_revision() != before;
            if !expected || (changed && code != Some(0)) {
                wrong.push(format!("{line:?} by {called}: {code:?} {told} (changed: {changed})"));
            }
            walked += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(walked > 400, "only {walked} were tried");
}

fn caller(who: Who, root: &Api) -> Api {
    let made = |body: Value| root.made("/keys", &body);
    let bound = |role: &str, space: &str| made(json!({ "name": format!("{who:?}"), "bindings": [{ "role": role, "space": space }] }));
    let in_group = |group: &str| made(json!({ "name": format!("{who:?}"), "groups": [group] }));
    let key = match who {
        Who::Operator | Who::System => unreachable!("not over HTTP"),
        Who::Nobody => return root.without_key(),
        Who::RootAdmin => bound("space-admin", "root"),
        Who::RootAdminByGroup => in_group("roots"),
        Who::AdminOfTeam | Who::Disabled | Who::Revoked => bound("space-admin", "team"),
        Who::AdminOfTeamByGroup => in_group("leads"),
        Who::AdminOfDivision => bound("space-admin", "division"),
        Who::AdminOfOther => bound("space-admin", "other"),
        Who::Writer => bound("space-writer", "root"),
        Who::Reader => bound("space-reader", "root"),
        Who::Sidecar => bound("replica", "root"),
        Who::NoRoles => made(json!({ "name": "NoRoles" })),
        Who::Expired => {
            let soon = SystemClock::start().now().wall + std::time::Duration::from_secs(1);
            let bindings = json!([{ "role": "space-admin", "space": "root" }]);
            made(json!({ "name": "Expired", "bindings": bindings, "expires_at": soon.to_string() }))
        }
    };
    let api = root.with_key(key["key"].as_str().unwrap());
    let path = format!("/keys/{}", key["id"].as_str().unwrap());
    match who {
        Who::Disabled => assert_eq!(root.send("POST", &format!("{path}/disable"), None, &[]).status, 200),
        Who::Revoked => assert_eq!(root.delete(&path).status, 204),
        Who::Expired => assert!(waiting::comes_to_be(|| api.get("/whoami").status == 401)),
        Who::Operator
        | Who::System
        | Who::RootAdmin
        | Who::RootAdminByGroup
        | Who::AdminOfTeam
        | Who::AdminOfTeamByGroup
        | Who::AdminOfDivision
        | Who::AdminOfOther
        | Who::Writer
        | Who::Reader
        | Who::Sidecar
        | Who::NoRoles
        | Who::Nobody => {}
    }
    api
}
