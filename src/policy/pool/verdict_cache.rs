//! Verdicts of policies that can tell two requests of one key apart by nothing.
//!
//! A new address or a new second asks every policy, and most of them look at neither: their verdict is a function of the key's record
//! and of what all keys share. Such a policy keeps what it has said last of a key, and is asked again only when either is another one.

use std::ptr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::model::Verdict;
use crate::policy::input::AboutKey;
use crate::policy::input::{LoginInput, SharedInput};

/// Keys whose last verdict is kept, for each policy.
const PLACES: usize = 1024;

/// What a verdict that is kept may take with what it is about, in bytes. One that gives out more than a hundred roles or so is made anew: what a policy says is
/// bounded by the memory limit of an evaluation alone, and a thousand times that is more than a process has.
const LARGEST: usize = 8 * 1024;

/// The last verdicts of one policy.
#[derive(Default)]
pub(in crate::policy) struct VerdictCache {
    /// Each key has one place, which it may have to leave to another.
    places: Mutex<Vec<Option<Entry>>>,
}

/// What was said, and all that it depends on.
struct Entry {
    /// By identity: it is never changed in its place. Weak, so that a key that is not asked about any more keeps no old state in memory;
    /// the address of what a weak reference leads to is given to nothing else as long as the reference is there.
    shared: Weak<SharedInput>,
    /// By what it says: a record is made anew for each question.
    about: AboutKey,
    verdict: Verdict,
}

impl VerdictCache {
    /// What was said of this key when all that the policy can see was the same.
    pub(in crate::policy) fn verdict(&self, input: &LoginInput) -> Option<Verdict> {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = places.get(place(input)?)?.as_ref()?;
        let same = ptr::eq(entry.shared.as_ptr(), Arc::as_ptr(&input.shared)) && entry.about.is_that_of(input);
        same.then(|| entry.verdict.clone())
    }

    /// Keeps what was said, unless it is large, or was said by somebody who is not trusted any more: that is looked at when nobody can
    /// [clear](Self::clear) the cache meanwhile.
    pub(in crate::policy) fn keep(&self, input: &LoginInput, verdict: &Verdict, is_trusted: impl FnOnce() -> bool) {
        let about = AboutKey::of(input);
        if weight(verdict) + about.bytes() > LARGEST {
            return;
        }
        let entry = Entry { shared: Arc::downgrade(&input.shared), about, verdict: verdict.clone() };
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_trusted() {
            return;
        }
        if places.is_empty() {
            places.resize_with(PLACES, || None);
        }
        if let Some(place) = place(input).and_then(|place| places.get_mut(place)) {
            *place = Some(entry);
        }
    }

