//! Rules that count for nothing, or for everybody.

use super::Faults;
use super::comparison::Comparison;
use super::meaning::{Call, Meaning};
use super::rego_type::is_true;
use super::rules::{Definition, RuleKind, Rules};
use crate::policy::syntax::tree::Expr;
use crate::policy::syntax::walk::{self, HeadStep};

/// Rules that give something which counts only for who is allowed.
const GIVING: [&str; 4] = ["roles", "space_admin", "space_write", "space_read"];

/// Whether a policy can ever allow, by itself, as `allow` or as `admin`.
pub(super) fn may_allow(rules: &Rules<'_>) -> bool {
    rules.definitions.iter().any(|definition| matches!(definition.name, "allow" | "admin") && !is_false(definition))
}

/// Whether a rule's only value is `false`.
fn is_false(definition: &Definition<'_>) -> bool {
    let mut values = definition.values().peekable();
    values.peek().is_some() && values.all(|value| matches!(value, Expr::Bool { .. }) && !is_true(value))
}

/// Tells of roles that nobody is ever allowed to take. For a set of policies of which none allows: together they decide.
pub(super) fn check_unallowed(rules: &Rules<'_>, alone: bool, faults: &mut Faults<'_>) {
    if let Some(first) = rules.definitions.iter().find(|definition| GIVING.contains(&definition.name)) {
        let whose = if alone { "this policy never does" } else { "none of the policies ever does" };
        faults.warn(
            first.span,
            format!("`{}` counts only where a policy says `allow` or `admin`, and {whose}", first.name),
            "add `allow if roles[_][_]`, or another rule that says whom the policy lets in",
        );
    }
}

pub(super) fn check(rules: &Rules<'_>, definition: &Definition<'_>, comparisons: &[Comparison<'_>], faults: &mut Faults<'_>) {
    if matches!(definition.name, "allow" | "admin") && definition.value.is_some_and(is_true) {
        if definition.default {
            faults.warn(
                definition.span,
                format!("`default {0} := true` lets everybody in whom no rule makes `{0}` false", definition.name),
                format!("leave it out, or write `default {} := false`, and let rules say whom to let in", definition.name),
            );
        } else if definition.bodies.is_empty() {
            faults.note(
                definition.span,
                format!("`{}` holds for every key", definition.name),
                format!("write `{} if {{ … }}` with the conditions under which it holds", definition.name),
            );
        }
    }
    for comparison in comparisons {
        if let Meaning::Answer(Call { name, arguments: [counted], .. }) = &comparison.meaning
            && name == "count"
            && walk::var(counted).is_some_and(|counted| counted == "roles" && names_spaces(rules))
        {
            faults.warn(
                comparison.span,
                "`roles` has the spaces that its heads name even where nobody has a role in them, so it is never empty",
                "write `roles[_][_]`: it holds where there is a role",
            );
        }
    }
}

/// Whether a head of `roles` names its space, so that the space is there whatever the body says.
fn names_spaces(rules: &Rules<'_>) -> bool {
    rules.definitions.iter().any(|definition| {
        definition.name == "roles" && definition.kind == RuleKind::Object && definition.steps.first().is_some_and(HeadStep::is_fixed)
    })
}
