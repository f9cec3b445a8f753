//! Calls of functions that are not there, may not be called, or take another number of arguments.

use std::collections::BTreeSet;

use regorus::unstable::{Expr, Span};

use super::rules::{Definition, Kind, Rules};
use super::{Faults, ast, did_you_mean};
use crate::policy::builtins::{self, Refused};

/// Checks every call; answers with the builtins that are called.
pub(super) fn check(rules: &Rules<'_>, faults: &mut Faults<'_>) -> BTreeSet<String> {
    let mut called = BTreeSet::new();
    for definition in &rules.definitions {
        visit(definition, &mut |expr| match expr {
            Expr::Call { span, fcn, params, .. } => call(rules, span, fcn, params.len(), &mut called, faults),
            Expr::UnaryExpr { span, expr, .. } if !matches!(expr.as_ref(), Expr::Number { .. }) => {
                faults.push_with_hint(span, "a minus sign can only stand before a number", "write `0 - x`");
            }
            _ => {}
        });
    }
    called
}

/// Visits every expression of a rule.
pub(super) fn visit<'m>(definition: &Definition<'m>, see: &mut dyn FnMut(&'m Expr)) {
    for expr in definition.head.iter().copied().chain(definition.args.iter().copied()).chain(definition.values()) {
        ast::visit(expr, see);
    }
    for body in &definition.bodies {
        ast::visit_query(body.query, see);
    }
}

fn call(rules: &Rules<'_>, span: &Span, function: &Expr, given: usize, called: &mut BTreeSet<String>, faults: &mut Faults<'_>) {
    let Some(names) = ast::path(function) else {
        faults.push(span, "a function must be called by its name");
        return;
    };
    let resolved = rules.resolve(&names);
    if let [name] = resolved.as_slice()
        && let Some(kind) = rules.kind(name)
    {
        match kind {
            Kind::Function(wanted) if wanted == given => {}
            Kind::Function(wanted) => faults.push(span, format!("`{name}` takes {}, and is given {given}", arguments(wanted))),
            Kind::Complete | Kind::Set | Kind::Object => {
                faults.push_with_hint(function.span(), format!("`{name}` is a rule and not a function"), format!("write `{name}` alone"));
            }
        }
        return;
    }
    let name = names.join(".");
    if name == "print" && rules.may_print {
        called.insert(name);
        return;
    }
    match builtins::arity(&name) {
        Ok(wanted) if wanted == given => {
            called.insert(name);
        }
        Ok(wanted) if wanted + 1 == given => {
            faults.push_with_hint(
                span,
                format!("`{name}` takes {}, and is given {given}", arguments(wanted)),
                format!("take its result by `x := {name}(…)`"),
            );
        }
        Ok(wanted) => faults.push(span, format!("`{name}` takes {}, and is given {given}", arguments(wanted))),
        Err(Refused::Impure(why)) => {
            faults.push_maybe(span, format!("`{name}` may not be called in a login policy: {why}"), instead(&name).map(str::to_owned));
        }
        Err(Refused::Unknown) => {
            let known: Vec<String> = rules.names().map(str::to_owned).chain(builtins::names().map(str::to_owned)).collect();
            let hint = did_you_mean(&name, known.iter().map(String::as_str));
            faults.push_maybe(function.span(), format!("there is no function `{name}`"), hint);
        }
    }
}

/// What to use in the place of a function that may not be called.
fn instead(name: &str) -> Option<&'static str> {
    Some(match name {
        "time.now_ns" => "write `input.request.timestamp_ns`: the time of the request, which can be simulated",
        "http.send" => "let the identity provider assert it as a group, and look for it by `\"name\" in input.session.teams`",
        "net.lookup_ip_addr" => "compare addresses: `net.cidr_contains(\"10.0.0.0/8\", input.request.remote_ip)`",
        "opa.runtime" => "write the value into the policy; `input.session.account_name` says which instance it is",
        "rand.intn" | "uuid.rfc4122" => "tell keys apart by `input.session.api_key_id`, which no two keys share",
        "print" | "trace" => "take it out; `claviger explain` shows what each policy answers",
        "rego.parse_module" | "rego.metadata.rule" => "take it out; a rule's text is not something to decide by",
        _ => return None,
    })
}

fn arguments(count: usize) -> String {
    match count {
        0 => "no argument".to_owned(),
        1 => "1 argument".to_owned(),
        count => format!("{count} arguments"),
    }
}
