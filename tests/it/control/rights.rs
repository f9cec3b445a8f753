//! Every operation by every kind of caller, without HTTP: what is expected of each cell is what the API is held to.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use claviger::control::{Asked, Caller, Control, ControlError, Operation, RIGHTS};
use claviger::model::{
    BindingId, GroupName, KeyDigest, KeyId, LoginPolicy, Mutation, NewKey, PolicyName, RoleId, Space, SpaceId, Strategy, Subject,
};
use claviger::store::Lookup as _;

use crate::admin::rights::{EVERYBODY, May, Who, expectations};
use crate::exchange::world::{Key, World, new_space, policy};

/// How something is asked for.
enum Through {
    /// It is seen, or tried: nothing is changed.
    Seen(Operation),
    Made(Operation, Mutation),
}

/// What no row of the API's table is about.
const BESIDES: [(Operation, May); 3] = [
    (Operation::RevokeSelf, May::EveryKey),
    // Of all the roles here, only space-admin allows it.
    (Operation::RotateSelf, May::AnyAdmin),
    (Operation::ClearSamples, May::RootAdmin),
];

#[tokio::test]
async fn control_lets_the_same_callers_do_the_same_things_as_the_api_and_operators_everything() {
    let place = Place::new().await;
    let mut callers = vec![("operator", Who::Operator, Caller::Operator("alice".parse().unwrap()))];
    for (who, called) in EVERYBODY {
        callers.push((called, who, place.caller(who).await));
    }
    let mut table = String::from("| |");
    for (called, _, _) in &callers {
        write!(table, " {called} |").unwrap();
    }
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(callers.len()));
    callers.push(("system", Who::System, Caller::System));

    let mut wrong = Vec::new();
    let mut walked = BTreeSet::new();
    let rows = expectations().map(|(row, may)| (Some(row), None, may));
    for (row, operation, may) in rows.chain(BESIDES.map(|(operation, may)| (None, Some(operation), may))) {
        if let Some(row) = row {
            write!(table, "\n| {row} |").unwrap();
        }
        for (called, who, caller) in &callers {
            let through = match (row, operation) {
                (Some(row), _) => place.through(row).await,
                (None, operation) => Through::Seen(operation.unwrap()),
            };
            let (operation, answer) = place.answer(caller, through).await;
            walked.insert(operation);
            let expected = match (&answer, may.allows(*who), who) {
                (Ok(()), allowed, _) => allowed,
                (Err(ControlError::NoSuchCaller), false, who) => who.works_for_nobody(),
                // Who may not see bindings is not told whether there is one.
                (Err(ControlError::Forbidden(refused)), false, who) => {
                    let told = refused.operation;
                    !who.works_for_nobody() && (told == operation || (told, operation) == (Operation::ViewBindings, Operation::Unbind))
                }
                (Err(_), _, _) => false,
            };
            if !expected {
                wrong.push(format!("{} by {called}: {answer:?}", row.map_or_else(|| operation.to_string(), str::to_owned)));
            }
            if row.is_some() && *who != Who::System {
                write!(table, " {} |", if answer.is_ok() { "yes" } else { "" }).unwrap();
            }
        }
    }
    table.push('\n');
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(walked, RIGHTS.map(|(operation, _)| operation).into(), "something is never tried");
    told_in_the_documentation(&table);
}

/// The table stands in the documentation as it was found. `CLAVIGER_TELL_RIGHTS=1` writes it there.
fn told_in_the_documentation(table: &str) {
    const BEGIN: &str = "<!-- found by a test: begin -->\n";
    const END: &str = "<!-- found by a test: end -->";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rights.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (told, after) = rest.split_once(END).unwrap();
    if std::env::var_os("CLAVIGER_TELL_RIGHTS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(told, table, "docs/rights.md tells something else");
    }
}

/// `root` > `division` > { `team` > { `a`, `b` }, `other` }.
struct Place {
    world: World,
    control: Control,
}

impl Place {
    async fn new() -> Self {
        let world = World::new().await;
        for (id, parent) in [("division", "root"), ("team", "division"), ("other", "division"), ("a", "team"), ("b", "team")] {
            world.change(Mutation::CreateSpace(new_space(id, parent))).await;
        }
        world.bind_group("roots", "space-admin", "root").await;
        world.bind_group("leads", "space-admin", "team").await;
        let control = Control::of_store(world.sluice.clone(), world.clock.clone());
        Self { world, control }
    }

