//! A model checker runs the guard of the cache, the very file, through every interleaving of a change with those who look up, remember
//! and serve. Around it stand a store, a published state and one entry, each as weak as the real one: the entry keeps whatever it is
//! given, as late as it likes.
//!
//! Once a change is acknowledged, nobody is served what was true before it. The orders that were rejected are shown to break that.

use loom::sync::atomic::AtomicU64;
use loom::sync::{Arc, Mutex};
use loom::thread;

use self::generation::{Generation, Stamp};
use self::sync::Ordering;

#[path = "../../../src/exchange/generation.rs"]
mod generation;

mod sync {
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering};
}

const DIGEST: [u8; 32] = [7; 32];
const OLD: u64 = 0;
const NEW: u64 = 1;

/// One key and all that an answer for it rests on.
struct World {
    generation: Generation,
    /// What the store shows of the key.
    stored: Mutex<u64>,
    /// What is published, by its epoch: `OLD` or `NEW`.
    published: AtomicU64,
    entry: Mutex<Option<(Stamp, u64)>>,
}

impl World {
    fn new() -> Arc<Self> {
        let (stored, published, entry) = (Mutex::new(OLD), AtomicU64::new(OLD), Mutex::new(None));
        Arc::new(Self { generation: Generation::new(1), stored, published, entry })
    }

    fn stamp(&self) -> Stamp {
        self.generation.current(&DIGEST)
    }

    fn publish(&self) {
        self.published.store(NEW, Ordering::Release);
    }

    fn read_published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    fn commit(&self) {
        *self.stored.lock().unwrap() = NEW;
    }

    fn read_stored(&self) -> u64 {
        *self.stored.lock().unwrap()
    }

    /// Without asking whether the stamp is still current: not keeping what is dead saves memory, and nothing may depend on it.
    fn keep(&self, stamp: Stamp, answer: u64) {
        *self.entry.lock().unwrap() = Some((stamp, answer));
    }

    fn evict(&self) {
        *self.entry.lock().unwrap() = None;
    }

    fn served(&self) -> Option<u64> {
        let stamp = self.stamp();
        let entry = *self.entry.lock().unwrap();
        entry.filter(|(kept_under, _)| *kept_under == stamp).map(|(_, answer)| answer)
    }
}

/// Runs a resolution beside a change, and asks as soon as the change is acknowledged.
fn nothing_old_after(change: fn(&World), resolve: fn(&World)) {
    loom::model(move || {
        let world = World::new();
        let resolver = thread::spawn({
            let world = Arc::clone(&world);
            move || resolve(&world)
        });
        change(&world);
        // From here on the change is acknowledged, whatever the resolver still does.
        assert_ne!(world.served(), Some(OLD), "served what was true before the change");
        resolver.join().unwrap();
        assert_ne!(world.served(), Some(OLD), "served what was true before the change");
    });
}

fn resolve_from_published(world: &World) {
    let stamp = world.stamp();
    let answer = world.read_published();
    world.keep(stamp, answer);
}

fn resolve_from_store(world: &World) {
    let stamp = world.stamp();
    let answer = world.read_stored();
    world.keep(stamp, answer);
}

fn change_everybody(world: &World) {
    world.generation.change_everybody(|_| world.publish(), || world.evict());
}

fn change_key(world: &World) {
    world.commit();
    world.generation.change_keys([&DIGEST].into_iter(), || world.evict());
}

#[test]
fn no_answer_outlives_a_change_to_everybody() {
    nothing_old_after(change_everybody, resolve_from_published);
}

#[test]
fn no_answer_outlives_a_change_to_its_key() {
    nothing_old_after(change_key, resolve_from_store);
}

#[test]
fn an_eviction_that_comes_to_nothing_harms_nobody() {
    nothing_old_after(|world| world.generation.change_everybody(|_| world.publish(), || {}), resolve_from_published);
}

#[test]
fn an_answer_that_was_looked_up_after_the_change_is_served() {
    loom::model(|| {
        let world = World::new();
        change_everybody(&world);
        resolve_from_published(&world);
        assert_eq!(world.served(), Some(NEW));
    });
}

#[test]
#[should_panic(expected = "served what was true before the change")]
fn to_announce_before_publishing_would_leave_old_answers() {
    let announce_then_publish = |world: &World| {
        world.generation.change_everybody(|_| {}, || {});
        world.publish();
        world.evict();
    };
    nothing_old_after(announce_then_publish, resolve_from_published);
}

