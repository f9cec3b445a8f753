//! What authors are told of what they wrote.
//!
//! Not what the stages of OPA's compiler refuse: that is [lowering](super::syntax)'s. Here are its type checker, as far as types are plain from
//! the text; what would mean something else here than in OPA; rules that count and cannot be read; and remarks on what is legal, and cannot
//! be meant. All of it looks at the author's own tree, and each fault has its place in it.

pub(super) mod calls;
mod comparison;
mod conflicts;
mod counting;
mod differing;
mod literals;
mod matching;
mod meaning;
mod names;
mod networks;
mod numbers;
mod paths;
mod rego_type;
mod rules;
mod schema;
mod shapes;
mod signatures;
mod swapped;
mod texts;
mod times;
mod types;
mod typing;
pub(super) mod unbound;

use super::fault::PolicyFault;
use super::syntax::tree::{Module, Span};
use super::vocabulary::Vocabulary;
use crate::diagnostics::{Severity, nearest};
use meaning::RuleScope;
use rules::ModuleRules;

/// What a login policy is refused for.
pub(super) fn faults(place: &str, module: &Module) -> Vec<PolicyFault> {
    let (rules, mut faults) = (ModuleRules::of(module), Faults::new(place));
    check(&rules, &mut faults);
    shapes::check(&rules, &mut faults);
    faults.sorted()
}

/// What a module of tests is refused for.
pub(super) fn faults_of_tests(place: &str, module: &Module) -> Vec<PolicyFault> {
    let mut faults = Faults::new(place);
    check(&ModuleRules::of(module), &mut faults);
    faults.sorted()
}

fn check(rules: &ModuleRules<'_>, faults: &mut Faults<'_>) {
    literals::check(rules, faults);
    numbers::check(rules, faults);
    typing::check(rules, faults);
}

/// Whether a list of policies is all that would be in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whole {
    Yes,
    /// Others could not be loaded.
    No,
}

/// What is odd about policies that have no faults, each with its place's name; in their order, and in the order of the text.
///
/// Only what cannot be meant is told: who is warned of what is right stops reading.
pub(super) fn warnings<'m>(
    policies: impl Iterator<Item = (&'m str, &'m Module)>,
    whole: Whole,
    vocabulary: &Vocabulary,
) -> Vec<PolicyFault> {
    let policies: Vec<(&str, ModuleRules<'_>)> = policies.map(|(place, module)| (place, ModuleRules::of(module))).collect();
    let nobody_allowed = whole == Whole::Yes && !policies.iter().any(|(_, rules)| counting::may_allow(rules));
    let of_policy = |(place, rules): &(&str, ModuleRules<'_>)| {
        let mut faults = Faults::new(place);
        if nobody_allowed {
            counting::check_unallowed(rules, policies.len() == 1, &mut faults);
        }
        conflicts::check(rules, &mut faults);
        networks::check_literals(rules, &mut faults);
        for definition in &rules.definitions {
            let scope = RuleScope::of(rules, definition);
            let comparisons = comparison::all(&scope, definition);
            counting::check(rules, definition, &comparisons, &mut faults);
            differing::check(&scope, definition, &mut faults);
            matching::check(&scope, definition, &mut faults);
            names::check(&scope, definition, &comparisons, vocabulary, &mut faults);
            networks::check(&scope, definition, &comparisons, &mut faults);
            paths::check(rules, &scope, definition, &mut faults);
            swapped::check(&scope, definition, &mut faults);
            texts::check(&scope, definition, &comparisons, vocabulary, &mut faults);
            times::check(&scope, definition, &comparisons, &mut faults);
            types::check(&scope, definition, &comparisons, &mut faults);
        }
        faults.sorted()
    };
    policies.iter().flat_map(of_policy).collect()
}

/// Collects faults.
struct Faults<'a> {
    place: &'a str,
    list: Vec<PolicyFault>,
}

impl<'a> Faults<'a> {
    fn new(place: &'a str) -> Self {
        Self { place, list: Vec::new() }
    }

    fn push(&mut self, span: &Span, reason: impl Into<String>) {
        self.push_maybe(span, reason, None);
    }

    fn push_with_hint(&mut self, span: &Span, reason: impl Into<String>, hint: impl Into<String>) {
        self.push_maybe(span, reason, Some(hint.into()));
    }

    fn warn(&mut self, span: &Span, reason: impl Into<String>, hint: impl Into<String>) {
        self.list.push(PolicyFault::at_span(self.place, span, reason).hint(hint).weighing(Severity::Warning));
    }

    fn note(&mut self, span: &Span, reason: impl Into<String>, hint: impl Into<String>) {
        self.list.push(PolicyFault::at_span(self.place, span, reason).hint(hint).weighing(Severity::Note));
    }

    fn push_maybe(&mut self, span: &Span, reason: impl Into<String>, hint: Option<String>) {
        let fault = PolicyFault::at_span(self.place, span, reason);
        self.list.push(PolicyFault { hint, ..fault });
    }

    fn sorted(mut self) -> Vec<PolicyFault> {
        self.list.sort_by(|one, other| (one.line, one.column, &one.reason).cmp(&(other.line, other.column, &other.reason)));
        self.list.dedup();
        self.list
    }
}

/// The name that was probably meant, as a hint.
pub(super) fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    nearest(name, known.filter(|known| *known != name)).map(|near| format!("did you mean `{near}`?"))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod warnings_tests;
