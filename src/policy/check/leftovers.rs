//! Small things that OPA refuses and regorus passes over: builtins that the version has no more, names that hide `input` and `data`,
//! fields that a table does not have, `with` on a name that is no path, and items beside a key that may be missing.

use regorus::unstable::{Expr, LiteralStmt, Module};

use super::ast::{self, Step};
use super::rules::{Definition, Kind, Rules};
use super::{Faults, calls};
use crate::policy::builtins;

pub(super) fn check(module: &Module, rules: &Rules<'_>, faults: &mut Faults<'_>) {
    for definition in &rules.definitions {
        hidden(definition, faults);
        calls::visit(definition, &mut |expr| {
            if module.rego_v1 {
                old(rules, expr, faults);
            }
            missing_field(rules, definition, expr, faults);
            item_beside_a_key(rules, expr, faults);
        });
        definition.visit_statements(&mut |statement| short_path(rules, statement, faults));
    }
}

fn hidden(definition: &Definition<'_>, faults: &mut Faults<'_>) {
    for arg in &definition.args {
        let mut names = Vec::new();
        ast::pattern_vars(arg, &mut names);
        if let Some(name) = names.into_iter().find(|name| matches!(*name, "input" | "data")) {
            faults.push(arg.span(), format!("an argument may not be named `{name}`"));
        }
    }
}

fn old(rules: &Rules<'_>, expr: &Expr, faults: &mut Faults<'_>) {
    if let Expr::Call { span, fcn, .. } = expr
        && let Some(name) = ast::var(fcn)
        && builtins::OLD.contains(&name)
        && rules.kind(name).is_none()
    {
        let hint = match name {
            "re_match" => "call `regex.match`",
            "any" => "write `true in …`, or `some x in …; x`",
            "all" => "write `every x in … { x }`",
            "set_diff" => "write `a - b`",
            _ => "state the policy's version, v0",
        };
        faults.push_with_hint(span, format!("Rego v1 has no `{name}` any more"), hint);
    }
}

/// `key, item in object`: where both are missing, one in the object and one at all, regorus takes them for the same.
fn item_beside_a_key(rules: &Rules<'_>, expr: &Expr, faults: &mut Faults<'_>) {
    let Expr::Membership { key: Some(_), value, .. } = expr else { return };
    let is_there = match value.as_ref() {
        Expr::String { .. } | Expr::RawString { .. } | Expr::Number { .. } | Expr::Bool { .. } | Expr::Null { .. } => true,
        other => ast::var(other).is_some_and(|name| !matches!(name, "input" | "data") && rules.kind(name).is_none()),
    };
    if !is_there {
        let reason = "where the item is undefined, `in` with a key would hold here and fail in OPA";
        faults.push_with_hint(value.span(), reason, "give it a name first: `item := …`");
    }
}

/// A field of a table that is written out in the policy, and has no such field.
fn missing_field(rules: &Rules<'_>, definition: &Definition<'_>, expr: &Expr, faults: &mut Faults<'_>) {
    let (root, steps) = ast::unfold(expr);
    let (Some(root), false) = (ast::var(root), steps.is_empty()) else { return };
    let leading: Vec<&str> = steps.iter().map_while(|step| if let Step::Name(name) = step { Some(*name) } else { None }).collect();
    let names: Vec<&str> = std::iter::once(root).chain(leading.iter().copied()).collect();
    let resolved = rules.resolve(&names);
    let [name, ..] = resolved.as_slice() else { return };
    let mut locals = Vec::new();
    definition.args.iter().for_each(|arg| ast::pattern_vars(arg, &mut locals));
    definition.visit_statements(&mut |statement| ast::declared(statement, &mut locals));
    if rules.changes_input || locals.contains(&root) || rules.kind(name) != Some(Kind::Complete) {
        return;
    }
    let mut tables = rules.definitions.iter().filter(|other| other.name == *name);
    let (Some(table), None) = (tables.next(), tables.next()) else { return };
    let Some(mut value) = table.value.filter(|_| table.bodies.is_empty() && !table.default) else { return };
    // Steps that the path of the rule itself took are no fields.
    let skipped = names.len() - resolved.len().min(names.len());
    for step in steps.iter().skip(skipped) {
        match (value, step) {
            (Expr::Object { fields, .. }, Step::Name(field)) => {
                let known = |key: &Expr| ast::literal_text(key).is_some();
                if !fields.iter().all(|(_, key, _)| known(key)) {
                    return;
                }
                let Some((_, _, found)) = fields.iter().find(|(_, key, _)| ast::literal_text(key) == Some(field)) else {
                    faults.push(expr.span(), format!("`{name}` has no `{field}` there, so this is never defined"));
                    return;
                };
                value = found;
            }
            (Expr::Array { items, .. }, Step::Index(Expr::Number { value: index, .. })) => {
                let found = index.as_u64().ok().and_then(|index| items.get(usize::try_from(index).ok()?));
                let Some(found) = found else {
                    faults.push(expr.span(), format!("`{name}` has no such item there, so this is never defined"));
                    return;
                };
                value = found;
            }
            _ => return,
        }
    }
}

fn short_path(rules: &Rules<'_>, statement: &LiteralStmt, faults: &mut Faults<'_>) {
    for modifier in &statement.with_mods {
        if let Some(name) =
            ast::var(&modifier.refr).filter(|name| matches!(rules.kind(name), Some(kind) if !matches!(kind, Kind::Function(_))))
        {
            faults.push_with_hint(
                modifier.refr.span(),
                format!("`with` takes the whole path of a rule here, and not `{name}` alone"),
                format!("write `with data.spacelift.{name} as …`"),
            );
        }
    }
}
