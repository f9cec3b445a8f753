//! What is known of every key: what it may do after each change, when that was asked for and when it was acknowledged; and whether an answer
//! is one that could be given.

use std::collections::VecDeque;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

/// Roles that are bound to keys themselves, in each of the spaces.
pub(crate) const ROLES: [&str; 4] = ["reader", "writer", "runner", "tester"];
pub(crate) const SPACES: [&str; 2] = ["alpha", "beta"];
/// Each is bound to a role of its name, in the first space.
pub(crate) const GROUPS: [&str; 4] = ["team-a", "team-b", "team-c", "team-d"];
/// What every key holds, so that it is let in: its actions change.
pub(crate) const BASE: &str = "base";

/// What something was after each change to it.
struct History<T>(Vec<Step<T>>);

struct Step<T> {
    value: T,
    asked: Duration,
    acknowledged: Option<Duration>,
}

impl<T: Copy + PartialEq> History<T> {
    fn beginning(value: T, at: Duration) -> Self {
        Self(vec![Step { value, asked: at, acknowledged: Some(at) }])
    }

    fn last(&self) -> T {
        self.0[self.0.len() - 1].value
    }

    fn begin(&mut self, value: T, asked: Duration) {
        self.0.push(Step { value, asked, acknowledged: None });
    }

    fn acknowledge(&mut self, at: Duration) {
        if let Some(step) = self.0.last_mut() {
            step.acknowledged = Some(at);
        }
    }

    /// For how long something else had been acknowledged when a request was sent whose answer says so; `None`: it never was so.
    fn age(&self, shown: impl Fn(T) -> bool, sent: Duration, answered: Duration) -> Option<Duration> {
        let at = self.0.iter().rposition(|step| step.asked <= answered && shown(step.value))?;
        let next = self.0.get(at + 1).and_then(|next| next.acknowledged);
        Some(next.map_or(Duration::ZERO, |next| sent.saturating_sub(next)))
    }
}

/// Revisions by when they were acknowledged: the greatest until then.
#[derive(Default)]
struct Acknowledged(Vec<(Duration, u64)>);

impl Acknowledged {
    fn push(&mut self, at: Duration, revision: u64) {
        let greatest = self.0.last().map_or(0, |(_, before)| *before);
        self.0.push((at, greatest.max(revision)));
    }

    /// For how long a revision after this one had been acknowledged.
    fn age(&self, shown: u64, sent: Duration) -> Duration {
        let first = self.0.partition_point(|(_, revision)| *revision <= shown);
        self.0.get(first).map_or(Duration::ZERO, |(at, _)| sent.saturating_sub(*at))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Active,
    Disabled,
    Revoked,
}

pub(crate) struct Key {
    pub(crate) id: String,
    /// The request with it, as it is sent.
    pub(crate) request: Vec<u8>,
    life: History<Life>,
    /// A bit for each role in each space.
    roles: History<u8>,
    groups: History<u8>,
    acknowledged: Acknowledged,
    everywhere: Acknowledged,
    /// By the bit that it stands for.
    pub(crate) bindings: [Option<String>; ROLES.len() * SPACES.len()],
    /// The last token that each target has answered with: they are the same for a while.
    tokens: Vec<(Vec<u8>, Option<Claims>)>,
}

/// What a token says, as far as it is judged.
#[derive(Clone, Copy)]
struct Claims {
    roles: u8,
    groups: u8,
    /// The roles that groups give.
    of_groups: u8,
    revision: u64,
}

/// A change that a target has not shown yet.
struct Unseen {
    key: usize,
    revision: u64,
    acknowledged: Duration,
    /// The target whose admin API has made it.
    maker: usize,
    ends: bool,
}

/// A change that a target has shown for the first time.
pub(crate) struct Seen {
    pub(crate) after: Duration,
    pub(crate) maker: usize,
}

/// What is wrong with an answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// It lets in who is refused, or says more than is so.
    LetIn,
    KeptOut,
    /// Something had changed that does not show by itself.
    Stale,
    /// It never was so.
    Invented,
}

