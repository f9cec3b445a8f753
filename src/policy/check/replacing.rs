//! `with` in the place of functions.
//!
//! What `with` puts in the place of a function is looked up by regorus when the policy is asked: where it is no value, its *name* counts,
//! and a builtin of that name is called as regorus has it, without the wrapper that bounds what it takes. A login policy has no need of
//! this. Tests do, and may not name what a policy may not call.

use std::collections::BTreeSet;

use regorus::unstable::Expr;

use super::ast::{self, Step};
use super::rules::{Kind, Rules};
use super::{Faults, did_you_mean};
use crate::policy::builtins;

pub(super) fn check(rules: &Rules<'_>, faults: &mut Faults<'_>) {
    for definition in &rules.definitions {
        definition.visit_statements(&mut |statement| {
            for modifier in &statement.with_mods {
                let names = names(&modifier.refr);
                let name = names.join(".");
                let is_function = match rules.resolve(&names).first() {
                    Some(&("input" | "data")) | None => false,
                    Some(root) => matches!(rules.kind(root), Some(Kind::Function(_)) | None),
                };
                // Regorus looks for a builtin first, even if its first name is a rule's.
                if is_function || builtins::is_one(&name) {
                    faults.push_with_hint(
                        modifier.refr.span(),
                        format!("`with` may not put anything in the place of the function `{name}`"),
                        "give the function what varies as an argument; tests, in a file that ends in `_test.rego`, may replace functions",
                    );
                }
            }
        });
    }
}

/// In a module of tests, where functions may be replaced: by builtins only that policies may call. Adds these to those that are called.
pub(super) fn check_tests(rules: &Rules<'_>, called: &mut BTreeSet<String>, faults: &mut Faults<'_>) {
    for definition in &rules.definitions {
        definition.visit_statements(&mut |statement| {
            for modifier in &statement.with_mods {
                let name = names(&modifier.r#as).join(".");
                if !builtins::is_one(&name) {
                    continue;
                }
                if builtins::arity(&name).is_ok() {
                    called.insert(name);
                } else {
                    faults.push_maybe(
                        modifier.r#as.span(),
                        format!("`{name}` may not be called in a login policy, and not in the place of another function either"),
                        did_you_mean(&name, rules.names()),
                    );
                }
            }
        });
    }
}

/// The names of a reference as regorus puts a function's together, which leaves out every index that is no text.
fn names(expr: &Expr) -> Vec<&str> {
    let (root, steps) = ast::unfold(expr);
    let steps = steps.into_iter().filter_map(|step| if let Step::Name(name) = step { Some(name) } else { None });
    ast::var(root).into_iter().chain(steps).collect()
}
