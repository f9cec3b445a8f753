//! What the console offers to whom, and what it refuses to whom: by the one table that the API goes by, too.
//!
//! For each operation it is decided here where the console has it; a new one that nobody has decided about does not compile, and a form that
//! none of these tries is a fault.

use std::collections::BTreeSet;

use claviger::control::{Needs, Operation, RIGHTS};
use serde_json::{Value, json};

use super::browser::{Browser, encoded, forms, unescaped};
use crate::admin::client::Api;
use crate::admin::maker::Maker;
use crate::support::server::Server;

const POLICY: &str = "package spacelift\n\nallow if input.session.member\n\nsample if true\n";

/// Who looks. The spaces are `root` > { `team` > { `a`, `b` }, `other` }.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visiting {
    RootAdmin,
    AdminOfTeam,
    /// With a role in `team` that manages nothing. They have signed in while they could manage, and cannot any more.
    Reader,
    /// The same without any role.
    WithoutRoles,
}

const EVERYBODY: [Visiting; 4] = [Visiting::RootAdmin, Visiting::AdminOfTeam, Visiting::Reader, Visiting::WithoutRoles];

impl Visiting {
    /// Whether the table lets them do what takes this, in these spaces.
    fn may(self, needs: Needs, spaces: &[&str]) -> bool {
        match needs {
            Needs::Key => true,
            // Of all the roles here, only `space-admin` allows it.
            Needs::RotateSelf | Needs::AnyAdmin => matches!(self, Self::RootAdmin | Self::AdminOfTeam),
            Needs::AdminThere => match self {
                Self::RootAdmin => true,
                Self::AdminOfTeam => spaces.iter().all(|space| ["team", "a", "b"].contains(space)),
                Self::Reader | Self::WithoutRoles => false,
            },
            Needs::RootAdmin => self == Self::RootAdmin,
            // None of them is one.
            Needs::Replica => false,
        }
    }
}

/// Somebody who has signed in.
struct Visitor {
    browser: Browser,
    /// Of their key.
    id: String,
    name: String,
    token: String,
}

