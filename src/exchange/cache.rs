//! Remembers keys, and what they are exchanged for, between requests.
//!
//! One entry for each digest: the key's record, and inside it the answers by [`Facet`], the part of a request that the login policies
//! can read. So a new second or a new address asks the policies, not the store. Entries, absences and answers are served only under
//! the [`Stamp`] that they were made under, see [`generation`](super::generation); what has lost its stamp is dead wherever it lies.
//!
//! A key that works for nobody has no entry: whatever is wrong with it, it is remembered exactly as a key that does not exist, in the same
//! place and for the same time, so that the time which an answer takes does not tell one from the other.
//!
//! Nothing lives longer for being used. Memory is bounded: an entry weighs what it takes.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use moka::ops::compute::Op;

use super::credential::{Credential, SignedToken, TokenContents};
use super::decide::POLICY;
use super::generation::{Generation, Stamp};
use super::monotonic::nanos;
use super::origin::Origin;
use super::remembered_key::RememberedKey;
use super::uses;
use crate::clock::Moment;
use crate::config::CacheSettings;
use crate::model::{KeyDigest, KeyId, Refusal, Revision, SpaceId, WhyInvalid};
use crate::policy::{Facet, Reads};
use crate::store::FoundKey;

/// How many answers one key can have at a time. A key that is used from more addresses than this has its policies asked more often.
const MOST_ANSWERS: usize = 64;
/// How many absences are remembered. Whoever invents keys never sends one twice; a client with a wrong key sends that one.
const MOST_ABSENCES: u64 = 16_384;
/// What an entry takes beside what hangs on it: itself, the list of its answers, the counts in front of both, and its place in the map,
/// which is most of it.
const ENTRY_BYTES: usize = size_of::<Entry>() + 400;
/// How many groups of keys a change to one key tells apart.
const STRIPES: u16 = 1024;

/// A decision that may be given again: to whom, and for how long.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// For which requests.
    pub(super) facet: Facet,
    /// The space that they are about, if the token is to speak of that one alone.
    pub(super) scope: Option<SpaceId>,
    /// Not before this time, should the clock be set back.
    pub(super) from: Timestamp,
    /// Not from this moment on.
    pub(super) until: Moment,
    /// What was decided: a token that is used no longer than `until`, or a refusal.
    pub(super) outcome: Result<Arc<SignedToken>, Refusal>,
}

impl Answer {
    /// Whether it is the answer to a request with this facet, about this space, at this moment.
    pub(super) fn fits(&self, facet: &Facet, scope: Option<&SpaceId>, at: Moment) -> bool {
        self.is_for(facet, scope) && at.wall >= self.from && !at.reached(self.until)
    }

    fn is_for(&self, facet: &Facet, scope: Option<&SpaceId>) -> bool {
        self.facet == *facet && self.scope.as_ref() == scope
    }

    /// Bytes that it takes. A token that several answers share counts for each.
    fn bytes(&self) -> usize {
        let scope = self.scope.as_ref().map_or(0, |space| space.as_str().len() + 16);
        size_of::<Self>() + scope + self.outcome.as_ref().map_or(0, |token| token.bytes())
    }

    /// What a request of this key that it fits is told.
    pub(super) fn to_result(&self, key: KeyId) -> Result<Credential, Refusal> {
        match &self.outcome {
            Ok(token) => Ok(Credential::new(key, Arc::clone(token), self.until)),
            Err(refusal) => Err(refusal.clone()),
        }
    }
}

/// What is remembered of one digest.
pub(super) struct Entry {
    stamp: Stamp,
    /// The key that the digest is of.
    pub(super) key: RememberedKey,
    /// The last change that the store showed when the key was read.
    pub(super) as_of: Revision,
    /// What the policies in force can read of this key's requests.
    pub(super) reads: Arc<Reads>,
    secret_ends_at: Option<Timestamp>,
    answers: ArcSwap<Vec<Answer>>,
    last_noted: AtomicI64,
    /// Nanoseconds of the monotonic clock until which the policies are not asked about the key.
    paused_until: AtomicU64,
}

/// What there is for a request.
pub(super) enum Found {
    /// The answer, and the entry that it stands in.
    Answer(Arc<Entry>, Result<Credential, Refusal>),
    /// Something, but not for such a request, or not any more.
    Stale,
    /// What has this digest works for nobody.
    Invalid(WhyInvalid),
    /// Nothing.
    Nothing,
}

