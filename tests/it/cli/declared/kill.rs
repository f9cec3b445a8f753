//! Whenever `apply` is killed, it has done all of it or nothing.

use std::fmt::Write as _;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use claviger::clock::{Clock as _, SystemClock};
use claviger::model::Resource;
use claviger::store::AuditQuery;

use crate::support::place::Place;

const ROUNDS: u64 = 50;
/// Of each kind, in each file.
const THINGS: u64 = 40;
/// The role, the spaces, the bindings.
const CHANGES: u64 = 1 + 2 * THINGS;

/// What is declared in this round and in no other.
fn declared(round: u64) -> String {
    let mut text = format!("roles:\n  - {{id: role-{round}, actions: [run:read]}}\n");
    let (mut spaces, mut bindings) = (String::from("spaces:\n"), String::from("bindings:\n"));
    for number in 0..THINGS {
        let _ = writeln!(spaces, "  - {{id: space-{round}-{number}}}");
        let _ = writeln!(bindings, "  - {{group: platform, role: role-{round}, space: space-{round}-{number}}}");
    }
    text.push_str(&spaces);
    text.push_str(&bindings);
    text
}

/// Numbers that are another row each time; xorshift.
struct Moments(u64);

impl Moments {
    fn next(&mut self, below: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_nanos(self.0 % u64::try_from(below.as_nanos()).unwrap())
    }
}

/// What is there of a round: roles and spaces, group bindings, things that are managed.
fn left(place: &Place, round: u64) -> (u64, u64, u64, u64) {
    place.in_store(async |store| {
        let snapshot = store.snapshot().await.unwrap();
        let (role, space) = (format!("role-{round}"), format!("space-{round}-"));
        let roles = snapshot.roles.keys().filter(|id| id.as_str() == role).count();
        let spaces = snapshot.spaces.iter().filter(|found| found.id.as_str().starts_with(&space)).count();
        let bindings = snapshot.group_bindings.values().flatten().filter(|binding| binding.role.as_str() == role).count();
        let of_round = |resource: &&Resource| match resource {
            Resource::Space(id) => id.as_str().starts_with(&space),
            Resource::Role(id) => id.as_str() == role,
            _ => false,
        };
        let managed = store.managed().await.unwrap().iter().filter(of_round).count();
        // Each change has its entry in the audit, and nothing has one that is no change.
        let audited = store.audit(&AuditQuery { limit: u32::MAX, ..AuditQuery::default() }).await.unwrap();
        assert_eq!(audited.len() as u64, snapshot.revision.0);
        let count = |found: usize| found as u64;
        (count(roles + spaces + bindings), count(managed), snapshot.revision.0, count(audited.len()))
    })
}

#[test]
fn an_apply_that_is_killed_at_any_moment_has_done_all_or_nothing() {
    let place = Place::new();
    place.json(&["space", "create", "warm-up"]);
    let clock = SystemClock::start();
    let began = clock.monotonic();
    let file = place.file("first.yaml", &declared(ROUNDS));
    assert_eq!(place.run(&["apply", "-f", &file]).code, 0);
    let whole = clock.monotonic().saturating_sub(began);
    assert_eq!(left(&place, ROUNDS), (CHANGES, 1 + THINGS, CHANGES + 1, CHANGES + 1));

    let seed = u64::try_from(clock.now().wall.as_microsecond()).unwrap() | 1;
    let mut moments = Moments(seed);
    let (mut revision, mut done) = (CHANGES + 1, 0);
    for round in 0..ROUNDS {
        let file = place.file("access.yaml", &declared(round));
        let mut child = place.start(&["apply", "-f", &file], &[("CLAVIGER_STORE", &place.url())], Stdio::null());
        // Half of them near the end, where it is done.
        let moment = if round % 2 == 0 { moments.next(whole) } else { whole / 2 + moments.next(whole / 2) };
        thread::sleep(moment);
        child.kill().unwrap();
        child.wait().unwrap();

        let (things, managed, now, _) = left(&place, round);
        let expected = if now == revision { (0, 0, revision) } else { (CHANGES, 1 + THINGS, revision + CHANGES) };
        assert_eq!((things, managed, now), expected, "round {round}, killed after {moment:?}, seed {seed}");
        done += u64::from(now != revision);
        revision = now;
        // What was not done is done by the next one, with nothing in its way.
        if round % 10 == 0 {
            assert_eq!(place.run(&["apply", "-f", &file]).code, 0);
            revision = left(&place, round).2;
            assert_eq!(left(&place, round).0, CHANGES);
        }
    }
    assert!(done < ROUNDS, "none was killed before it was done");
}