pub(crate) struct Verdict {
    /// The age of the state that it was answered by; the longest of all if there never was such a one.
    pub(crate) age: Duration,
    pub(crate) fault: Option<(Fault, String)>,
    pub(crate) revision: Option<u64>,
    /// It does not show a change of which it had been said that it is in force everywhere.
    pub(crate) breaks_promise: bool,
}

/// What is changed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Roles(usize, u8),
    Groups(usize, u8),
    Life(usize, Life),
    /// Whether the group has its role.
    Bound(usize, bool),
    Actions(u64),
}

/// What has come of a change that was asked for.
pub(crate) struct Done {
    pub(crate) revision: Option<u64>,
    pub(crate) body: Value,
    pub(crate) maker: usize,
    pub(crate) asked: Duration,
    pub(crate) acknowledged: Duration,
    /// Somebody else than who has acknowledged it may have made it.
    pub(crate) again: bool,
}

impl Done {
    /// Whether it is in force everywhere, if that was waited for.
    pub(crate) fn is_everywhere(&self) -> Option<bool> {
        self.body["applied"]["everywhere"].as_bool()
    }
}

pub(crate) struct World {
    pub(crate) keys: Vec<Key>,
    bound: [History<bool>; GROUPS.len()],
    pub(crate) group_bindings: [Option<String>; GROUPS.len()],
    acknowledged: Acknowledged,
    /// Of those of which it was said that they are in force everywhere.
    everywhere: Acknowledged,
    pub(crate) actions: u64,
    unseen: Vec<VecDeque<Unseen>>,
    targets: usize,
}

impl World {
    pub(crate) fn new(targets: usize) -> Self {
        Self {
            keys: Vec::new(),
            bound: std::array::from_fn(|_| History::beginning(false, Duration::ZERO)),
            group_bindings: Default::default(),
            acknowledged: Acknowledged::default(),
            everywhere: Acknowledged::default(),
            actions: 1,
            unseen: (0..targets).map(|_| VecDeque::new()).collect(),
            targets,
        }
    }

    /// A key that was made, with nothing but what all have; its number.
    pub(crate) fn add(&mut self, id: String, text: &str, at: Duration, revision: u64) -> usize {
        let request = format!("GET / HTTP/1.1\r\nHost: fleet\r\nAuthorization: Bearer {text}\r\n\r\n").into_bytes();
        let mut acknowledged = Acknowledged::default();
        acknowledged.push(at, revision);
        self.keys.push(Key {
            id,
            request,
            life: History::beginning(Life::Active, at),
            roles: History::beginning(0, at),
            groups: History::beginning(0, at),
            acknowledged,
            everywhere: Acknowledged::default(),
            bindings: Default::default(),
            tokens: vec![Default::default(); self.targets],
        });
        self.keys.len() - 1
    }

    pub(crate) fn life(&self, key: usize) -> Life {
        self.keys[key].life.last()
    }

    pub(crate) fn roles(&self, key: usize) -> u8 {
        self.keys[key].roles.last()
    }

    pub(crate) fn groups(&self, key: usize) -> u8 {
        self.keys[key].groups.last()
    }

    pub(crate) fn is_bound(&self, group: usize) -> bool {
        self.bound[group].last()
    }

    /// It may be so from now on.
    pub(crate) fn begin(&mut self, change: Change, asked: Duration) {
        match change {
            Change::Roles(key, roles) => self.keys[key].roles.begin(roles, asked),
            Change::Groups(key, groups) => self.keys[key].groups.begin(groups, asked),
            Change::Life(key, life) => self.keys[key].life.begin(life, asked),
            Change::Bound(group, bound) => self.bound[group].begin(bound, asked),
            Change::Actions(_) => {}
        }
    }

