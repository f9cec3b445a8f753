//! Rules that count for nothing, or for everybody.

use regorus::Value;

use super::comparison::Comparison;
use super::meaning::{BuiltinCall, Meaning};
use super::rego_type::is_true;
use super::rules::{ModuleRules, RuleKind, RuleText};
use super::{Faults, did_you_mean};
use crate::policy::engine::entrypoint;
use crate::policy::syntax::tree::Expr;
use crate::policy::syntax::walk::{self, Step};

/// Rules that give something which counts only for who is allowed.
const GIVING: [&str; 4] = ["roles", "space_admin", "space_write", "space_read"];

/// Whether a policy can ever allow, by itself, as `allow` or as `admin`.
pub(super) fn may_allow(rules: &ModuleRules<'_>) -> bool {
    rules.definitions.iter().any(|definition| matches!(definition.name, "allow" | "admin") && !is_false(definition))
}

/// Whether a rule's only value is `false`.
fn is_false(definition: &RuleText<'_>) -> bool {
    let mut values = definition.values().peekable();
    values.peek().is_some() && values.all(|value| matches!(value, Expr::Scalar { value: Value::Bool(false), .. }))
}

/// Tells of roles that nobody is ever allowed to take. For a set of policies of which none allows: together they decide.
pub(super) fn check_unallowed(rules: &ModuleRules<'_>, alone: bool, faults: &mut Faults<'_>) {
    if let Some(first) = rules.definitions.iter().find(|definition| GIVING.contains(&definition.name)) {
        let whose = if alone { "this policy never does" } else { "none of the policies ever does" };
        faults.warn(
            first.span,
            format!("`{}` counts only where a policy says `allow` or `admin`, and {whose}", first.name),
            "add `allow if roles[_][_]`, or another rule that says whom the policy lets in",
        );
    }
}

pub(super) fn check(rules: &ModuleRules<'_>, definition: &RuleText<'_>, comparisons: &[Comparison<'_>], faults: &mut Faults<'_>) {
    misspelt(rules, definition, faults);
    if matches!(definition.name, "deny" | "deny_admin") && definition.default && definition.value.is_some_and(is_true) {
        faults.warn(
            definition.span,
            format!("`default {0} := true` holds for everybody for whom no rule makes `{0}` false", definition.name),
            format!("leave it out, or write `default {} := false`, and let rules say whom it holds for", definition.name),
        );
    }
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
        if let Meaning::Answer(BuiltinCall { name, arguments: [counted], .. }) = &comparison.meaning
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

/// Tells of a rule that has nearly the name of one that counts, and that no other rule asks for. Where none counts at all, that is an error.
fn misspelt(rules: &ModuleRules<'_>, definition: &RuleText<'_>, faults: &mut Faults<'_>) {
    let name = definition.name;
    if entrypoint::shape(name).is_some() || rules.named(name).next().is_none_or(|first| first.span.start != definition.span.start) {
        return;
    }
    let Some(hint) = did_you_mean(name, entrypoint::RULES.iter().map(|(name, _)| *name)) else { return };
    let mut asked = false;
    for other in rules.definitions.iter().filter(|other| other.name != name) {
        other.visit(&mut |expr| {
            let (root, steps) = walk::unfold(if let Expr::Call { fcn, .. } = expr { fcn } else { expr });
            let path: Vec<&str> = walk::var(root).into_iter().chain(steps.iter().map_while(Step::name)).collect();
            asked |= rules.resolve(&path).first() == Some(&name);
        });
    }
    if !asked {
        faults.warn(definition.span, format!("`{name}` counts for nothing, and no rule asks for it"), hint);
    }
}

/// Whether a head of `roles` names its space, so that the space is there whatever the body says.
fn names_spaces(rules: &ModuleRules<'_>) -> bool {
    rules.definitions.iter().any(|definition| {
        definition.name == "roles"
            && definition.kind == RuleKind::Object
            && definition.steps.first().is_some_and(|step| step.name().is_some())
    })
}
