//! Holds the compiled form of a policy to the engine.
//!
//! The compiled form is the fast one and the engine the one that has been held to OPA for longer, so of the compiled answers some are asked
//! of the engine as well. Builds for development do that before they answer, always, and refuse where the two differ. What is shipped
//! does it for one answer in so many, and afterwards, so that no request waits for it. Once the two have differed, the engine alone is
//! asked: until another text of the policy is in force, since what was wrong about the compiled form is so for this text.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::model::Verdict;
use crate::policy::error::PolicyError;

/// What is known of a policy's compiled form.
#[derive(Debug)]
pub(in crate::policy) struct CrossCheck {
    when: When,
    /// Compiled answers so far.
    answers: AtomicU32,
    differs: AtomicBool,
    comparing: AtomicBool,
}

/// When the engine is asked what the compiled form has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum When {
    /// Each time, and before the answer is given.
    Before,
    /// Once in so many times, the first time among them, and afterwards.
    After(NonZeroU32),
    Never,
}

impl When {
    /// One in `every` answers; 0: none. Of builds for development all.
    pub(in crate::policy) fn one_in(every: u32) -> Self {
        match NonZeroU32::new(every) {
            _ if cfg!(debug_assertions) => Self::Before,
            Some(every) => Self::After(every),
            None => Self::Never,
        }
    }
}

/// What a comparison comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Agreement {
    Same,
    /// In what, by the names of rules, or who has no answer.
    Different(String),
    /// One of them passed a limit, which says nothing of the answer.
    Unknown,
}

impl CrossCheck {
    pub(in crate::policy) fn new(when: When) -> Self {
        Self { when, answers: AtomicU32::new(0), differs: AtomicBool::new(false), comparing: AtomicBool::new(false) }
    }

    pub(in crate::policy) fn when(&self) -> When {
        self.when
    }

    /// Whether the compiled form may answer.
    pub(in crate::policy) fn trusts_compiled(&self) -> bool {
        !self.differs.load(Ordering::Acquire)
    }

    /// The compiled form may not answer any more. Whether that is new.
    pub(in crate::policy) fn distrust(&self) -> bool {
        !self.differs.swap(true, Ordering::AcqRel)
    }

    /// The compiled form has answered. Whether the engine is to be asked the same.
    pub(super) fn is_due(&self) -> bool {
        match self.when {
            When::After(every) => self.answers.fetch_add(1, Ordering::Relaxed).checked_rem(every.get()) == Some(0),
            When::Before | When::Never => false,
        }
    }

    /// A comparison begins, unless another one is under way: one that keeps its thread busy must not take a second one.
    pub(super) fn begin(&self) -> bool {
        !self.comparing.swap(true, Ordering::AcqRel)
    }

    pub(super) fn end(&self) {
        self.comparing.store(false, Ordering::Release);
    }
}

/// Compares what the compiled form and the engine answer. Where neither has an answer, for whatever reason, both refuse.
pub(in crate::policy) fn compare(compiled: &Result<Verdict, PolicyError>, engine: &Result<Verdict, PolicyError>) -> Agreement {
    let different = |what: &str| Agreement::Different(what.to_owned());
    match (compiled, engine) {
        (Ok(compiled), Ok(engine)) => compare_verdicts(compiled, engine),
        (Err(PolicyError::Failed(..)), Err(PolicyError::Failed(..))) => Agreement::Same,
        (Ok(_), Err(PolicyError::Failed(..))) => different("the engine has no answer"),
        (Err(PolicyError::Failed(..)), Ok(_)) => different("the compiled form has no answer"),
        (Err(PolicyError::TimeLimit(_) | PolicyError::MemoryLimit(_) | PolicyError::Paused(..) | PolicyError::Overloaded), _)
        | (_, Err(PolicyError::TimeLimit(_) | PolicyError::MemoryLimit(_) | PolicyError::Paused(..) | PolicyError::Overloaded)) => {
            Agreement::Unknown
        }
    }
}

fn compare_verdicts(compiled: &Verdict, engine: &Verdict) -> Agreement {
    // Every field by name, so that another one asks for its place.
    let Verdict { allow, deny, admin, deny_admin, sample, roles, space_roles, teams } = compiled;
    let differs = [
        ("allow", *allow != engine.allow),
        ("deny", *deny != engine.deny),
        ("admin", *admin != engine.admin),
        ("deny_admin", *deny_admin != engine.deny_admin),
        ("sample", *sample != engine.sample),
        ("roles", *roles != engine.roles),
        ("space_admin, space_write, space_read", *space_roles != engine.space_roles),
        ("team", *teams != engine.teams),
    ];
    let rules: Vec<&str> = differs.iter().filter(|(_, differs)| *differs).map(|(rule, _)| *rule).collect();
    if rules.is_empty() { Agreement::Same } else { Agreement::Different(rules.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_answer_of_so_many_is_compared() {
        let due = |when: When| {
            let check = CrossCheck::new(when);
            (0..10).filter(|_| check.is_due()).count()
        };
        assert_eq!(due(When::After(NonZeroU32::new(4).unwrap())), 3);
        assert_eq!(due(When::After(NonZeroU32::MIN)), 10);
        assert_eq!((due(When::Never), due(When::Before)), (0, 0));
        assert_eq!(When::one_in(1000), When::Before, "tests are a build for development");
    }

    #[test]
    fn one_comparison_of_a_policy_is_under_way_at_a_time() {
        let check = CrossCheck::new(When::Never);
        assert!(check.begin() && !check.begin());
        check.end();
        assert!(check.begin());
    }

    #[test]
    fn what_differs_is_told_by_the_names_of_rules() {
        let one = Verdict { allow: true, teams: [String::from("secret")].into(), ..Verdict::default() };
        assert_eq!(compare_verdicts(&one, &one.clone()), Agreement::Same);
        assert_eq!(compare_verdicts(&one, &Verdict::default()), Agreement::Different("allow, team".to_owned()));
    }

    #[test]
    fn an_answer_and_none_differ_unless_a_limit_was_passed() {
        let failed = |reason: &str| Err(PolicyError::Failed("p".parse().unwrap(), reason.to_owned()));
        let (answered, limit) = (Ok(Verdict::default()), Err(PolicyError::MemoryLimit("p".parse().unwrap())));
        let (one, other) = (failed("a conflict"), failed("another word for it"));
        assert_eq!(compare(&answered, &one), Agreement::Different("the engine has no answer".to_owned()));
        assert_eq!(compare(&one, &answered), Agreement::Different("the compiled form has no answer".to_owned()));
        assert_eq!(compare(&one, &other), Agreement::Same);
        for other in [&answered, &one, &limit] {
            assert_eq!((compare(&limit, other), compare(other, &limit)), (Agreement::Unknown, Agreement::Unknown));
        }
    }
}