#[test]
#[should_panic(expected = "served what was true before the change")]
fn to_announce_before_the_store_shows_it_would_leave_old_answers() {
    let announce_then_commit = |world: &World| {
        world.generation.change_keys([&DIGEST].into_iter(), || world.evict());
        world.commit();
    };
    nothing_old_after(announce_then_commit, resolve_from_store);
}

#[test]
#[should_panic(expected = "served what was true before the change")]
fn to_evict_without_announcing_would_leave_old_answers() {
    let publish_then_evict = |world: &World| {
        world.publish();
        world.evict();
    };
    nothing_old_after(publish_then_evict, resolve_from_published);
}

#[test]
#[should_panic(expected = "served what was true before the change")]
fn to_read_the_stamp_after_the_look_up_would_keep_old_answers() {
    let look_up_then_stamp = |world: &World| {
        let answer = world.read_published();
        let stamp = world.stamp();
        world.keep(stamp, answer);
    };
    nothing_old_after(change_everybody, look_up_then_stamp);
}

/// What a decision rests on: the published state and the key. `None`: they are not known to belong together, so nothing is decided.
fn pair(world: &World, read_key: fn(&World, Stamp) -> Option<u64>) -> Option<(u64, u64)> {
    let stamp = world.stamp();
    let state = world.read_published();
    if state != stamp.epoch() {
        return None;
    }
    let key = read_key(world, stamp)?;
    (world.stamp().epoch() == stamp.epoch()).then_some((state, key))
}

/// A role is taken from a group; then a key is put into that group. It must never have had the role.
#[test]
fn a_key_is_never_seen_with_a_state_from_before_it() {
    loom::model(|| {
        let world = World::new();
        let changes = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                change_everybody(&world);
                change_key(&world);
            }
        });
        assert_ne!(pair(&world, |world, _| Some(world.read_stored())), Some((OLD, NEW)));
        changes.join().unwrap();
    });
}

/// The same by another process, whose changes the store shows before they are in force here.
#[test]
fn a_key_that_is_read_ahead_of_the_feed_is_not_seen_with_an_older_state() {
    ahead_of_the_feed(|in_force, as_of| in_force >= as_of);
}

#[test]
#[should_panic(expected = "a key and a state that never were in force together")]
fn not_to_wait_for_the_keys_revision_would_pair_it_with_an_older_state() {
    ahead_of_the_feed(|_, _| true);
}

/// Revision 1 takes a role from a group, revision 2 puts the key into it. `may_go_on`: from what is in force and the key's revision.
fn ahead_of_the_feed(may_go_on: fn(u64, u64) -> bool) {
    loom::model(move || {
        let (world, in_force) = (World::new(), Arc::new(AtomicU64::new(0)));
        // Committed elsewhere before anything of it is noticed: what the store shows of the key is as of revision 2.
        world.commit();
        let as_of = 2;
        let follower = thread::spawn({
            let (world, in_force) = (Arc::clone(&world), Arc::clone(&in_force));
            move || {
                change_everybody(&world);
                in_force.store(1, Ordering::Release);
                world.generation.change_keys([&DIGEST].into_iter(), || world.evict());
                in_force.store(2, Ordering::Release);
            }
        });
        let stamp = world.stamp();
        let state = world.read_published();
        let mut pair = None;
        if state == stamp.epoch() {
            let key = world.read_stored();
            if may_go_on(in_force.load(Ordering::Acquire), as_of) && world.stamp().epoch() == stamp.epoch() {
                pair = Some((state, key));
            }
        }
        follower.join().unwrap();
        // What is left of the model cannot be dropped while a panic unwinds.
        drop((world, in_force));
        assert_ne!(pair, Some((OLD, NEW)), "a key and a state that never were in force together");
    });
}

/// A key is taken out of a group; then that group is given a role. What is remembered of the key must not get it.
#[test]
fn a_state_is_never_seen_with_a_key_from_before_it() {
    loom::model(|| {
        let world = World::new();
        resolve_from_store(&world);
        let changes = thread::spawn({
            let world = Arc::clone(&world);
            move || {
                change_key(&world);
                change_everybody(&world);
            }
        });
        let remembered = |world: &World, stamp| {
            let entry = *world.entry.lock().unwrap();
            entry.filter(|(kept_under, _)| *kept_under == stamp).map(|(_, key)| key)
        };
        assert_ne!(pair(&world, remembered), Some((NEW, OLD)));
        changes.join().unwrap();
    });
}
