//! What is refused before a policy is ever asked, and what its author is told of although it is not.
//!
//! Regorus parses a module and finds the rest out when a rule is evaluated, or never; OPA checks first. These checks stand in for OPA's,
//! and add what would be dangerous or different here. All of them look at the syntax tree, and each fault has its place.

mod arguments;
pub(super) mod ast;
mod calls;
mod comparison;
mod conflicts;
mod counting;
mod graph;
mod heads;
mod leftovers;
mod literals;
mod matching;
mod meaning;
mod names;
mod negation;
mod networks;
mod numbers;
mod paths;
mod patterns;
mod repeats;
mod replacing;
mod rules;
mod safety;
mod schema;
mod shadowing;
pub(super) mod sharing;
mod size;
mod times;
mod types;

use std::collections::BTreeSet;

use regorus::unstable::{Module, Span};

use super::fault::{PolicyFault, Severity};
use super::vocabulary::Vocabulary;
use meaning::Scope;
use rules::Rules;

/// What the checks found.
#[derive(Default)]
pub(super) struct Findings {
    /// In the order of the text.
    pub(super) faults: Vec<PolicyFault>,
    /// Builtins that are called.
    pub(super) calls: BTreeSet<String>,
    /// Rules and functions that are defined.
    pub(super) rules: BTreeSet<String>,
}

/// Checks a login policy.
pub(super) fn policy(place: &str, module: &Module) -> Findings {
    let mut faults = Faults::new(place);
    size::check(module, &mut faults);
    if !faults.list.is_empty() {
        // The other checks descend into the tree, as deep as it is.
        return Findings { faults: faults.sorted(), calls: BTreeSet::new(), rules: BTreeSet::new() };
    }
    let rules = Rules::of(module, &mut faults);
    rules.check_shapes(&mut faults);
    conflicts::check(&rules, &mut faults);
    let calls = calls::check(&rules, &mut faults);
    safety::check(&rules, &mut faults);
    negation::check(&rules, &mut faults);
    patterns::check(&rules, &mut faults);
    arguments::check(&rules, &mut faults);
    leftovers::check(module, &rules, &mut faults);
    literals::check(&rules, &mut faults);
    numbers::check(&rules, &mut faults);
    graph::check(&rules, &mut faults);
    heads::check(&rules, &mut faults);
    repeats::check(&rules, &mut faults);
    replacing::check(&rules, &mut faults);
    shadowing::check(&rules, &mut faults);
    Findings { faults: faults.sorted(), calls, rules: rules.names().map(str::to_owned).collect() }
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
    let policies: Vec<(&str, Rules<'_>)> = policies.map(|(place, module)| (place, Rules::of_tests(module))).collect();
    let nobody_allowed = whole == Whole::Yes && !policies.iter().any(|(_, rules)| counting::may_allow(rules));
    let of_policy = |(place, rules): &(&str, Rules<'_>)| {
        let mut faults = Faults::new(place);
        if nobody_allowed {
            counting::check_unallowed(rules, policies.len() == 1, &mut faults);
        }
        conflicts::warn(rules, &mut faults);
        networks::check_literals(rules, &mut faults);
        for definition in &rules.definitions {
            let scope = Scope::of(rules, definition);
            let comparisons = comparison::all(&scope, definition);
            counting::check(rules, definition, &comparisons, &mut faults);
            matching::check(&scope, definition, &mut faults);
            names::check(&scope, definition, &comparisons, vocabulary, &mut faults);
            networks::check(&scope, definition, &comparisons, &mut faults);
            paths::check(rules, &scope, definition, &mut faults);
            times::check(&scope, definition, &comparisons, &mut faults);
            types::check(&scope, definition, &comparisons, &mut faults);
        }
        faults.sorted()
    };
    policies.iter().flat_map(of_policy).collect()
}

/// Checks a module of tests: only what it calls, what it would get a wrong answer to, and that it can be walked through.
pub(super) fn tests(place: &str, module: &Module) -> Findings {
    let mut faults = Faults::new(place);
    size::check(module, &mut faults);
    if !faults.list.is_empty() {
        return Findings { faults: faults.sorted(), calls: BTreeSet::new(), rules: BTreeSet::new() };
    }
    let mut rules = Rules::of_tests(module);
    rules.may_print = true;
    let mut calls = calls::check(&rules, &mut faults);
    repeats::check(&rules, &mut faults);
    replacing::check_tests(&rules, &mut calls, &mut faults);
    Findings { faults: faults.sorted(), calls, rules: rules.names().map(str::to_owned).collect() }
}

/// What tests ask of their policy that they would get a wrong answer to.
pub(super) fn tests_of(place: &str, tests: &Module, policy: &Module) -> Vec<PolicyFault> {
    let mut faults = Faults::new(place);
    heads::check_uses(&Rules::of_tests(tests), &Rules::of_tests(policy), &mut faults);
    faults.sorted()
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
        self.list.push(PolicyFault::at_span(self.place, span, reason));
    }

    fn push_with_hint(&mut self, span: &Span, reason: impl Into<String>, hint: impl Into<String>) {
        self.list.push(PolicyFault::at_span(self.place, span, reason).hint(hint));
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

/// The name that was probably meant.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |known: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase());
    let near = known.filter(|known| *known != name).map(|known| (distance(known), known)).min()?;
    (near.0 <= 2 && near.0 * 3 <= name.chars().count()).then_some(near.1)
}

/// The same as a hint.
fn did_you_mean<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    nearest(name, known).map(|near| format!("did you mean `{near}`?"))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod warnings_tests;
