//! Checked, compiled policies.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use super::analysis::Reads;
use super::fault::PolicyFault;
use super::lint::{self, Whole};
use super::loaded::{Identity, Policy, load};
use super::settings::EvaluationSettings;
use super::source::PolicySource;
use super::vocabulary::Vocabulary;
use crate::model::{PolicyName, RegoVersion};

/// Checked, compiled policies, ready to be asked. Immutable; swapped as a whole.
#[derive(Default)]
pub struct PolicySet {
    /// By name.
    policies: Vec<Arc<Policy>>,
    reads: Arc<Reads>,
}

/// Texts whose loading went past its time and has not come back: to load one of them again would cost another thread.
static LOADING: Mutex<Vec<Identity>> = Mutex::new(Vec::new());

/// Stack of the thread that loads: a text of the largest size, parsed into the deepest tree, is taken apart by recursion.
const LOAD_STACK: usize = 256 * 1024 * 1024;
/// The longest that one policy may take to load.
const LOAD_LIMIT: Duration = Duration::from_secs(20);
impl PolicySet {
    /// No policy at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Checks and compiles.
    ///
    /// # Errors
    /// Every fault of every policy at once, in the order of the sources.
    pub fn load(sources: &[PolicySource], settings: impl Into<EvaluationSettings>) -> Result<Self, Vec<PolicyFault>> {
        Self::none().change_to(sources, settings)
    }

    /// The set that these sources make. What stands in this one already is taken from it: it need not be compiled again, and knows what
    /// it has said.
    ///
    /// # Errors
    /// As those of [`load`](Self::load).
    pub fn change_to(&self, sources: &[PolicySource], settings: impl Into<EvaluationSettings>) -> Result<Self, Vec<PolicyFault>> {
        let (set, faults) = self.change_to_what_can_be(sources, settings.into());
        if faults.is_empty() { Ok(set) } else { Err(faults) }
    }

    /// The policies that have no faults, and the faults of the others.
    fn change_to_what_can_be(&self, sources: &[PolicySource], settings: EvaluationSettings) -> (Self, Vec<PolicyFault>) {
        let mut faults = same_names(sources);
        let known = |source: &PolicySource| self.policies.iter().find(|policy| policy.source == *source && policy.settings == settings);
        let mut policies: Vec<Arc<Policy>> = sources.iter().filter_map(known).cloned().collect();
        let new: Vec<PolicySource> = sources.iter().filter(|source| known(source).is_none()).cloned().collect();
        for (source, loaded) in new.iter().zip(load_each(&new, settings)) {
            match loaded {
                Ok(policy) => policies.push(Arc::new(policy)),
                Err(found) if found.is_empty() => faults.push(PolicyFault::of(&source.place(), "it cannot be loaded")),
                Err(found) => faults.extend(found),
            }
        }
        policies.sort_by(|one, other| one.name.cmp(&other.name));
        let reads = Arc::new(Reads::of(policies.iter().map(|policy| &policy.depends)));
        (Self { policies, reads }, faults)
    }

    /// What is odd about the policies although they are in force: warnings and notes, by policy, in the order of the text.
    #[must_use]
    pub fn warnings(&self, vocabulary: &Vocabulary) -> Vec<PolicyFault> {
        self.told(Whole::Yes, vocabulary)
    }

    fn told(&self, whole: Whole, vocabulary: &Vocabulary) -> Vec<PolicyFault> {
        let modules = self.policies.iter().map(|policy| (policy.place.as_str(), &policy.module));
        lint::warnings(modules, whole, vocabulary)
    }

    /// What they were loaded from, by name, and the Rego that each is in.
    pub fn sources(&self) -> impl ExactSizeIterator<Item = (&PolicySource, RegoVersion)> {
        let version = |policy: &Policy| if policy.module.rego_v1 { RegoVersion::V1 } else { RegoVersion::V0 };
        self.policies.iter().map(move |policy| (&policy.source, version(policy)))
    }

    /// What they are called, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &PolicyName> {
        self.policies.iter().map(|policy| &policy.name)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    /// What the policies can read of a request.
    #[must_use]
    pub fn reads(&self) -> &Arc<Reads> {
        &self.reads
    }

    /// Every policy, by name.
    pub(super) fn policies(&self) -> &[Arc<Policy>] {
        &self.policies
    }
}

/// Everything that is to be told of policies before they are put in force: the faults of those that cannot be, and what is odd about the
/// others. If there is no [error](PolicyFault::is_error) among it, [`PolicySet::load`] takes them.
#[must_use]
pub fn review(sources: &[PolicySource], settings: impl Into<EvaluationSettings>, vocabulary: &Vocabulary) -> Vec<PolicyFault> {
    let (set, mut faults) = PolicySet::none().change_to_what_can_be(sources, settings.into());
    let whole = if faults.is_empty() { Whole::Yes } else { Whole::No };
    faults.extend(set.told(whole, vocabulary));
    let order = |fault: &PolicyFault| sources.iter().position(|source| source.place() == fault.policy);
    faults.sort_by_key(order);
    faults
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.policies.iter().map(|policy| &policy.name)).finish()
    }
}