/// Whether an answer was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    /// It was.
    Kept,
    /// Something has changed since it was looked up.
    Moved,
}

/// That there is no key that works.
#[derive(Clone, Copy)]
struct Absence {
    stamp: Stamp,
    /// Not before this time, should the clock be set back: a key may not have ended by then.
    from: Timestamp,
    until: Moment,
    why: WhyInvalid,
}

impl Absence {
    fn holds(&self, at: Moment) -> bool {
        at.wall >= self.from && !at.reached(self.until)
    }
}

/// Everything that is remembered between requests.
pub(super) struct CredentialCache {
    generation: Generation,
    /// How finely policies see the time, in nanoseconds.
    quantum: AtomicU64,
    maps: ArcSwap<Maps>,
}

/// Where it is remembered. Another size takes other maps: there is nothing worth keeping in those before, since a change of the settings
/// makes all that is remembered unusable.
struct Maps {
    most: u64,
    most_bytes: usize,
    entries: moka::sync::Cache<KeyDigest, Arc<Entry>, Seeded>,
    /// Apart, so that a flood of made-up keys drives out no real one.
    absences: moka::sync::Cache<KeyDigest, Absence, Seeded>,
}

impl Maps {
    /// Empty, for at most `most` answers that take `most_bytes` together.
    fn new(most: u64, most_bytes: usize) -> Self {
        let capacity = most_bytes as u64;
        // One measure for both bounds: an answer weighs its share of the whole, or its bytes where those are more.
        let share = capacity.div_ceil(most.max(1));
        let weight = move |entry: &Entry| {
            let (answers, bytes) = (entry.answers() as u64, entry.bytes() as u64);
            u32::try_from((answers * share).max(bytes)).unwrap_or(u32::MAX)
        };
        let entries = moka::sync::Cache::builder().max_capacity(capacity).weigher(move |_, entry: &Arc<Entry>| weight(entry));
        let absences = moka::sync::Cache::builder().max_capacity(most.min(MOST_ABSENCES));
        Self { most, most_bytes, entries: entries.build_with_hasher(Seeded::anew()), absences: absences.build_with_hasher(Seeded::anew()) }
    }
}

/// Hashes digests. They are as good as random already, to everybody but whoever chooses the keys: so a few of their bytes are mixed
/// with a number that nobody knows, and that is all.
#[derive(Clone, Copy)]
struct Seeded(u64);

impl Seeded {
    fn anew() -> Self {
        Self(RandomState::new().hash_one(0))
    }
}

impl BuildHasher for Seeded {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        *self
    }
}

