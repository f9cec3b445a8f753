//! Changes, made at the admin APIs of all control planes in turn, each asked for again until somebody acknowledges it.
//!
//! Every key, group and role belongs to one of those who change, so that what it was before is known. A change that nobody has answered may
//! have been made all the same: until it is acknowledged, answers may go by it or not.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use claviger::model::{KeyDigest, KeyId, PlainKey};
use serde_json::{Value, json};
use tokio::task::{JoinSet, spawn_local};
use tokio::time::sleep;

use crate::client::Client;
use crate::world::{BASE, Change, Done, GROUPS, Life, ROLES, SPACES};
use crate::{Shared, say};

/// For one attempt: longer than the wait for everywhere.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

struct Writer {
    shared: Rc<Shared>,
    /// One to each control plane: the target's number, and the connection.
    admins: Vec<(usize, Client)>,
    next: usize,
    number: usize,
    /// Names of requests begin with it.
    name: String,
    asked: u64,
    random: u64,
}

impl Writer {
    fn new(shared: &Rc<Shared>, number: usize) -> Self {
        let targets = shared.plan.targets.iter().enumerate();
        let admins: Vec<_> = targets.filter_map(|(target, plan)| plan.admin.map(|admin| (target, Client::new(admin)))).collect();
        let random = 0x9E37_79B9_7F4A_7C15 ^ (number as u64 + 1).wrapping_mul(0xD134_2543_DE82_EF95);
        let name = format!("{}-{number}", getrandom::u32().unwrap_or_default());
        Self { shared: Rc::clone(shared), next: number % admins.len(), admins, number, name, asked: 0, random }
    }