fn same_names(sources: &[PolicySource]) -> Vec<PolicyFault> {
    let mut seen = BTreeSet::new();
    let again = sources.iter().filter(|source| !seen.insert(&source.name));
    again.map(|source| PolicyFault::of(&source.place(), format!("another policy is named `{}` too", source.name))).collect()
}

/// Loads each source on a thread of its own making, as many answers as there are sources. A text that keeps the thread busy beyond the
/// limit gets a fault; its thread ends when it ends, and the rest go on without it.
fn load_each(sources: &[PolicySource], settings: EvaluationSettings) -> Vec<Result<Policy, Vec<PolicyFault>>> {
    let mut loaded = Vec::with_capacity(sources.len());
    while let Some(rest) = sources.get(loaded.len()..).filter(|rest| !rest.is_empty()) {
        if let Some(stuck) = rest.first().filter(|source| loading().contains(&Identity::of(source))) {
            loaded.push(Err(vec![PolicyFault::of(&stuck.place(), TOO_LONG)]));
            continue;
        }
        let (answer, answers) = mpsc::channel();
        let work: Vec<PolicySource> = rest.to_vec();
        let spawned = thread::Builder::new().name("policy-load".to_owned()).stack_size(LOAD_STACK).spawn(move || {
            for source in work {
                let loaded = catch_unwind(AssertUnwindSafe(|| load(&source, settings)))
                    .unwrap_or_else(|_| Err(vec![PolicyFault::of(&source.place(), "the engine fails on it")]));
                // Under the lock, so that either the answer is found or the mark that nobody waits for it is taken away.
                let mut marked = loading();
                if answer.send(loaded).is_err() {
                    marked.retain(|stuck| *stuck != Identity::of(&source));
                    break;
                }
            }
        });
        if let Err(error) = spawned {
            let fault = |source: &PolicySource| {
                Err(vec![PolicyFault::of(&source.place(), format!("no thread could be started to load it: {error}"))])
            };
            loaded.extend(rest.iter().map(fault));
            break;
        }
        for source in rest {
            if let Ok(answer) = answers.recv_timeout(LOAD_LIMIT) {
                loaded.push(answer);
                continue;
            }
            let mut marked = loading();
            if let Ok(answer) = answers.try_recv() {
                loaded.push(answer);
                continue;
            }
            marked.push(Identity::of(source));
            drop(answers);
            loaded.push(Err(vec![PolicyFault::of(&source.place(), TOO_LONG)]));
            break;
        }
    }
    loaded
}

const TOO_LONG: &str = "it takes too long to load";

fn loading() -> MutexGuard<'static, Vec<Identity>> {
    LOADING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
impl PolicySet {
    /// One policy whose compiled form is that of another text: what a mistake in it would be.
    pub(crate) fn mistranslated(text: &str, as_if: &str, settings: impl Into<EvaluationSettings>) -> Self {
        let policy = Policy::mistranslated(text, as_if, settings.into());
        let reads = Arc::new(Reads::of(std::iter::once(&policy.depends)));
        Self { policies: vec![Arc::new(policy)], reads }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PolicyEvaluator;
    use crate::policy::settings::PolicyLimits;

    #[test]
    fn what_is_in_force_already_is_not_compiled_again() {
        let limits = PolicyLimits { time: Duration::from_secs(5), memory: 64 << 20 };
        let source = |name: &str, rule: &str| PolicySource {
            name: name.parse().unwrap(),
            file: None,
            text: format!("package spacelift\n{rule}\n").into(),
            rego: None,
        };
        let before = PolicySet::load(&[source("b", "allow := true"), source("a", "deny := false")], limits).unwrap();
        let same = |after: &PolicySet| -> Vec<bool> {
            let was = |policy: &&Arc<Policy>| before.policies.iter().any(|before| Arc::ptr_eq(before, policy));
            after.policies.iter().map(|policy| was(&policy)).collect()
        };
        let after = before.change_to(&[source("c", "admin := true"), source("b", "allow := false"), source("a", "deny := false")], limits);
        assert_eq!(same(&after.unwrap()), [true, false, false]);
        let longer = PolicyLimits { time: Duration::from_secs(6), ..limits };
        assert_eq!(same(&before.change_to(&[source("a", "deny := false")], longer).unwrap()), [false]);
        let regorus = EvaluationSettings { evaluator: PolicyEvaluator::Regorus, ..limits.into() };
        assert_eq!(same(&before.change_to(&[source("a", "deny := false")], regorus).unwrap()), [false]);
        assert_eq!(before.change_to(&[source("a", "deny := fals")], limits).unwrap_err().len(), 1);
    }
}