    /// It is so, and in force everywhere if that was said. `watched` is a key by which it can be seen.
    pub(crate) fn acknowledge(&mut self, change: Change, done: &Done, watched: usize) {
        let Done { revision, maker, acknowledged: at, .. } = *done;
        let everywhere = done.is_everywhere();
        let key = match change {
            Change::Roles(key, _) => {
                self.keys[key].roles.acknowledge(at);
                Some(key)
            }
            Change::Groups(key, _) => {
                self.keys[key].groups.acknowledge(at);
                Some(key)
            }
            Change::Life(key, _) => {
                self.keys[key].life.acknowledge(at);
                Some(key)
            }
            Change::Bound(group, _) => {
                self.bound[group].acknowledge(at);
                None
            }
            Change::Actions(actions) => {
                self.actions = actions;
                None
            }
        };
        let Some(revision) = revision else { return };
        let (acknowledged, promised) = match key {
            Some(key) => {
                let key = &mut self.keys[key];
                (&mut key.acknowledged, &mut key.everywhere)
            }
            None => (&mut self.acknowledged, &mut self.everywhere),
        };
        acknowledged.push(at, revision);
        if everywhere == Some(true) {
            promised.push(at, revision);
        }
        self.watch(key.unwrap_or(watched), revision, at, maker);
    }

    /// Who looks for changes is to look for this one, by this key.
    pub(crate) fn watch(&mut self, key: usize, revision: u64, acknowledged: Duration, maker: usize) {
        let ends = self.life(key) != Life::Active;
        for unseen in &mut self.unseen {
            // What was changed before does not show any more.
            unseen.retain(|unseen| unseen.key != key || !ends && !unseen.ends);
            unseen.push_back(Unseen { key, revision, acknowledged, maker, ends });
        }
    }

    /// A key with a change that this target has not shown yet, and when it was acknowledged: the newest, or the one that was asked longest ago.
    pub(crate) fn unseen_at(&mut self, target: usize, newest: bool) -> Option<(usize, Duration)> {
        let unseen = &mut self.unseen[target];
        if newest {
            return unseen.iter().max_by_key(|unseen| unseen.acknowledged).map(|unseen| (unseen.key, unseen.acknowledged));
        }
        let first = unseen.pop_front()?;
        let found = (first.key, first.acknowledged);
        unseen.push_back(first);
        Some(found)
    }

    /// What was made before anybody looked is not looked for.
    pub(crate) fn forget_unseen(&mut self) {
        self.unseen.iter_mut().for_each(VecDeque::clear);
    }

    pub(crate) fn is_something_unseen(&self) -> bool {
        self.unseen.iter().any(|unseen| !unseen.is_empty())
    }

    pub(crate) fn unseen(&self) -> usize {
        self.unseen.iter().map(VecDeque::len).sum()
    }

    /// What of the changes to this key an answer shows.
    pub(crate) fn seen(&mut self, target: usize, key: usize, status: u16, revision: Option<u64>, answered: Duration) -> Vec<Seen> {
        let mut seen = Vec::new();
        self.unseen[target].retain(|unseen| {
            let shows = unseen.key == key
                && match revision {
                    Some(revision) => !unseen.ends && revision >= unseen.revision,
                    None => unseen.ends && status == 401,
                };
            if shows {
                seen.push(Seen { after: answered.saturating_sub(unseen.acknowledged), maker: unseen.maker });
            }
            !shows
        });
        seen
    }

    /// Whether this can be answered. Only of 200 and 401.
    pub(crate) fn judge(&mut self, target: usize, key: usize, status: u16, token: &[u8], sent: Duration, answered: Duration) -> Verdict {
        let invented = |what: &str| verdict(Duration::MAX, Fault::Invented, what, None);
        if status == 401 {
            return match self.keys[key].life.age(|life| life != Life::Active, sent, answered) {
                Some(age) => verdict(age, Fault::KeptOut, "it is refused", None),
                None => verdict(Duration::MAX, Fault::KeptOut, "it is refused, and was never switched off", None),
            };
        }
        let Some(claims) = self.claims(target, key, token) else { return invented("it came without a token that can be read") };
        let Claims { roles, groups, of_groups, revision } = claims;
        let known = &self.keys[key];
        let mut worst = verdict(Duration::ZERO, Fault::Invented, "", Some(revision));
        let mut weigh = |age: Option<Duration>, fault: Fault, what: String| match age {
            None => worst = verdict(Duration::MAX, Fault::Invented, &what, Some(revision)),
            Some(age) if age > worst.age => worst = verdict(age, fault, &what, Some(revision)),
            Some(_) => {}
        };
        weigh(known.life.age(|life| life == Life::Active, sent, answered), Fault::LetIn, "it is let in".to_owned());
        let more = |shown: u8, last: u8| if shown & !last == 0 { Fault::KeptOut } else { Fault::LetIn };
        weigh(
            known.roles.age(|known| known == roles, sent, answered),
            more(roles, known.roles.last()),
            format!("roles {roles:08b} instead of {:08b}", known.roles.last()),
        );
        weigh(
            known.groups.age(|known| known == groups, sent, answered),
            more(groups, known.groups.last()),
            format!("groups {groups:04b} instead of {:04b}", known.groups.last()),
        );
        for (group, bound) in self.bound.iter().enumerate() {
            let (is_in, has_role) = (groups >> group & 1 == 1, of_groups >> group & 1 == 1);
            let fault = if has_role { Fault::LetIn } else { Fault::KeptOut };
            if is_in {
                weigh(bound.age(|bound| bound == has_role, sent, answered), fault, format!("group {group} has its role: {has_role}"));
            } else if has_role {
                weigh(None, fault, format!("it has the role of group {group}, and is not in it"));
            }
        }
        let age = known.acknowledged.age(revision, sent).max(self.acknowledged.age(revision, sent));
        weigh(Some(age), Fault::Stale, format!("revision {revision} is too old"));
        let promised = known.everywhere.age(revision, sent).max(self.everywhere.age(revision, sent));
        Verdict { breaks_promise: !promised.is_zero(), ..worst }
    }