    async fn caller(&self, who: Who) -> Caller {
        let (bindings, groups): (&[&str], &[&str]) = match who {
            Who::Operator | Who::System => unreachable!("no key"),
            Who::RootAdmin => (&["space-admin@root"], &[]),
            Who::RootAdminByGroup => (&[], &["roots"]),
            Who::AdminOfTeam | Who::Disabled | Who::Expired | Who::Revoked => (&["space-admin@team"], &[]),
            Who::AdminOfTeamByGroup => (&[], &["leads"]),
            Who::AdminOfDivision => (&["space-admin@division"], &[]),
            Who::AdminOfOther => (&["space-admin@other"], &[]),
            Who::Writer => (&["space-writer@root"], &[]),
            Who::Reader => (&["space-reader@root"], &[]),
            Who::Sidecar => (&["replica@root"], &[]),
            Who::NoRoles | Who::Nobody => (&[], &[]),
        };
        let mut new = self.world.new_key(&format!("{who:?}"), bindings, groups);
        let Key { id, digest } = Key { id: new.id, digest: new.digest };
        if who == Who::Expired {
            new.expires_at = Some(self.world.clock_in(Duration::from_secs(1)));
        }
        if who != Who::Nobody {
            self.world.make(new).await;
        }
        match who {
            Who::Disabled => drop(self.world.change(Mutation::DisableKey { id }).await),
            Who::Revoked => drop(self.world.change(Mutation::RevokeKey { id }).await),
            Who::Expired => self.world.clock.advance(Duration::from_secs(2)),
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
        let identified = self.control.identify(digest, None, None).await;
        assert_eq!(identified.is_err(), who.works_for_nobody(), "{who:?}: {identified:?}");
        Caller::Key { id, digest }
    }

    async fn answer(&self, caller: &Caller, through: Through) -> (Operation, Result<(), ControlError>) {
        let asked = Asked { caller: caller.clone(), key: None, remote_ip: None, request_id: None, once: None };
        match through {
            Through::Seen(operation) => (operation, self.control.may(caller, operation).await.map(drop)),
            Through::Made(operation, mutation) => {
                let before = self.revision().await;
                let answer = self.control.change(&asked, mutation, None).await.map(drop);
                assert_eq!(self.revision().await > before, answer.is_ok(), "{operation}: {answer:?}");
                (operation, answer)
            }
        }
    }

    async fn revision(&self) -> u64 {
        self.world.sluice.snapshot().await.unwrap().revision.0
    }

    fn fresh(&self, what: &str) -> String {
        format!("{what}-{}", self.world.draw())
    }

    fn new_key(&self) -> NewKey {
        self.world.new_key(&self.fresh("key"), &[], &[])
    }

    async fn key(&self) -> KeyId {
        self.world.make(self.new_key()).await.id
    }

    fn new_space(&self, parent: &str) -> Space {
        new_space(&self.fresh("space"), parent)
    }

    async fn space(&self, parent: &str) -> SpaceId {
        let space = self.new_space(parent);
        let id = space.id.clone();
        self.world.change(Mutation::CreateSpace(space)).await;
        id
    }

    fn new_role(&self) -> Mutation {
        let actions = vec!["run:read".parse().unwrap()];
        Mutation::CreateRole { id: self.fresh("role").parse().unwrap(), name: String::new(), description: String::new(), actions }
    }

    async fn role(&self) -> RoleId {
        let id: RoleId = self.fresh("role").parse().unwrap();
        let actions = vec!["run:read".parse().unwrap()];
        let (name, description) = (String::new(), String::new());
        self.world.change(Mutation::CreateRole { id: id.clone(), name, description, actions }).await;
        id
    }

    async fn group(&self) -> GroupName {
        let name: GroupName = self.fresh("group").parse().unwrap();
        self.world.change(Mutation::CreateGroup { name: name.clone(), description: String::new() }).await;
        name
    }

    fn new_policy(&self) -> LoginPolicy {
        policy(&self.fresh("policy"), "allow if input.session.member")
    }

    async fn policy(&self) -> PolicyName {
        let policy = self.new_policy();
        let name = policy.name.clone();
        self.world.change(Mutation::CreatePolicy(policy)).await;
        name
    }

    fn new_binding(&self, subject: Subject, role: &str, space: &str) -> Mutation {
        let id = BindingId::new(0, self.world.draw());
        Mutation::CreateBinding { id, subject, role: role.parse().unwrap(), space: space.parse().unwrap() }
    }

    async fn binding(&self, space: &str) -> BindingId {
        let (id, subject) = (BindingId::new(0, self.world.draw()), Subject::Key(self.key().await));
        let (role, space) = ("space-reader".parse().unwrap(), space.parse().unwrap());
        self.world.change(Mutation::CreateBinding { id, subject, role, space }).await;
        id
    }

    /// What stands in a row of the API's table, asked of `control`.
    async fn through(&self, row: &str) -> Through {
        use Operation as O;
        use Through::{Made, Seen};
        let digest: KeyDigest = self.world.draw_digest();
        let moved = |id: SpaceId, parent: &str| {
            let parent = Some(parent.parse().unwrap());
            Made(O::MoveSpace, Mutation::UpdateSpace { id, name: None, description: None, labels: None, parent })
        };
        match row {
            "see oneself" => Seen(O::ViewSelf),
            "list keys" | "show a key" | "see a key's effective access" => Seen(O::ViewKeys),
            "create a key" => Made(O::CreateKey, Mutation::CreateKey(self.new_key())),
            "import a key" => Made(O::ImportKey, Mutation::ImportKey(self.new_key())),
            "change a key" => {
                let (id, groups) = (self.key().await, Some(vec!["x".parse().unwrap()]));
                Made(O::UpdateKey, Mutation::UpdateKey { id, name: None, description: None, groups, expiry: None })
            }
            "rotate a key" => {
                let old_ends_at = self.world.clock_in(Duration::ZERO);
                Made(O::RotateKey, Mutation::RotateKey { id: self.key().await, digest, old_ends_at })
            }
            "disable a key" => Made(O::DisableKey, Mutation::DisableKey { id: self.key().await }),
            "enable a key" => Made(O::EnableKey, Mutation::EnableKey { id: self.key().await }),
            "revoke a key" => Made(O::RevokeKey, Mutation::RevokeKey { id: self.key().await }),
            "list spaces" | "show a space" | "see everything but keys" => Seen(O::ViewSpaces),
            "create a space below" | "make several changes" => Made(O::CreateSpace, Mutation::CreateSpace(self.new_space("team"))),
            "create a space at the root" => Made(O::CreateSpace, Mutation::CreateSpace(self.new_space("root"))),
            "change the space" => {
                let (id, description) = ("team".parse().unwrap(), Some("changed".to_owned()));
                Made(O::UpdateSpace, Mutation::UpdateSpace { id, name: None, description, labels: None, parent: None })
            }
            "move a space within" => moved(self.space("a").await, "b"),
            "move a space to a sibling" => moved(self.space("a").await, "other"),
            "fetch a space from a sibling" => moved(self.space("other").await, "a"),
            "delete a space below" => Made(O::DeleteSpace, Mutation::DeleteSpace { id: self.space("a").await }),
            "list roles" | "show a role" => Seen(O::ViewRoles),
            "create a role" => Made(O::CreateRole, self.new_role()),
            "change a role" => {
                let actions = Some(vec!["*:*".parse().unwrap()]);
                Made(O::UpdateRole, Mutation::UpdateRole { id: self.role().await, name: None, description: None, actions })
            }
            "delete a role" => Made(O::DeleteRole, Mutation::DeleteRole { id: self.role().await }),
            "list groups" | "show a group" => Seen(O::ViewGroups),
            "create a group" => {
                let (name, description) = (self.fresh("group").parse().unwrap(), String::new());
                Made(O::CreateGroup, Mutation::CreateGroup { name, description })
            }
            "change a group" => Made(O::UpdateGroup, Mutation::UpdateGroup { name: self.group().await, description: "x".to_owned() }),
            "delete a group" => Made(O::DeleteGroup, Mutation::DeleteGroup { name: self.group().await }),
            "list bindings" | "show a binding" => Seen(O::ViewBindings),
            "bind a key" => Made(O::Bind, self.new_binding(Subject::Key(self.key().await), "space-admin", "team")),
            "bind a group below" => {
                let group = Subject::Group(self.fresh("group").parse().unwrap());
                Made(O::Bind, self.new_binding(group, "space-writer", "a"))
            }
            "bind at the root" => Made(O::Bind, self.new_binding(Subject::Key(self.key().await), "space-reader", "root")),
            "unbind" => Made(O::Unbind, Mutation::DeleteBinding { id: self.binding("a").await }),
            "unbind at the root" => Made(O::Unbind, Mutation::DeleteBinding { id: self.binding("root").await }),
            "list login policies" => Seen(O::ViewPolicies),
            "create a login policy" => Made(O::CreatePolicy, Mutation::CreatePolicy(self.new_policy())),
            "change a login policy" => {
                let LoginPolicy { name: _, source, rego } = self.new_policy();
                Made(O::UpdatePolicy, Mutation::UpdatePolicy { name: self.policy().await, source, rego })
            }
            "delete a login policy" => Made(O::DeletePolicy, Mutation::DeletePolicy { name: self.policy().await }),
            "validate a login policy" | "simulate a login policy" => Seen(O::TryPolicy),
            "see the strategy" => Seen(O::ViewStrategy),
            "set the strategy" => Made(O::SetStrategy, Mutation::SetStrategy(Strategy::Combined)),
            "see and clear samples" => Seen(O::ViewSamples),
            "have a decision explained" | "see what decisions depend on" => Seen(O::Explain),
            "see the audit" => Seen(O::ViewAudit),
            "see replicas" => Seen(O::ViewReplicas),
            "list signing keys" => Seen(O::ViewSigningKeys),
            // They are files, and no mutation.
            "publish a signing key" | "activate a signing key" | "retire a signing key" => Seen(O::ChangeSigningKeys),
            "see what files declare" => Seen(O::Declare),
            "read the feed's snapshot" | "read the feed's changes" | "report itself" => Seen(O::ReadFeed),
            "look a key up by its digest" => Seen(O::LookUpKey),
            "report uses" | "report samples" => Seen(O::ReportUse),
            other => panic!("say here how {other} is asked for without HTTP"),
        }
    }
}
