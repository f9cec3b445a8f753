//! Names that nothing has: spaces and roles that are given out, groups and keys that are compared with.

use std::collections::BTreeSet;

use super::Faults;
use super::comparison::{Comparison, Op};
use super::meaning::{Meaning, RuleScope};
use super::rules::{RuleKind, RuleText};
use crate::diagnostics::nearest;
use crate::policy::syntax::tree::{Expr, Span};
use crate::policy::syntax::walk::{self, HeadStep};
use crate::policy::vocabulary::Vocabulary;

pub(super) fn check<'m>(
    scope: &RuleScope<'_, 'm>,
    definition: &RuleText<'m>,
    comparisons: &[Comparison<'m>],
    vocabulary: &Vocabulary,
    faults: &mut Faults<'_>,
) {
    given(scope, definition, vocabulary, faults);
    for comparison in comparisons.iter().filter(|comparison| matches!(comparison.op, Op::Equal | Op::NotEqual)) {
        let (known, whose) = match comparison.path() {
            [Some("session"), Some("teams"), None] => (&vocabulary.groups, "groups"),
            [Some("session"), Some("login" | "name")] => (&vocabulary.keys, "keys' names"),
            _ => continue,
        };
        let Some(known) = known else { continue };
        for literal in &comparison.with {
            if let Some(text) = walk::literal_text(literal) {
                other_case(literal.span(), text, known, whose, faults);
            }
        }
    }
}

/// Tells of a name that only differs by case and blanks from one that is there.
fn other_case(span: &Span, text: &str, known: &BTreeSet<String>, whose: &str, faults: &mut Faults<'_>) {
    if known.contains(text) {
        return;
    }
    let folded = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    if let Some(meant) = known.iter().find(|name| folded(name) == folded(text)) {
        faults.warn(
            span,
            format!("{whose} are compared exactly, case and blanks included, and `{text}` is not one of them"),
            format!("did you mean `\"{meant}\"`?"),
        );
    }
}

/// A text that is given out, and where it stands.
type Name<'m> = (&'m Span, &'m str);

/// The spaces and roles that a rule gives out.
fn given<'m>(scope: &RuleScope<'_, 'm>, definition: &RuleText<'m>, vocabulary: &Vocabulary, faults: &mut Faults<'_>) {
    let (mut spaces, mut roles): (Vec<Name<'m>>, Vec<Name<'m>>) = (Vec::new(), Vec::new());
    let mut places: Vec<Vec<Name<'m>>> = definition.steps.iter().map(|step| names(scope, *step)).collect();
    places.extend(definition.key.map(|key| names(scope, HeadStep::Expr(key))));
    let mut places = places.into_iter();
    match definition.name {
        "roles" => {
            let (space, role) = (places.next(), places.next());
            let depth = usize::from(space.is_some()) + usize::from(role.is_some());
            spaces.extend(space.into_iter().flatten());
            roles.extend(role.into_iter().flatten());
            for value in definition.values() {
                values(scope, value, depth, &mut spaces, &mut roles);
            }
        }
        "space_admin" | "space_write" | "space_read" => {
            spaces.extend(places.next().into_iter().flatten());
            if definition.kind == RuleKind::Complete {
                definition.values().for_each(|value| items(scope, value, &mut spaces));
            }
        }
        _ => return,
    }
    for (span, _) in spaces.extract_if(.., |(_, name)| name.contains('*')) {
        faults.warn(
            span,
            "the id of a space is no pattern, and none has a `*`: what is given with it is left out",
            "a role in `root` is one in every space that inherits; or go through all of them by `some space in input.spaces`",
        );
    }
    for (names, known, what) in [(spaces, &vocabulary.spaces, "space"), (roles, &vocabulary.roles, "role")] {
        let Some(known) = known else { continue };
        for (span, name) in names.into_iter().filter(|(_, name)| !known.contains(*name)) {
            let hint = nearest(name, known.iter().map(String::as_str)).map_or_else(
                || format!("{}; make the {what} with `claviger {what} create`, or leave it out", listed(known)),
                |near| format!("did you mean `{near}`?"),
            );
            faults.warn(span, format!("there is no {what} `{name}`: what is given with it is left out"), hint);
        }
    }
}

/// The texts that a step of a head stands for.
fn names<'m>(scope: &RuleScope<'_, 'm>, step: HeadStep<'m>) -> Vec<Name<'m>> {
    match step {
        HeadStep::Field(span) => vec![(span, span.text())],
        HeadStep::Expr(expr) => texts(&scope.meaning(expr)),
    }
}

fn texts<'m>(meaning: &Meaning<'m>) -> Vec<Name<'m>> {
    let name = |expr: &'m Expr| walk::literal_text(expr).map(|text| (expr.span(), text));
    match meaning {
        Meaning::Written(expr) => name(expr).into_iter().collect(),
        Meaning::ItemOf(Expr::Array { items, .. } | Expr::Set { items, .. }) => items.iter().filter_map(|item| name(item)).collect(),
        Meaning::OneOf(literals) => literals.iter().filter_map(|literal| name(literal)).collect(),
        Meaning::ItemOf(_) | Meaning::Input(_) | Meaning::Answer(_) | Meaning::Unknown => Vec::new(),
    }
}

/// What stands in a value: spaces first if the head names none, then roles.
fn values<'m>(scope: &RuleScope<'_, 'm>, value: &'m Expr, depth: usize, spaces: &mut Vec<Name<'m>>, roles: &mut Vec<Name<'m>>) {
    match (depth, scope.meaning(value)) {
        (0, Meaning::Written(Expr::Object { fields, .. })) => {
            for (_, key, value) in fields {
                spaces.extend(texts(&scope.meaning(key)));
                values(scope, value, 1, spaces, roles);
            }
        }
        (1, _) => items(scope, value, roles),
        _ => {}
    }
}

/// The names in a set, an array, or the keys of an object.
fn items<'m>(scope: &RuleScope<'_, 'm>, value: &'m Expr, found: &mut Vec<Name<'m>>) {
    match scope.meaning(value) {
        Meaning::Written(collection @ (Expr::Array { .. } | Expr::Set { .. })) => found.extend(texts(&Meaning::ItemOf(collection))),
        Meaning::Written(Expr::Object { fields, .. }) => {
            found.extend(fields.iter().flat_map(|(_, key, _)| texts(&scope.meaning(key))));
        }
        _ => {}
    }
}

fn listed(known: &BTreeSet<String>) -> String {
    const SHOWN: usize = 5;
    let mut names: Vec<String> = known.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    if known.len() > SHOWN {
        names.push(format!("{} more", known.len() - SHOWN));
    }
    format!("there {} {}", if known.len() == 1 { "is only" } else { "are" }, names.join(", "))
}