/// What somebody is led to who may do something.
enum Offered {
    Link { on: String, to: String },
    Form { on: String, action: String, method: &'static str },
    Choice { on: String, action: String, field: &'static str, value: &'static str },
}

impl Offered {
    fn is_seen_by(&self, browser: &Browser) -> bool {
        let (Self::Link { on, .. } | Self::Form { on, .. } | Self::Choice { on, .. }) = self;
        let answer = browser.get(on);
        assert!([200, 403].contains(&answer.status), "{on}: {} {}", answer.status, answer.text());
        // A page that is refused offers nothing.
        let page = if answer.status == 200 { answer.text() } else { return false };
        match self {
            Self::Link { to, .. } => unescaped(&page).contains(&format!("href=\"{to}\"")),
            Self::Form { action, method, .. } => forms(&page).iter().any(|form| form.action == *action && form.method == *method),
            Self::Choice { action, field, value, .. } => {
                let form = page.split(&format!("action=\"{action}\"")).nth(1).and_then(|rest| rest.split("</form>").next());
                let select = form.and_then(|form| form.split(&format!("name=\"{field}\"")).nth(1)?.split("</select>").next());
                select.is_some_and(|select| select.contains(&format!("value=\"{value}\"")))
            }
        }
    }
}

/// One way in which the console lets something be done.
#[derive(Default)]
struct Way {
    /// All that it is about; empty: no space in particular.
    spaces: Vec<&'static str>,
    offered: Vec<Offered>,
    /// Pages that are for those who may.
    pages: Vec<String>,
    /// A form, as it would be sent.
    sent: Option<(String, Vec<(&'static str, String)>)>,
    /// Whether the store is another one afterwards.
    changes: bool,
}

impl Way {
    /// A page to which the way is shown on all others.
    fn place(path: &str) -> Self {
        Self::default().link("/docs", path).page(path)
    }

    fn form(action: impl Into<String>, fields: &[(&'static str, &str)]) -> Self {
        let fields = fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { sent: Some((action.into(), fields)), changes: true, ..Self::default() }
    }

    fn within(mut self, spaces: &[&'static str]) -> Self {
        self.spaces = spaces.to_vec();
        self
    }

    fn link(mut self, on: impl Into<String>, to: impl Into<String>) -> Self {
        self.offered.push(Offered::Link { on: on.into(), to: to.into() });
        self
    }

    /// The form itself stands there.
    fn stands_on(mut self, on: impl Into<String>) -> Self {
        let action = self.sent.as_ref().unwrap().0.clone();
        self.offered.push(Offered::Form { on: on.into(), action, method: "post" });
        self
    }

    /// Another one leads to it.
    fn asked_on(mut self, on: impl Into<String>, action: &str) -> Self {
        self.offered.push(Offered::Form { on: on.into(), action: action.to_owned(), method: "get" });
        self
    }

    /// This can be chosen in it there.
    fn chosen_on(mut self, on: impl Into<String>, field: &'static str, value: &'static str) -> Self {
        let action = self.sent.as_ref().unwrap().0.clone();
        self.offered.push(Offered::Choice { on: on.into(), action, field, value });
        self
    }

    fn page(mut self, path: impl Into<String>) -> Self {
        self.pages.push(path.into());
        self
    }

    fn changing_nothing(mut self) -> Self {
        self.changes = false;
        self
    }
}

/// Where the console has an operation.
enum Decided {
    Here(Vec<Way>),
    /// Nowhere, for this reason.
    Elsewhere(&'static str),
}

struct House {
    server: Server,
    root: Api,
    maker: Maker,
}

impl House {
    fn new() -> Self {
        let server = Server::start();
        let root = Api::of_root(&server);
        for (id, parent) in [("team", "root"), ("a", "team"), ("b", "team"), ("other", "root")] {
            root.made("/spaces", &json!({ "id": id, "parent": parent }));
        }
        Self { server, maker: Maker::new(root.clone()), root }
    }

    /// A key that is made for this, by its id.
    fn key(&self, more: &Value) -> String {
        let mut body = json!({ "name": self.maker.fresh("key") });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.root.made("/keys", &body)["id"].as_str().unwrap().to_owned()
    }

    fn some_key(&self) -> String {
        self.key(&json!({}))
    }

    /// There is one that was kept.
    fn sample(&self) {
        let kept = || !self.root.get("/samples").json()["items"].as_array().unwrap().is_empty();
        if kept() {
            return;
        }
        self.combined();
        self.maker.policy(POLICY);
        let key = self
            .root
            .made("/keys", &json!({ "name": self.maker.fresh("sampled"), "bindings": [{ "role": "space-reader", "space": "a" }] }));
        assert_eq!(self.server.get(key["key"].as_str().unwrap()).status, 200);
        self.server.until("the sample", |_| kept());
    }

    fn combined(&self) {
        assert_eq!(self.root.send("PUT", "/strategy", Some(&json!({ "strategy": "combined" })), &[]).status, 200);
    }

    /// Somebody with a key of their own. Whoever manages nothing has signed in when they did, and signs in no more.
    fn visitor(&self, who: Visiting) -> Visitor {
        let (name, group) = (self.maker.fresh("visitor"), self.maker.fresh("managing"));
        let roles = match who {
            Visiting::RootAdmin => json!([{ "role": "space-admin", "space": "root" }]),
            Visiting::AdminOfTeam => json!([{ "role": "space-admin", "space": "team" }]),
            Visiting::Reader => json!([{ "role": "space-reader", "space": "team" }]),
            Visiting::WithoutRoles => json!([]),
        };
        let made = self.root.made("/keys", &json!({ "name": name, "bindings": roles, "groups": [group] }));
        let key = made["key"].as_str().unwrap();
        let mut browser = Browser::at(&self.server);
        if who.may(Operation::ViewSpaces.needs(), &[]) {
            assert_eq!(browser.sign_in(key).status, 303, "{who:?}");
        } else {
            assert_eq!(browser.sign_in(key).status, 403, "{who:?} has nothing to manage, and is let in");
            let body = json!({ "subject": { "group": group }, "role": "space-admin", "space": "team" });
            let binding = self.root.made("/bindings", &body)["id"].as_str().unwrap().to_owned();
            assert_eq!(browser.sign_in(key).status, 303);
            assert_eq!(self.root.delete(&format!("/bindings/{binding}")).status, 204);
        }
        let page = browser.page("/docs");
        let token = forms(&page).into_iter().flat_map(|form| form.fields).find(|(name, _)| name == "csrf").unwrap().1;
        Visitor { browser, id: made["id"].as_str().unwrap().to_owned(), name, token }
    }

    /// Where the console has this operation, each time with something of its own to do it to.
    #[expect(clippy::too_many_lines, reason = "one table, an entry for each operation")]
    fn decided(&self, operation: Operation, visitor: &Visitor) -> Decided {
        let own = format!("/keys/{}", visitor.id);
        Decided::Here(match operation {
            Operation::ViewSelf => vec![Way::place(&own).page(format!("{own}/roles")).page("/docs")],
            Operation::RevokeSelf => {
                let revoke = format!("{own}/revoke");
                vec![Way::form(&revoke, &[("name", &visitor.name)]).link(&own, &revoke).page(&revoke)]
            }
            Operation::RotateSelf => {
                let secrets = format!("{own}/secrets");
                vec![Way::form(&secrets, &[("grace", "0")]).stands_on(&secrets)]
            }
            Operation::ViewKeys => vec![Way::place("/keys").page(format!("/keys/{}", self.some_key()))],
            Operation::CreateKey => {
                let made = Way::form("/keys/new", &[("name", &self.maker.fresh("made")), ("expires", "30d")]);
                vec![made.link("/keys", "/keys/new").page("/keys/new")]
            }
            Operation::ImportKey => return Decided::Elsewhere("a digest is worked out where the key is kept: the command line does it"),
            Operation::UpdateKey => self.ways_to_change_a_key(),
            Operation::RotateKey => {
                let secrets = format!("/keys/{}/secrets", self.some_key());
                vec![Way::form(&secrets, &[("grace", "0")]).stands_on(&secrets)]
            }
            Operation::DisableKey => {
                let key = format!("/keys/{}", self.some_key());
                vec![Way::form(format!("{key}/disable"), &[]).stands_on(&key)]
            }
            Operation::EnableKey => {
                let id = self.some_key();
                assert_eq!(self.root.post(&format!("/keys/{id}/disable"), &json!({})).status, 200);
                vec![Way::form(format!("/keys/{id}/enable"), &[]).stands_on(format!("/keys/{id}"))]
            }
            Operation::RevokeKey => self.ways_to_revoke_a_key(),
            Operation::ViewSpaces => vec![Way::place("/spaces").page("/").page("/spaces/other")],
            Operation::CreateSpace => ["team", "other", "root"]
                .map(|parent| {
                    let made = Way::form("/spaces/new", &[("id", &self.maker.fresh("made")), ("parent", parent)]).within(&[parent]);
                    let asked = format!("/spaces/new?parent={parent}");
                    made.link(format!("/spaces/{parent}"), &asked).chosen_on(asked, "parent", parent)
                })
                .into(),
            Operation::UpdateSpace => ["a", "other"]
                .map(|parent| {
                    let space = format!("/spaces/{}", self.maker.space(parent));
                    let edit = format!("{space}/edit");
                    Way::form(&edit, &[("name", "Changed")]).within(&[parent]).link(&space, &edit).page(&edit)
                })
                .into(),
            Operation::MoveSpace => [["a", "b"], ["a", "other"], ["other", "a"]]
                .map(|[from, to]| {
                    let edit = format!("/spaces/{}/edit", self.maker.space(from));
                    Way::form(&edit, &[("name", "Moved"), ("parent", to)]).within(&[from, to]).chosen_on(&edit, "parent", to)
                })
                .into(),
            Operation::DeleteSpace => ["a", "other"]
                .map(|parent| {
                    let space = format!("/spaces/{}", self.maker.space(parent));
                    let delete = format!("{space}/delete");
                    Way::form(&delete, &[]).within(&[parent]).link(&space, &delete).page(&delete)
                })
                .into(),
            Operation::ViewRoles => vec![Way::place("/roles").page("/roles/space-admin")],
            Operation::CreateRole => {
                let made = Way::form("/roles/new", &[("id", &self.maker.fresh("made")), ("actions", "run:read")]);
                vec![made.link("/roles", "/roles/new").page("/roles/new")]
            }
            Operation::UpdateRole => {
                let role = format!("/roles/{}", self.maker.role());
                let edit = format!("{role}/edit");
                vec![Way::form(&edit, &[("name", "Changed"), ("actions", "*:*"), ("action", "save")]).link(&role, &edit).page(&edit)]
            }
            Operation::DeleteRole => {
                let role = format!("/roles/{}", self.maker.role());
                let delete = format!("{role}/delete");
                vec![Way::form(&delete, &[]).link(&role, &delete).page(&delete)]
            }
            Operation::ViewGroups => vec![Way::place("/groups").page(format!("/groups/of?name={}", self.maker.group()))],
            Operation::CreateGroup => {
                let made = Way::form("/groups/new", &[("name", &self.maker.fresh("made"))]);
                vec![made.link("/groups", "/groups/new").page("/groups/new")]
            }
            Operation::UpdateGroup => {
                let name = self.maker.group();
                let edit = format!("/groups/edit?name={name}");
                let form = Way::form("/groups/edit", &[("name", &name), ("description", "Changed")]);
                vec![form.link(format!("/groups/of?name={name}"), &edit).page(edit)]
            }
            Operation::DeleteGroup => {
                let name = self.maker.group();
                let delete = format!("/groups/delete?name={name}");
                vec![Way::form("/groups/delete", &[("name", &name)]).link(format!("/groups/of?name={name}"), &delete).page(delete)]
            }
            Operation::ViewBindings => {
                let group = format!("/groups/of?name={}", self.maker.group());
                vec![Way::default().link("/spaces", "/spaces/team").page("/spaces/team").page("/roles/space-admin").page(group)]
            }
            Operation::Bind => ["team", "other", "root"].into_iter().flat_map(|space| self.ways_to_bind(space)).collect(),
            Operation::Unbind => ["a", "other", "root"].into_iter().flat_map(|space| self.ways_to_unbind(space)).collect(),
            Operation::ViewPolicies => {
                let name = self.maker.policy(POLICY);
                let page = |what: &str| format!("/policies/{what}?name={name}");
                vec![Way::place("/policies").page(page("of")).page(page("versions"))]
            }
            Operation::CreatePolicy => {
                let made = Way::form("/policies/new", &[("name", &self.maker.fresh("made")), ("source", POLICY), ("action", "save")]);
                vec![made.link("/policies", "/policies/new").page("/policies/new")]
            }
            Operation::UpdatePolicy => {
                let name = self.maker.policy(POLICY);
                let form = Way::form("/policies/of", &[("name", &name), ("source", &format!("{POLICY}\n# Changed\n")), ("action", "save")]);
                vec![form.stands_on(format!("/policies/of?name={name}"))]
            }
            Operation::DeletePolicy => {
                let name = self.maker.policy(POLICY);
                let (of, delete) = (format!("/policies/of?name={name}"), format!("/policies/delete?name={name}"));
                vec![Way::form("/policies/delete", &[("name", &name)]).link(of, &delete).link("/policies", &delete).page(delete)]
            }
            Operation::TryPolicy => {
                let name = self.maker.policy(POLICY);
                let tried = [("name", &*name), ("source", POLICY), ("action", "simulate"), ("about", "keys")];
                vec![
                    Way::form("/policies/check", &[("name", &name), ("source", POLICY)]).changing_nothing(),
                    Way::form("/policies/of", &tried).stands_on(format!("/policies/of?name={name}")).changing_nothing(),
                ]
            }
            Operation::ViewStrategy => vec![Way::place("/strategy")],
            Operation::SetStrategy => {
                self.combined();
                let set = Way::form("/strategy", &[("strategy", "user-management")]).asked_on("/strategy", "/strategy/set");
                vec![set.page("/strategy/set?strategy=user-management")]
            }
            Operation::ViewSamples => {
                self.sample();
                let id = self.root.get("/samples").json()["items"][0]["id"].to_string();
                let list = "/policies/samples";
                vec![Way::default().link("/policies", list).page(list).page(format!("{list}/show?id={id}"))]
            }
            Operation::ClearSamples => {
                self.sample();
                let clear = "/policies/samples/clear";
                vec![Way::form(clear, &[]).link("/policies/samples", clear).page(clear).changing_nothing()]
            }
            Operation::Declare => return Decided::Elsewhere("what is declared in files is planned and applied beside the files"),
            Operation::Explain => {
                let key = format!("/keys/{}", self.some_key());
                let policies = format!("{key}/policies");
                vec![Way::default().link(&key, &policies).page(policies)]
            }
            Operation::ViewAudit => {
                let key = format!("/keys/{}", self.some_key());
                let of_key = format!("{key}/audit");
                vec![
                    Way::place("/audit").page("/audit/1").page("/audit/export?format=csv"),
                    Way::default().link(&key, &of_key).page(of_key),
                ]
            }
            Operation::ViewReplicas => vec![Way::place("/replicas").page("/in-force?revision=1")],
            Operation::ViewSigningKeys => vec![Way::place("/signing-keys"), Way::place("/settings")],
            Operation::ChangeSigningKeys => self.ways_to_roll(),
            Operation::ReadFeed | Operation::LookUpKey | Operation::ReportUse => return Decided::Elsewhere("sidecars look at no pages"),
        })
    }

    fn ways_to_change_a_key(&self) -> Vec<Way> {
        let key = |more: &str| format!("/keys/{}{more}", self.some_key());
        let (edited, groups, id) = (key(""), key("/groups"), self.some_key());
        let edit = format!("{edited}/edit");
        let properties = Way::form(&edit, &[("name", &self.maker.fresh("renamed")), ("expires", "30d")]);
        vec![
            properties.link(&edited, &edit).page(&edit),
            Way::form(&groups, &[("groups", "changed")]).stands_on(&groups),
            Way::form("/keys", &[("id", &id), ("action", "expire")]).stands_on("/keys").changing_nothing(),
            Way::form("/keys/bulk", &[("id", &id), ("action", "expire"), ("expires", "30d")]),
        ]
    }

    fn ways_to_revoke_a_key(&self) -> Vec<Way> {
        let (name, id) = (self.maker.fresh("revoked"), self.some_key());
        let key = format!("/keys/{}", self.key(&json!({ "name": name })));
        let revoke = format!("{key}/revoke");
        vec![
            Way::form(&revoke, &[("name", &name)]).link(&key, &revoke).page(&revoke),
            Way::form("/keys", &[("id", &id), ("action", "revoke")]).stands_on("/keys").changing_nothing(),
            Way::form("/keys/bulk", &[("id", &id), ("action", "revoke")]),
        ]
    }

    fn ways_to_bind(&self, space: &'static str) -> Vec<Way> {
        let (roles, group, page) = (format!("/keys/{}/roles", self.some_key()), self.maker.group(), format!("/spaces/{space}"));
        let of_group = Way::form("/groups/assign", &[("name", &group), ("role", "space-reader"), ("space", space)]);
        let in_space = [("subject_kind", "key"), ("subject", &*self.some_key()), ("role", "space-reader")];
        let ways = [
            Way::form(&roles, &[("role", "space-reader"), ("space", space)]).chosen_on(&roles, "space", space),
            of_group.chosen_on(format!("/groups/of?name={group}"), "space", space),
            Way::form(format!("{page}/assign"), &in_space).stands_on(page),
        ];
        ways.map(|way| way.within(&[space])).into()
    }

    fn ways_to_unbind(&self, space: &'static str) -> Vec<Way> {
        let (id, group, page) = (self.some_key(), self.maker.group(), format!("/spaces/{space}"));
        let key = |id: &str| self.maker.bound(&json!({ "key": id }), space);
        let (of_key, of_group) = (key(&id), self.maker.bound(&json!({ "group": group }), space));
        let in_space = key(&self.some_key());
        let ways = [
            Way::form(format!("/keys/{id}/unassign"), &[("binding", &of_key)]).stands_on(format!("/keys/{id}/roles")),
            Way::form(format!("/groups/unassign?name={group}"), &[("binding", &of_group)]).stands_on(format!("/groups/of?name={group}")),
            Way::form(format!("{page}/unassign"), &[("binding", &in_space)]).stands_on(page),
        ];
        ways.map(|way| way.within(&[space])).into()
    }

    /// One step after the other, as a roll goes: the next key signs, the one before it goes, and another one is published.
    fn ways_to_roll(&self) -> Vec<Way> {
        let step = |kid: &str, what: &str| {
            let path = format!("/signing-keys/{kid}/{what}");
            Way::form(&path, &[("force", "yes")]).link("/signing-keys", &path).page(path).changing_nothing()
        };
        let next = self.maker.next_signing_key();
        let signs = self.maker.signing_key_that_is("current").unwrap();
        let publish = Way::form("/signing-keys", &[("algorithm", "")]).stands_on("/signing-keys").changing_nothing();
        vec![step(&next, "activate"), step(&signs, "retire"), publish]
    }

    /// What is wrong with what somebody is offered and let do.
    fn tried(&self, operation: Operation, way: &Way, who: Visiting, visitor: &Visitor) -> Vec<String> {
        let may = who.may(operation.needs(), &way.spaces);
        let called = format!("{operation:?} in {:?} by {who:?}", way.spaces);
        let mut wrong = Vec::new();
        for offered in &way.offered {
            if offered.is_seen_by(&visitor.browser) != may {
                let (Offered::Link { on, to: what } | Offered::Form { on, action: what, .. } | Offered::Choice { on, action: what, .. }) =
                    offered;
                wrong.push(format!("{called}: {what} is {} on {on}", if may { "not offered" } else { "offered" }));
            }
        }
        for page in &way.pages {
            let status = visitor.browser.get(page).status;
            if status != if may { 200 } else { 403 } {
                wrong.push(format!("{called}: {page} answers {status}"));
            }
        }
        let Some((action, fields)) = &way.sent else { return wrong };
        let before = self.server.applied_revision();
        let mut all = vec![("csrf", visitor.token.as_str())];
        all.extend(fields.iter().map(|(name, value)| (*name, value.as_str())));
        let answer = visitor.browser.post(action, &all);
        let taken = [200, 303].contains(&answer.status);
        let changed = self.server.applied_revision() != before;
        if taken != may || (!taken && answer.status != 403) || changed != (may && way.changes) {
            wrong.push(format!("{called}: {action} answers {} (changed: {changed}) {}", answer.status, answer.text()));
        }
        wrong
    }

    /// What the audit tells that somebody has tried and may not.
    fn refused(&self, visitor: &Visitor) -> BTreeSet<String> {
        let entries = self.root.get(&format!("/audit?actor=api::{}&limit=500", visitor.id)).json();
        let refused = entries["items"].as_array().unwrap().iter().filter(|entry| entry["refused"] == "forbidden");
        refused.map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn what_is_offered_and_what_is_refused_goes_by_the_table_for_every_operation() {
    let house = House::new();
    let mut wrong = Vec::new();
    for (operation, _) in RIGHTS {
        for who in EVERYBODY {
            let visitor = house.visitor(who);
            let ways = match house.decided(operation, &visitor) {
                Decided::Here(ways) => ways,
                Decided::Elsewhere(why) => {
                    assert!(!why.is_empty());
                    continue;
                }
            };
            let mut is_refused = false;
            for way in &ways {
                wrong.extend(house.tried(operation, way, who, &visitor));
                is_refused |= way.sent.is_some() && !who.may(operation.needs(), &way.spaces);
            }
            // Whoever signs keys changes no revision: the audit calls each step its own name.
            let steps = if operation == Operation::ChangeSigningKeys {
                vec!["signing-key.publish", "signing-key.activate", "signing-key.retire"]
            } else {
                operation.action().into_iter().collect()
            };
            let told = if is_refused { house.refused(&visitor) } else { BTreeSet::new() };
            for step in steps.into_iter().filter(|_| is_refused) {
                if !told.contains(step) {
                    wrong.push(format!("{operation:?} by {who:?}: the audit tells of no {step} that was refused: {told:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// An address without what is different in each.
fn kind(address: &str) -> String {
    let path = address.split('?').next().unwrap();
    let parts: Vec<&str> = path.split('/').collect();
    let is_one = |at: usize, part: &str| {
        at == 2 && ["keys", "spaces", "roles", "signing-keys", "audit"].contains(&parts[1]) && !["new", "bulk", "export"].contains(&part)
    };
    parts.iter().enumerate().map(|(at, part)| if is_one(at, part) { "*" } else { part }).collect::<Vec<_>>().join("/")
}

/// Every page that links lead to from here, but for those to what is only `named` on a page: the actions of its forms that change something, and the pages that are refused.
fn walked(browser: &Browser, from: &str, named: impl Fn(&str, &str) -> bool) -> (BTreeSet<String>, Vec<String>) {
    let (mut seen, mut waiting) = (BTreeSet::from([from.to_owned()]), vec![(from.to_owned(), String::new())]);
    let (mut actions, mut refused) = (BTreeSet::new(), Vec::new());
    while let Some((path, by)) = waiting.pop() {
        let answer = browser.get(&path);
        if answer.status != 200 {
            refused.push(format!("{path}, to which {by} leads, answers {}", answer.status));
            continue;
        }
        let page = answer.text();
        actions.extend(forms(&page).into_iter().filter(|form| form.method == "post").map(|form| kind(&form.action)));
        for to in page.split("href=\"").skip(1).map(|rest| unescaped(rest.split('"').next().unwrap())) {
            let to = to.split('#').next().unwrap().to_owned();
            // Help, files and lists that are looked at in another order lead to no form of their own.
            let is_left_out =
                ["/docs/", "/assets/", "/audit/export", "/audit?", "/keys?"].iter().any(|beginning| to.starts_with(beginning));
            if to.starts_with('/') && !is_left_out && !named(&path, &to) && seen.insert(to.clone()) {
                waiting.push((to, path.clone()));
            }
        }
        assert!(seen.len() < 2000, "this goes on for ever: {path}");
    }
    (actions, refused)
}

#[test]
fn no_link_leads_anybody_to_a_page_that_is_refused_and_every_form_is_one_that_the_table_is_asked_about() {
    let house = House::new();
    house.sample();
    let (role, group) = (house.maker.role(), house.maker.group());
    house.maker.bound(&json!({ "group": group }), "team");
    let key = house.key(&json!({ "groups": [group], "bindings": [{ "role": role, "space": "a" }] }));
    let off = house.key(&json!({}));
    assert_eq!(house.root.post(&format!("/keys/{off}/disable"), &json!({})).status, 200);
    let mut found = BTreeSet::new();
    for who in EVERYBODY {
        let visitor = house.visitor(who);
        // Everybody reads what their own key holds; what that is, is for those who manage something.
        let (own, manages) = (format!("/keys/{}", visitor.id), who.may(Operation::ViewSpaces.needs(), &[]));
        let is_held = |on: &str, to: &str| !manages && on.starts_with(&own) && !to.starts_with("/keys");
        let (actions, refused) = walked(&visitor.browser, "/docs", is_held);
        assert_eq!(refused, Vec::<String>::new(), "{who:?}");
        if who == Visiting::RootAdmin {
            assert!(actions.len() > 25, "{actions:?}");
            found = actions;
        }
    }
    assert!(house.root.get(&format!("/keys/{key}")).status == 200);

    let visitor = house.visitor(Visiting::RootAdmin);
    // What anybody may, whoever they are.
    let mut tried: BTreeSet<String> = ["/sign-out", "/try"].map(str::to_owned).into();
    for (operation, _) in RIGHTS {
        if let Decided::Here(ways) = house.decided(operation, &visitor) {
            tried.extend(ways.iter().filter_map(|way| way.sent.as_ref()).map(|(action, _)| kind(action)));
        }
    }
    let untried: Vec<&String> = found.difference(&tried).collect();
    assert!(untried.is_empty(), "forms that nobody has tried: {untried:?}");
    assert_eq!(encoded(&kind("/keys/01hv/edit?x=y")), "%2Fkeys%2F%2A%2Fedit");
}
