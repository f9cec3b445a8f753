//! Rules that count and cannot be read as what they count for.
//!
//! A rule that counts and has a value of another type ends the evaluation, and with it everybody's who is asked about. What the text and
//! the types of `input` alone say is told when the policy is saved.

use super::rego_type::Type::{self, Bool, Text};
use super::rules::{ModuleRules, RuleKind, RuleText};
use super::typing::{Input, Typing};
use super::{Faults, did_you_mean};
use crate::policy::engine::entrypoint::{self, Shape};
use crate::policy::syntax::tree::{Expr, Span};
use crate::policy::syntax::walk;

pub(super) fn check(rules: &ModuleRules<'_>, faults: &mut Faults<'_>) {
    // Where a statement changes `input` for itself, nothing is known of it.
    let input = if rules.changes_input { Input::Any } else { Input::Known };
    let mut typing = Typing::new(rules, input, faults.place);
    for definition in &rules.definitions {
        if let Some(shape) = entrypoint::shape(definition.name) {
            definition_of(definition, shape, &mut typing, faults);
        }
    }
    if !rules.count()
        && let Some(definition) = rules.definitions.first()
    {
        let near = rules.names().find_map(|name| did_you_mean(name, entrypoint::RULES.iter().map(|(name, _)| *name)));
        let is_test = |name: &str| name.starts_with("test_") || name.starts_with("todo_test_");
        let hint = match near {
            Some(near) => near,
            None if rules.names().any(is_test) => "tests stand beside the policy, in a file whose name ends in `_test.rego`".to_owned(),
            None => "define one of allow, deny, roles, team, admin".to_owned(),
        };
        faults.push_with_hint(definition.span, "no rule of the policy counts", hint);
    }
}

fn definition_of<'m>(definition: &RuleText<'m>, shape: Shape, typing: &mut Typing<'_, 'm, '_>, faults: &mut Faults<'_>) {
    let (name, depth) = (definition.name, definition.steps.len());
    let whole = definition.span;
    if let RuleKind::Function(_) = definition.kind {
        faults.push_with_hint(whole, format!("`{name}` must be {}, and is a function", noun(shape, 0)), hint(name, shape));
        return;
    }
    let Some(wanted) = wanted(shape, depth) else {
        faults.push_with_hint(whole, format!("`{name}` must be {}, and is an object", noun(shape, 0)), hint(name, shape));
        return;
    };
    let types = typing.definition(definition);
    let mut names: Vec<(&Span, &Type)> = definition.steps.iter().map(|step| step.span()).zip(&types.steps).collect();
    if let Some(key) = definition.key {
        if !Type::set(Text).overlaps(&wanted) {
            faults.push_with_hint(whole, format!("`{name}` must be {}, and is a set", noun(shape, 0)), hint(name, shape));
            return;
        }
        names.extend(types.values.iter().map(|(_, of)| (key.span(), of)));
    } else if let Some((value, of)) = types.values.iter().find(|(_, of)| !of.overlaps(&wanted)) {
        let reason = format!("`{}` must be {}, and is {}", whole.text(), noun(shape, depth), of.noun());
        faults.push_with_hint(value.map_or(whole, Expr::span), reason, instead(definition, shape, *value));
    }
    if let Some((span, of)) = names.into_iter().find(|(_, of)| !of.overlaps(&Text)) {
        let reason = format!("`{name}` must be {}, and `{}` is {}", noun(shape, 0), span.text(), of.noun());
        let hint = if *of == Type::Number {
            "names are strings: write the number in quotes, or make a string of it by `sprintf`"
        } else {
            "names are strings"
        };
        faults.push_with_hint(span, reason, hint);
    }
}

/// What stands behind so many steps; `None`: no steps lead as far.
fn wanted(shape: Shape, depth: usize) -> Option<Type> {
    let names = || Type::one_of([Type::set(Text), Type::array(Text), Type::object(Text, Bool)]);
    match (shape, depth) {
        (Shape::Flag, 0) | (Shape::Names, 1) | (Shape::Roles, 2) => Some(Bool),
        (Shape::Names, 0) | (Shape::Roles, 1) => Some(names()),
        (Shape::Roles, 0) => Some(Type::object(Text, names())),
        (Shape::Flag | Shape::Names | Shape::Roles, _) => None,
    }
}

fn noun(shape: Shape, depth: usize) -> &'static str {
    match (shape, depth) {
        (Shape::Names, 0) => "a set of names",
        (Shape::Roles, 0) => "roles by space",
        (Shape::Roles, 1) => "a set of roles",
        (Shape::Flag | Shape::Names | Shape::Roles, _) => "true or false",
    }
}

fn hint(name: &str, shape: Shape) -> String {
    match shape {
        Shape::Flag => format!("write `{name} if {{ … }}`, or in Rego v0 `{name} {{ … }}`"),
        Shape::Names => format!("write `{name} contains \"name\" if {{ … }}`, or in Rego v0 `{name}[\"name\"] {{ … }}`"),
        Shape::Roles => format!("write `{name}[\"space\"][\"role\"] if {{ … }}`"),
    }
}

/// What to write in the place of a value.
fn instead(definition: &RuleText<'_>, shape: Shape, value: Option<&Expr>) -> String {
    let whole = definition.span.text();
    let name = value.and_then(walk::literal_text);
    match (shape, definition.steps.len(), name, value) {
        (Shape::Names, 0, Some(name), _) => format!("write `{whole} contains \"{name}\"`, or in Rego v0 `{whole}[\"{name}\"]`"),
        (Shape::Roles, 1, Some(name), _) => format!("write `{whole}[\"{name}\"] if {{ … }}`"),
        (Shape::Flag, 0, None, Some(Expr::RefDot { span, .. })) => format!("compare it: `{whole} if {} == …`", span.text()),
        _ => hint(definition.name, shape),
    }
}