    /// Forgets everything.
    pub(in crate::policy) fn clear(&self) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// About the bytes that a verdict takes: its texts, and a little for each.
fn weight(verdict: &Verdict) -> usize {
    const EACH: usize = size_of::<String>();
    let roles = verdict.roles.iter().map(|(space, role)| space.len() + role.len() + 2 * EACH);
    let space_roles = verdict.space_roles.iter().map(|(space, _)| space.len() + 2 * EACH);
    let teams = verdict.teams.iter().map(|team| team.len() + EACH);
    roles.chain(space_roles).chain(teams).sum()
}

fn place(input: &LoginInput) -> Option<usize> {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(input.key.id);
    usize::try_from(hash % u64::try_from(PLACES).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::KeyRecord;
    use crate::policy::{analysis, syntax};

    #[test]
    fn what_was_said_of_a_key_is_said_again_whoever_reads_the_key_anew() {
        let (cache, question) = (VerdictCache::default(), LoginInput::about("x"));
        let said = Verdict { allow: true, ..Verdict::default() };
        cache.keep(&question, &said, || true);
        // As each request has it: a record and texts of its own, another address, another time.
        let mut key = KeyRecord { description: "another".to_owned(), ..KeyRecord::clone(&question.key) };
        let again = LoginInput {
            shared: Arc::clone(&question.shared),
            remote_ip: "2001:db8::1".parse().unwrap(),
            at: jiff::Timestamp::MAX,
            key: Arc::new(key.clone()),
            ..LoginInput::about("x")
        };
        assert_eq!(cache.verdict(&again), Some(said));
        key.groups.push("ops".parse().unwrap());
        let others = [
            LoginInput { key: Arc::new(key.clone()), ..again.clone() },
            LoginInput { key: Arc::new(KeyRecord { id: crate::model::KeyId::new(7, 7), ..KeyRecord::clone(&again.key) }), ..again.clone() },
            LoginInput { key: Arc::new(KeyRecord { name: "y".parse().unwrap(), ..KeyRecord::clone(&again.key) }), ..again.clone() },
            LoginInput { root_admin: true, ..again.clone() },
            LoginInput { instance: "other".into(), ..again.clone() },
            LoginInput { shared: Arc::new(SharedInput::clone(&again.shared)), ..again.clone() },
        ];
        for other in &others {
            assert_eq!(cache.verdict(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_large_verdict_is_not_kept() {
        let (cache, question) = (VerdictCache::default(), LoginInput::about("x"));
        let few = Verdict { roles: [("eu".to_owned(), "reader".to_owned())].into(), ..Verdict::default() };
        let large = [
            Verdict { roles: [("eu".to_owned(), "r".repeat(LARGEST))].into(), ..Verdict::default() },
            Verdict {
                space_roles: (0..LARGEST).map(|n| (n.to_string(), crate::model::SystemRoleClaim::Read)).collect(),
                ..Verdict::default()
            },
            Verdict { teams: (0..LARGEST).map(|n| n.to_string()).collect(), ..Verdict::default() },
        ];
        for verdict in &large {
            cache.keep(&question, verdict, || true);
            assert_eq!(cache.verdict(&question), None);
        }
        cache.keep(&question, &few, || true);
        assert_eq!(cache.verdict(&question), Some(few));
    }

    #[test]
    fn what_was_said_by_somebody_who_is_not_trusted_any_more_is_neither_found_nor_kept() {
        let (cache, question, said) = (VerdictCache::default(), LoginInput::about("x"), Verdict::default());
        cache.keep(&question, &said, || true);
        assert_eq!(cache.verdict(&question), Some(said.clone()));
        cache.clear();
        assert_eq!(cache.verdict(&question), None);
        cache.keep(&question, &said, || false);
        assert_eq!(cache.verdict(&question), None);
    }

    fn alone(text: &str) -> bool {
        let text = format!("package spacelift\n{text}\n");
        let module = syntax::parse("p", &text, None).unwrap_or_else(|fault| panic!("{fault}"));
        let program = syntax::lower::policy("p", &module).unwrap_or_else(|faults| panic!("{faults:?}"));
        analysis::depends(&program).on_the_key_alone()
    }

    #[test]
    fn names_groups_and_spaces_belong_to_the_key_and_to_all_keys() {
        for text in [
            "allow if input.session.login == \"x\"",
            "allow if input[\"session\"][\"teams\"][_] == \"x\"",
            "allow if { some space in input.spaces; space.id == input.session.login }",
            "roles[space.id][\"r\"] if some space in input.spaces",
            "f(x) := x\nallow if f(input.session.teams)[0] == \"x\"",
            "import input\nallow if input.session.login == \"x\"",
            "allow if true",
        ] {
            assert!(alone(text), "{text}");
        }
    }

    #[test]
    fn whoever_may_see_the_address_or_the_time_does_not_see_the_key_alone() {
        for text in [
            "allow if input.request.remote_ip == \"192.0.2.1\"",
            "allow if input.session.creator_ip == \"192.0.2.1\"",
            "allow if input[\"request\"].timestamp_ns > 0",
            "allow if input.request.client_certificate != null",
            "allow if input[x] == 1",
            "allow if input.session[input.session.login] == \"192.0.2.1\"",
            "allow if { s := input.session; s.creator_ip == \"192.0.2.1\" }",
            "allow if { some x in [input]; x.request.remote_ip == \"192.0.2.1\" }",
            "allow if count([v | some v in input]) == 1",
            "import input.request as r\nallow if r.remote_ip == \"192.0.2.1\"",
            "allow if every x in [1] { input.request.timestamp_ns > x }",
            "f(x) := input.request.remote_ip if x\nallow if f(1) == \"192.0.2.1\"",
            "allow := false if { input.session.admin } else := input.request.timestamp_ns > 1",
            "allow if object.get(input, [\"request\", \"remote_ip\"], \"\") == \"192.0.2.1\"",
            "team contains input.request.remote_ip if input.session.admin",
            "roles[input.request.remote_ip][\"r\"] if true",
            "allow if input.session.login == \"192.0.2.1\" with input.session.login as input.request.remote_ip",
        ] {
            assert!(!alone(text), "{text}");
        }
    }
}