    fn draw(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 33).unwrap_or_default() % below
    }

    /// Asks until it is acknowledged: by being made, or by being there already when it is asked for again.
    async fn done(&mut self, method: &str, path: &str, body: &Value, waits: bool) -> anyhow::Result<Done> {
        self.asked += 1;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let wait = if waits { "?wait=applied&timeout=3s" } else { "" };
        let key = &self.shared.plan.root_key;
        let request = format!(
            "{method} /api/v1{path}{wait} HTTP/1.1\r\nHost: fleet\r\nAuthorization: Bearer {key}\r\nIdempotency-Key: {}-{}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.name,
            self.asked,
            body.len()
        );
        let (mut again, first_asked) = (false, self.shared.now());
        loop {
            self.next = (self.next + 1) % self.admins.len();
            let (maker, client) = &mut self.admins[self.next];
            let maker = *maker;
            let failure = match client.ask(request.as_bytes(), PATIENCE).await {
                Ok(answer) => match answer.status {
                    200..=299 => {
                        let body = serde_json::from_slice(answer.body).unwrap_or(Value::Null);
                        let acknowledged = self.shared.now();
                        return Ok(Done { revision: answer.revision, body, maker, asked: first_asked, acknowledged, again });
                    }
                    404 | 409 if again => {
                        let acknowledged = self.shared.now();
                        return Ok(Done { revision: None, body: Value::Null, maker, asked: first_asked, acknowledged, again });
                    }
                    429 | 500..=599 => answer.status.to_string(),
                    status => bail!("{method} {path} {body}: {status} {}", String::from_utf8_lossy(answer.body)),
                },
                Err(failure) => failure.name().to_owned(),
            };
            again = true;
            let now = self.shared.now();
            self.shared.tally.borrow_mut().change_refused(failure, now);
            sleep(PAUSE).await;
        }
    }

    async fn make(
        &mut self,
        change: Change,
        method: &str,
        path: &str,
        body: &Value,
        action: &str,
        resource: &str,
    ) -> anyhow::Result<Value> {
        let every = self.shared.plan.wait_every;
        let waits = every > 0 && self.asked.is_multiple_of(every);
        self.shared.world.borrow_mut().begin(change, self.shared.now());
        let done = self.done(method, path, body, waits).await?;
        let watched = self.watched();
        self.shared.world.borrow_mut().acknowledge(change, &done, watched);
        self.told(&done, action, resource);
        Ok(done.body)
    }

    /// Notes that a change is acknowledged, and has whoever looks for changes look for it.
    fn told(&mut self, done: &Done, action: &str, resource: &str) {
        let Done { revision, maker, asked, acknowledged, again, ref body } = *done;
        let resource = if resource.is_empty() { body["id"].as_str().unwrap_or_default() } else { resource };
        let entry = json!({ "revision": revision, "action": action, "resource": resource, "again": again });
        let mut tally = self.shared.tally.borrow_mut();
        tally.acknowledge(entry, acknowledged.saturating_sub(asked));
        if let Some(everywhere) = done.is_everywhere() {
            tally.waited(everywhere);
        }
        drop(tally);
        for changed in &self.shared.changed {
            changed.notify_one();
        }
        if let Some(revision) = revision {
            self.shared.has_changed(maker, asked, revision);
        }
    }

    /// A key that is let in, by which a change of many can be seen.
    fn watched(&mut self) -> usize {
        let all = self.shared.world.borrow().keys.len();
        for _ in 0..100 {
            let key = self.draw(all);
            if self.shared.world.borrow().life(key) == Life::Active {
                return key;
            }
        }
        0
    }

    /// Makes a key with nothing but what all have.
    async fn make_key(&mut self) -> anyhow::Result<usize> {
        let (mut secret, mut drawn) = ([0; 32], [0; 16]);
        getrandom::fill(&mut secret)?;
        getrandom::fill(&mut drawn)?;
        let id = KeyId::new(u64::from(getrandom::u32()?), u128::from_ne_bytes(drawn));
        let text = PlainKey::generate(id, &secret);
        let name = format!("key-{}-{}", self.name, self.asked);
        let body = json!({
            "name": name, "id": id.to_string(), "sha256": KeyDigest::of(&text).to_hex(), "bindings": [{ "role": BASE, "space": SPACES[0] }],
        });
        let done = self.done("POST", "/keys/import", &body, false).await?;
        let mut world = self.shared.world.borrow_mut();
        let revision = done.revision.unwrap_or_default();
        let key = world.add(id.to_string(), text.reveal(), done.acknowledged, revision);
        world.watch(key, revision, done.acknowledged, done.maker);
        drop(world);
        self.told(&done, "key.import", &id.to_string());
        Ok(key)
    }

    async fn change_something(&mut self) -> anyhow::Result<()> {
        match self.draw(100) {
            0..3 if self.number < GROUPS.len() => self.bind_group(self.number).await,
            3..6 if self.number == 0 => self.change_actions().await,
            kind => {
                let Some(key) = self.own_key() else { return self.make_key().await.map(drop) };
                let life = self.shared.world.borrow().life(key);
                match (kind, life) {
                    (0..4, Life::Active) => {
                        self.end(key).await?;
                        self.make_key().await.map(drop)
                    }
                    (_, Life::Disabled) | (4..20, Life::Active) => self.switch(key, life).await,
                    (20..45, Life::Active) => self.join_or_leave(key).await,
                    (_, Life::Active) => self.bind(key).await,
                    (_, Life::Revoked) => Ok(()),
                }
            }
        }
    }

    /// One of those that are this one's to change, and that are not revoked.
    fn own_key(&mut self) -> Option<usize> {
        let (all, writers) = (self.shared.world.borrow().keys.len(), self.shared.plan.writers);
        for _ in 0..100 {
            let key = self.draw(all / writers) * writers + self.number;
            if key < all && self.shared.world.borrow().life(key) != Life::Revoked {
                return Some(key);
            }
        }
        None
    }

    fn id(&self, key: usize) -> String {
        self.shared.world.borrow().keys[key].id.clone()
    }

    async fn bind(&mut self, key: usize) -> anyhow::Result<()> {
        let bit = self.draw(ROLES.len() * SPACES.len());
        let (role, space, id) = (ROLES[bit % ROLES.len()], SPACES[bit / ROLES.len()], self.id(key));
        let roles = self.shared.world.borrow().roles(key) ^ (1 << bit);
        let change = Change::Roles(key, roles);
        if roles >> bit & 1 == 1 {
            let body = json!({ "subject": { "key": id }, "role": role, "space": space });
            let mut made = self.make(change, "POST", "/bindings", &body, "binding.create", "").await?;
            if made["id"].is_null() {
                made = self.find(&format!("/bindings?key={id}&role={role}&space={space}")).await?;
            }
            let binding = made["id"].as_str().context("a binding without an id")?.to_owned();
            self.shared.world.borrow_mut().keys[key].bindings[bit] = Some(binding);
        } else {
            let binding = self.shared.world.borrow_mut().keys[key].bindings[bit].take().context("no binding is known")?;
            self.make(change, "DELETE", &format!("/bindings/{binding}"), &Value::Null, "binding.delete", &binding).await?;
        }
        Ok(())
    }

    /// The first item of a list.
    async fn find(&mut self, path: &str) -> anyhow::Result<Value> {
        let mut found = self.done("GET", path, &Value::Null, false).await?.body;
        Ok(found["items"][0].take())
    }

    async fn switch(&mut self, key: usize, life: Life) -> anyhow::Result<()> {
        let (word, becomes) = if life == Life::Active { ("disable", Life::Disabled) } else { ("enable", Life::Active) };
        let id = self.id(key);
        let path = format!("/keys/{id}/{word}");
        self.make(Change::Life(key, becomes), "POST", &path, &Value::Null, &format!("key.{word}"), &id).await.map(drop)
    }

    async fn end(&mut self, key: usize) -> anyhow::Result<()> {
        let id = self.id(key);
        self.make(Change::Life(key, Life::Revoked), "DELETE", &format!("/keys/{id}"), &Value::Null, "key.revoke", &id).await.map(drop)
    }

    async fn join_or_leave(&mut self, key: usize) -> anyhow::Result<()> {
        let group = self.draw(GROUPS.len());
        let groups = self.shared.world.borrow().groups(key) ^ (1 << group);
        let (id, names) = (self.id(key), named(groups));
        let body = json!({ "groups": names });
        self.make(Change::Groups(key, groups), "PATCH", &format!("/keys/{id}"), &body, "key.update", &id).await.map(drop)
    }

    async fn bind_group(&mut self, group: usize) -> anyhow::Result<()> {
        let bound = !self.shared.world.borrow().is_bound(group);
        let (change, name) = (Change::Bound(group, bound), GROUPS[group]);
        if bound {
            let body = json!({ "subject": { "group": name }, "role": name, "space": SPACES[0] });
            let mut made = self.make(change, "POST", "/bindings", &body, "binding.create", "").await?;
            if made["id"].is_null() {
                made = self.find(&format!("/bindings?group={name}")).await?;
            }
            let binding = made["id"].as_str().context("a binding without an id")?.to_owned();
            self.shared.world.borrow_mut().group_bindings[group] = Some(binding);
        } else {
            let binding = self.shared.world.borrow_mut().group_bindings[group].take().context("no binding is known")?;
            self.make(change, "DELETE", &format!("/bindings/{binding}"), &Value::Null, "binding.delete", &binding).await?;
        }
        Ok(())
    }

    async fn change_actions(&mut self) -> anyhow::Result<()> {
        let actions = self.shared.world.borrow().actions + 1;
        let body = json!({ "actions": [format!("thing:a{actions}")] });
        self.make(Change::Actions(actions), "PATCH", &format!("/roles/{BASE}"), &body, "role.update", BASE).await.map(drop)
    }
}