    fn claims(&mut self, target: usize, key: usize, token: &[u8]) -> Option<Claims> {
        let known = &mut self.keys[key].tokens[target];
        if known.0 != token {
            *known = (token.to_owned(), read(token));
        }
        known.1
    }

    /// What the store should hold in the end.
    pub(crate) fn state(&self) -> Value {
        let key = |key: &Key| {
            let pairs = (0..8).filter(|bit| key.roles.last() >> bit & 1 == 1).map(|bit| format!("{}@{}", ROLES[bit % 4], SPACES[bit / 4]));
            let groups = (0..4).filter(|bit| key.groups.last() >> bit & 1 == 1).map(|bit| GROUPS[bit]);
            let life = match key.life.last() {
                Life::Active => "active",
                Life::Disabled => "disabled",
                Life::Revoked => "revoked",
            };
            json!({ "id": key.id, "life": life, "roles": pairs.collect::<Vec<_>>(), "groups": groups.collect::<Vec<_>>() })
        };
        let bound = GROUPS.iter().zip(&self.bound).filter(|(_, bound)| bound.last()).map(|(group, _)| *group);
        let keys: Vec<Value> = self.keys.iter().map(key).collect();
        json!({ "keys": keys, "bound": bound.collect::<Vec<_>>(), "actions": self.actions })
    }
}

fn verdict(age: Duration, fault: Fault, what: &str, revision: Option<u64>) -> Verdict {
    Verdict { age, fault: (!age.is_zero()).then(|| (fault, what.to_owned())), revision, breaks_promise: false }
}

#[derive(Deserialize)]
struct Token<'a> {
    #[serde(borrow)]
    roles: std::collections::BTreeMap<&'a str, Vec<&'a str>>,
    #[serde(default, borrow)]
    groups: Vec<&'a str>,
    rev: u64,
}

/// Its signature is not looked at: it comes from the proxy itself.
fn read(token: &[u8]) -> Option<Claims> {
    let mut parts = token.split(|byte| *byte == b'.');
    let json = URL_SAFE_NO_PAD.decode(parts.nth(1)?).ok()?;
    let Token { roles, groups, rev } = serde_json::from_slice(&json).ok()?;
    let mut claims = Claims { roles: 0, groups: 0, of_groups: 0, revision: rev };
    for (space, held) in roles {
        let Some(space) = SPACES.iter().position(|known| *known == space) else { continue };
        for role in held {
            if let Some(role) = ROLES.iter().position(|known| *known == role) {
                claims.roles |= 1 << (space * ROLES.len() + role);
            } else if let Some(group) = GROUPS.iter().position(|known| *known == role) {
                claims.of_groups |= 1 << group;
            } else if role != BASE {
                return None;
            }
        }
    }
    for group in groups {
        claims.groups |= 1 << GROUPS.iter().position(|known| *known == group)?;
    }
    Some(claims)
}