impl Hasher for Seeded {
    fn write(&mut self, bytes: &[u8]) {
        let Some(first) = bytes.first_chunk() else { return };
        // The last steps of SplitMix64: every bit of the product reaches every bit that is looked at.
        let mixed = (self.0 ^ u64::from_ne_bytes(*first)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.0 = mixed ^ (mixed >> 31);
    }

    /// The length of a digest tells nothing.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Entry {
    /// The record as it was read under `stamp`. The digest must be one of its secrets'.
    pub(super) fn new(stamp: Stamp, digest: &KeyDigest, found: FoundKey, reads: Arc<Reads>) -> Self {
        let FoundKey { key, as_of } = found;
        // A record without the secret that it was found by is not to be trusted: as if it had ended at the beginning of time.
        let secret_ends_at = key.secret(digest).map_or(Some(Timestamp::MIN), |secret| secret.ends_at);
        let (answers, last_noted, paused_until) = Self::unused();
        Self { stamp, key: RememberedKey::of(key), as_of, reads, secret_ends_at, answers, last_noted, paused_until }
    }

    /// The same key where the policies in force read something else of its requests.
    pub(super) fn read_for(&self, reads: Arc<Reads>) -> Self {
        let (answers, last_noted, paused_until) = Self::unused();
        Self { key: self.key.clone(), reads, answers, last_noted, paused_until, ..*self }
    }

    fn unused() -> (ArcSwap<Vec<Answer>>, AtomicI64, AtomicU64) {
        (ArcSwap::default(), AtomicI64::new(i64::MIN), AtomicU64::new(0))
    }

    /// Why the key works for nobody at `now`, if so.
    pub(super) fn why_invalid(&self, now: Timestamp) -> Option<WhyInvalid> {
        let rotated_out = || self.secret_ends_at.is_some_and(|end| now >= end).then_some(WhyInvalid::RotatedOut);
        self.key.why_invalid(now).or_else(rotated_out)
    }

    /// When the key, or the secret that was presented, stops working by itself.
    pub(super) fn usable_until(&self) -> Option<Timestamp> {
        [self.key.expires_at, self.secret_ends_at].into_iter().flatten().min()
    }

    /// What an answer that fits says to a request; nothing if the key has stopped working meanwhile.
    pub(super) fn answer(&self, origin: &Origin, scope: Option<&SpaceId>, quantum: Duration) -> Option<Result<Credential, Refusal>> {
        if self.why_invalid(origin.at.wall).is_some() {
            return None;
        }
        if nanos(origin.at.monotonic) < self.paused_until.load(Ordering::Relaxed) {
            return Some(Err(POLICY));
        }
        let facet = origin.facet(&self.reads, quantum);
        self.answers.load().iter().find(|answer| answer.fits(&facet, scope, origin.at)).map(|answer| answer.to_result(self.key.id))
    }

    /// A token that was signed for this key, has these contents, and is young enough to be used for another facet.
    pub(super) fn young_token(&self, contents: &TokenContents, ttl: Duration, now: Moment) -> Option<Arc<SignedToken>> {
        let answers = self.answers.load();
        let mut tokens = answers.iter().rev().filter_map(|answer| answer.outcome.as_ref().ok());
        tokens.find(|token| token.serves_again(contents, ttl, now)).cloned()
    }

    /// Whether this minute's use of the secret has not been noted yet; it counts as noted from now on.
    pub(super) fn first_use_in_its_minute(&self, at: Timestamp) -> Option<i64> {
        let minute = uses::minute_of(at);
        let noted = self.last_noted.load(Ordering::Relaxed);
        let first = noted != minute && self.last_noted.compare_exchange(noted, minute, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        first.then_some(minute)
    }

    /// The policies are not asked about the key until then, whatever the request: it is refused here, without troubling anybody.
    pub(super) fn pause(&self, until: Moment) {
        self.paused_until.fetch_max(nanos(until.monotonic), Ordering::Relaxed);
    }

    /// Keeps an answer in the place of the one for the same requests; those whose time is over by `now` go, then the oldest.
    fn keep(&self, answer: &Answer, now: Moment) {
        self.answers.rcu(|answers| {
            let still_good = |kept: &&Answer| !now.reached(kept.until) && !kept.is_for(&answer.facet, answer.scope.as_ref());
            let good = answers.iter().filter(still_good).count();
            let mut kept = Vec::with_capacity((good + 1).min(MOST_ANSWERS));
            kept.extend(answers.iter().filter(still_good).skip((good + 1).saturating_sub(MOST_ANSWERS)).cloned());
            kept.push(answer.clone());
            kept
        });
    }

    /// Bytes that it takes, as good as they can be told without asking the allocator.
    fn bytes(&self) -> usize {
        let answers: usize = self.answers.load().iter().map(Answer::bytes).sum();
        ENTRY_BYTES + self.key.bytes() + answers
    }

    fn answers(&self) -> usize {
        self.answers.load().len().max(1)
    }
}

impl CredentialCache {
    /// Empty, as the settings want it.
    pub(super) fn new(settings: &CacheSettings) -> Self {
        let maps = Maps::new(settings.max_entries, settings.max_bytes);
        Self {
            generation: Generation::new(STRIPES),
            quantum: AtomicU64::new(nanos(settings.time_quantum)),
            maps: ArcSwap::from_pointee(maps),
        }
    }

    /// Goes by other settings. Only for who changes everybody: what was remembered by those before must not be found by these.
    pub(super) fn adapt_to(&self, settings: &CacheSettings) {
        self.quantum.store(nanos(settings.time_quantum), Ordering::Relaxed);
        let maps = self.maps.load();
        if (maps.most, maps.most_bytes) != (settings.max_entries, settings.max_bytes) {
            self.maps.store(Arc::new(Maps::new(settings.max_entries, settings.max_bytes)));
        }
    }

    /// What to read before anything that an answer for this digest rests on.
    pub(super) fn stamp(&self, digest: &KeyDigest) -> Stamp {
        self.generation.current(digest.as_bytes())
    }

    /// Whether no acknowledged change can have touched what was looked up under this stamp.
    pub(super) fn is_current(&self, digest: &KeyDigest, stamp: Stamp) -> bool {
        self.stamp(digest) == stamp
    }

    /// What there is for a request whose stamp was read just before.
    pub(super) fn find(&self, digest: &KeyDigest, stamp: Stamp, origin: &Origin, scope: Option<&SpaceId>) -> Found {
        let quantum = Duration::from_nanos(self.quantum.load(Ordering::Relaxed));
        let maps = self.maps.load();
        match maps.entries.get(digest) {
            Some(entry) if entry.stamp == stamp => match entry.answer(origin, scope, quantum) {
                Some(answer) => Found::Answer(entry, answer),
                None => Found::Stale,
            },
            Some(_) => Found::Stale,
            None => match maps.absences.get(digest) {
                Some(absence) if absence.stamp == stamp && absence.holds(origin.at) => Found::Invalid(absence.why),
                Some(_) => Found::Stale,
                None => Found::Nothing,
            },
        }
    }

    /// The entry of this digest, if its stamp is `stamp`.
    pub(super) fn entry(&self, digest: &KeyDigest, stamp: Stamp) -> Option<Arc<Entry>> {
        self.maps.load().entries.get(digest).filter(|entry| entry.stamp == stamp)
    }

    /// Remembers the record of a key.
    pub(super) fn fill_entry(&self, digest: &KeyDigest, entry: &Arc<Entry>) {
        if self.is_current(digest, entry.stamp) {
            self.maps.load().entries.insert(*digest, Arc::clone(entry));
        }
    }

    /// Remembers an answer in its key's entry. Not if something has changed meanwhile: nobody would ever be served it.
    pub(super) fn fill(&self, digest: &KeyDigest, entry: &Arc<Entry>, answer: &Answer, now: Moment) -> Fill {
        let mut fill = Fill::Moved;
        // Put again with each answer, so that the map learns of the new weight; under its lock, so that no other entry is lost.
        self.maps.load().entries.entry(*digest).and_compute_with(|there| {
            if !self.is_current(digest, entry.stamp) {
                return Op::Nop;
            }
            fill = Fill::Kept;
            let there = there.map(moka::Entry::into_value).filter(|there| there.stamp == entry.stamp);
            let entry = there.unwrap_or_else(|| Arc::clone(entry));
            entry.keep(answer, now);
            Op::Put(entry)
        });
        fill
    }

    /// Remembers that what has this digest works for nobody, from a time until a moment, and nothing else of it.
    pub(super) fn fill_absence(&self, digest: &KeyDigest, stamp: Stamp, span: (Timestamp, Moment), why: WhyInvalid) -> Fill {
        if !self.is_current(digest, stamp) {
            return Fill::Moved;
        }
        let maps = self.maps.load();
        maps.entries.invalidate(digest);
        let (from, until) = span;
        maps.absences.insert(*digest, Absence { stamp, from, until, why });
        Fill::Kept
    }

    /// Puts a change to single keys in force; the store shows it already.
    pub(super) fn change_keys(&self, digests: &[KeyDigest]) {
        self.generation.change_keys(digests.iter().map(KeyDigest::as_bytes), || {
            let maps = self.maps.load();
            for digest in digests {
                maps.entries.invalidate(digest);
                maps.absences.invalidate(digest);
            }
        });
    }

    /// Puts a change that may touch everybody in force. `publish` makes what changed readable, as of the epoch that it gets.
    pub(super) fn change_everybody(&self, publish: impl FnOnce(u64)) {
        self.generation.change_everybody(publish, || {
            let maps = self.maps.load();
            maps.entries.invalidate_all();
            maps.absences.invalidate_all();
        });
    }

    /// How many credentials and refusals, and how many absences, are remembered. Does the caches' housekeeping first. What it costs to
    /// count them grows with them: some milliseconds for what fits into `cache.max_bytes`.
    pub(super) fn sizes(&self) -> (u64, u64) {
        let maps = self.maps.load();
        maps.entries.run_pending_tasks();
        maps.absences.run_pending_tasks();
        let answers = maps.entries.iter().map(|(_, entry)| entry.answers() as u64).sum();
        (answers, maps.absences.entry_count())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::model::{KeyRecord, SecretRecord};
    use crate::policy::{PolicyLimits, PolicySet, PolicySource};

    const SECOND: Duration = Duration::from_secs(1);

    fn settings(max_entries: u64, max_bytes: usize) -> CacheSettings {
        CacheSettings { max_entries, max_bytes, time_quantum: SECOND, ..CacheSettings::default() }
    }

    fn cache(most: u64) -> CredentialCache {
        CredentialCache::new(&settings(most, 1 << 20))
    }

    /// Of policies that tell one second from another.
    fn every_second() -> Arc<Reads> {
        static EVERY_SECOND: LazyLock<Arc<Reads>> = LazyLock::new(|| {
            let text = "package spacelift\nallow if input.request.timestamp_ns % 2 == 0\n";
            let policy = PolicySource { name: "seconds".parse().unwrap(), file: None, text: text.into(), rego: None };
            let limits = PolicyLimits { time: SECOND * 5, memory: 64 << 20 };
            Arc::clone(PolicySet::load(&[policy], limits).unwrap().reads())
        });
        Arc::clone(&EVERY_SECOND)
    }

    fn digest(byte: u8) -> KeyDigest {
        KeyDigest::from_bytes([byte; 32])
    }

    fn origin(second: u64) -> Origin {
        let monotonic = Duration::from_secs(second);
        Origin::at_address(None, Moment { wall: crate::clock::later(Timestamp::UNIX_EPOCH, monotonic), monotonic })
    }

    fn entry(stamp: Stamp, digest: KeyDigest) -> Arc<Entry> {
        let secret = SecretRecord { digest, created_at: Timestamp::UNIX_EPOCH, ends_at: None, last_used_at: None };
        let key = KeyRecord {
            id: KeyId::new(0, 1),
            name: "ci".parse().unwrap(),
            description: String::new(),
            groups: Vec::new(),
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
            disabled_at: None,
            revoked_at: None,
            secrets: vec![secret],
            bindings: Vec::new(),
        };
        Arc::new(Entry::new(stamp, &digest, FoundKey { key, as_of: Revision(0) }, every_second()))
    }

    fn answer(quantum: i64, until: u64) -> Answer {
        let facet = every_second().facet(None, None, Timestamp::from_second(quantum).unwrap(), SECOND);
        Answer { facet, scope: None, from: Timestamp::UNIX_EPOCH, until: origin(until).at, outcome: Err(Refusal::NoRoles) }
    }

    #[test]
    fn digests_are_told_apart_by_a_hash_that_nobody_can_foresee() {
        let (one, other) = (Seeded::anew(), Seeded::anew());
        let hashes: std::collections::HashSet<u64> = (0..=255).map(|byte| one.hash_one(digest(byte))).collect();
        assert_eq!(hashes.len(), 256);
        assert_ne!(one.hash_one(digest(1)), other.hash_one(digest(1)));
    }

    /// Evicting frees memory. Here it does not even that, and what is left behind is dead all the same.
    #[test]
    fn what_no_eviction_has_reached_is_dead_when_its_stamp_has_moved() {
        let (cache, known, nobody, now) = (cache(8), digest(1), digest(2), origin(1));
        let remember = || {
            let entry = entry(cache.stamp(&known), known);
            assert_eq!(cache.fill(&known, &entry, &answer(1, 60), now.at), Fill::Kept);
            assert_eq!(
                cache.fill_absence(&nobody, cache.stamp(&nobody), (Timestamp::UNIX_EPOCH, origin(60).at), WhyInvalid::Unknown),
                Fill::Kept
            );
            assert!(matches!(cache.find(&known, cache.stamp(&known), &now, None), Found::Answer(..)));
            assert!(matches!(cache.find(&nobody, cache.stamp(&nobody), &now, None), Found::Invalid(WhyInvalid::Unknown)));
        };
        let all_is_dead = || {
            for digest in [known, nobody] {
                assert!(matches!(cache.find(&digest, cache.stamp(&digest), &now, None), Found::Stale));
            }
            assert!(cache.entry(&known, cache.stamp(&known)).is_none());
        };
        remember();
        cache.generation.change_keys([known.as_bytes(), nobody.as_bytes()].into_iter(), || {});
        all_is_dead();
        remember();
        cache.generation.change_everybody(|_| {}, || {});
        all_is_dead();
    }

    #[test]
    fn what_was_looked_up_before_a_change_is_not_kept() {
        let (cache, known, now) = (cache(8), digest(1), origin(1));
        let before = cache.stamp(&known);
        cache.change_keys(&[known]);
        assert_eq!(cache.fill(&known, &entry(before, known), &answer(1, 60), now.at), Fill::Moved);
        assert_eq!(cache.fill_absence(&known, before, (Timestamp::UNIX_EPOCH, origin(60).at), WhyInvalid::Unknown), Fill::Moved);
        cache.fill_entry(&known, &entry(before, known));
        assert!(matches!(cache.find(&known, cache.stamp(&known), &now, None), Found::Nothing));
    }

    #[test]
    fn an_entry_drops_what_is_over_and_then_the_oldest() {
        let entry = entry(cache(8).stamp(&digest(1)), digest(1));
        entry.keep(&answer(0, 5), origin(0).at);
        for quantum in 1..=i64::try_from(MOST_ANSWERS).unwrap() {
            entry.keep(&answer(quantum, 60), origin(5).at);
        }
        assert_eq!(entry.answers(), 64, "the first one was over");
        entry.keep(&answer(100, 60), origin(5).at);
        entry.keep(&answer(100, 60), origin(5).at);
        assert_eq!(entry.answers(), 64);
        let kept: Vec<_> = entry.answers.load().iter().map(|answer| answer.facet.quantum().unwrap().as_second()).collect();
        assert_eq!((kept.first(), kept.last()), (Some(&2), Some(&100)));
    }

    #[test]
    fn a_key_that_stops_working_is_remembered_as_one_that_was_never_there() {
        let (cache, known, now) = (cache(8), digest(1), origin(1));
        let stamp = cache.stamp(&known);
        let entry = entry(stamp, known);
        assert_eq!(cache.fill(&known, &entry, &answer(1, 60), now.at), Fill::Kept);
        assert_eq!(cache.fill_absence(&known, stamp, (now.at.wall, origin(6).at), WhyInvalid::Expired), Fill::Kept);
        assert!(cache.entry(&known, stamp).is_none(), "its record is not kept");
        assert!(matches!(cache.find(&known, stamp, &now, None), Found::Invalid(WhyInvalid::Expired)));
        assert!(matches!(cache.find(&known, stamp, &origin(6), None), Found::Stale), "and it is forgotten as soon");
        assert!(matches!(cache.find(&known, stamp, &origin(0), None), Found::Stale), "if the clock is set back, it may work again");
    }

    #[test]
    fn memory_is_bounded_by_the_bytes_in_force_whatever_the_keys_hold() {
        let (cache, now) = (CredentialCache::new(&settings(1000, 1 << 20)), origin(1));
        cache.change_everybody(|_| cache.adapt_to(&settings(1000, 100_000)));
        for byte in 0..200 {
            let entry = entry(cache.stamp(&digest(byte)), digest(byte));
            for quantum in 0..i64::from(byte) % 32 {
                cache.fill(&digest(byte), &entry, &answer(quantum, 60), now.at);
            }
        }
        let maps = cache.maps.load();
        maps.entries.run_pending_tasks();
        let bytes: usize = maps.entries.iter().map(|(_, entry)| entry.bytes()).sum();
        assert!((1..=100_000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn memory_is_bounded_by_answers_not_by_keys() {
        let (cache, now) = (cache(16), origin(1));
        for byte in 0..100 {
            let entry = entry(cache.stamp(&digest(byte)), digest(byte));
            for quantum in 0..4 {
                cache.fill(&digest(byte), &entry, &answer(quantum, 60), now.at);
            }
        }
        let maps = cache.maps.load();
        maps.entries.run_pending_tasks();
        let answers: usize = maps.entries.iter().map(|(_, entry)| entry.answers()).sum();
        assert!((1..=16).contains(&answers), "{answers}");
    }

    #[test]
    fn a_record_without_the_secret_that_it_was_found_by_is_no_key() {
        let stamp = cache(8).stamp(&digest(1));
        let found = FoundKey { key: (*entry(stamp, digest(1)).key.record()).clone(), as_of: Revision(0) };
        let found = Entry::new(stamp, &digest(2), found, Reads::nothing());
        assert_eq!(found.why_invalid(origin(1).at.wall), Some(WhyInvalid::RotatedOut));
    }
}