fn named(groups: u8) -> Vec<&'static str> {
    (0..GROUPS.len()).filter(|bit| groups >> bit & 1 == 1).map(|bit| GROUPS[bit]).collect()
}

/// Makes spaces, roles and keys.
pub(crate) async fn set_up(shared: &Rc<Shared>) -> anyhow::Result<()> {
    let mut first = Writer::new(shared, 0);
    for space in SPACES {
        first.done("POST", "/spaces", &json!({ "id": space, "parent": "root" }), false).await?;
    }
    for role in ROLES.iter().chain(&GROUPS).chain([&BASE]) {
        first.done("POST", "/roles", &json!({ "id": role, "actions": ["thing:a1"] }), false).await?;
    }
    let mut all = JoinSet::new();
    let writers = shared.plan.writers.max(4);
    for number in 0..writers {
        let (shared, keys) = (Rc::clone(shared), shared.plan.keys);
        all.spawn_local(async move {
            let mut writer = Writer::new(&shared, number);
            for _ in (number..keys).step_by(writers) {
                writer.make_key().await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = all.join_next().await {
        done??;
    }
    Ok(())
}

/// Makes changes until there are as many as wanted.
pub(crate) fn start(shared: &Rc<Shared>) {
    for number in 0..shared.plan.writers {
        let mut writer = Writer::new(shared, number);
        spawn_local(async move {
            if let Err(error) = writer.run().await {
                say(&json!({ "event": "broken", "why": format!("{error:#}") }));
                std::process::exit(1);
            }
        });
    }
}

impl Writer {
    async fn run(&mut self) -> anyhow::Result<()> {
        let mut due = self.shared.now();
        while self.shared.tally.borrow().acknowledged() < self.shared.wanted.get() {
            let pace = self.shared.pace.get();
            if pace > 0.0 {
                due += Duration::from_secs_f64(self.shared.plan.writers as f64 / pace);
                sleep(due.saturating_sub(self.shared.now())).await;
                due = due.max(self.shared.now());
            }
            self.change_something().await?;
        }
        self.shared.ended.update(|ended| ended + 1);
        Ok(())
    }
}
