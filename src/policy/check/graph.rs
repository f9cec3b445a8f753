//! Rules that use each other: in circles, or in chains so long that asking them needs more stack than there is.

use std::collections::{BTreeMap, BTreeSet};

use regorus::unstable::{Expr, Span};

use super::ast::{self, Step};
use super::rules::{Definition, Rules};
use super::{Faults, calls, did_you_mean};
use crate::policy::engine::entrypoint;

/// The longest chain of rules and functions, each using the next.
const CHAIN_MAX: usize = 64;
const WHOLE: &str = "a policy can use its rules by their names only";
const USE_NAMES: &str = "write the rule's own name, such as `allow`";

pub(super) fn check(rules: &Rules<'_>, faults: &mut Faults<'_>) {
    let mut uses: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut places: BTreeMap<&str, &Span> = BTreeMap::new();
    for definition in &rules.definitions {
        places.entry(definition.name).or_insert(definition.span);
        uses.entry(definition.name).or_default().extend(used_by(definition, rules, faults));
    }
    let mut walk = Walk { uses: &uses, chains: BTreeMap::new(), path: Vec::new(), circles: Vec::new() };
    for name in uses.keys() {
        walk.chain(name);
    }
    for circle in &walk.circles {
        if let Some(place) = circle.first().and_then(|name| places.get(name)) {
            let first = circle.first().copied().unwrap_or_default();
            faults.push_with_hint(
                place,
                format!("rule `{first}` is recursive: {} → {first}", circle.join(" → ")),
                "a rule cannot need its own answer: take what both need out into a rule of its own, or go through a collection by `some … in`",
            );
        }
    }
    for (name, length) in &walk.chains {
        if *length == CHAIN_MAX + 1
            && let Some(place) = places.get(name)
        {
            faults.push(place, format!("rule `{name}` stands on a chain of more than {CHAIN_MAX} rules"));
        }
    }
}

/// The rules that a rule uses. A variable that has a rule's name counts as the rule unless the rule at hand declares it: then it may be
/// either, and the engine itself watches for rules (but not for functions) that come back to themselves.
fn used_by<'a>(definition: &Definition<'a>, rules: &Rules<'a>, faults: &mut Faults<'_>) -> BTreeSet<&'a str> {
    let mut declared = Vec::new();
    definition.args.iter().for_each(|arg| ast::pattern_vars(arg, &mut declared));
    definition.visit_statements(&mut |statement| ast::declared(statement, &mut declared));
    let own = |name: &str| rules.names().find(|rule| *rule == name);
    let mut used = BTreeSet::new();
    calls::visit(definition, &mut |expr| match expr {
        Expr::Call { fcn, .. } => {
            let names = ast::path(fcn).unwrap_or_default();
            used.extend(rules.resolve(&names).first().and_then(|name| own(name)));
        }
        Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => {
            let (root, steps) = ast::unfold(expr);
            let Some(root_name) = ast::var(root).filter(|name| !declared.contains(name)) else { return };
            let leading = steps.iter().map_while(|step| if let Step::Name(name) = step { Some(*name) } else { None });
            let names: Vec<&str> = std::iter::once(root_name).chain(leading).collect();
            match rules.resolve(&names).as_slice() {
                ["data"] => faults.push_with_hint(expr.span(), WHOLE, USE_NAMES),
                ["data", package] if *package == entrypoint::PACKAGE => faults.push_with_hint(expr.span(), WHOLE, USE_NAMES),
                ["data", other, ..] => faults.push_with_hint(
                    expr.span(),
                    format!("there is nothing at `data.{other}`"),
                    "write what is needed into the policy, or let the identity provider assert it as a group",
                ),
                [name, ..] if root_name == "data" && own(name).is_none() => {
                    faults.push_maybe(expr.span(), format!("the policy has no rule `{name}`"), did_you_mean(name, rules.names()));
                }
                [name, ..] => used.extend(own(name)),
                [] => {}
            }
        }
        _ => {}
    });
    used
}

struct Walk<'a> {
    uses: &'a BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// Length of the longest chain from a rule on; 0 while it is being found.
    chains: BTreeMap<&'a str, usize>,
    path: Vec<&'a str>,
    circles: Vec<Vec<&'a str>>,
}

impl<'a> Walk<'a> {
    fn chain(&mut self, name: &'a str) -> usize {
        match self.chains.get(name) {
            Some(0) => {
                let from = self.path.iter().position(|on_path| *on_path == name).unwrap_or(0);
                self.circles.push(self.path.iter().skip(from).copied().collect());
                return 0;
            }
            Some(length) => return *length,
            None => {}
        }
        self.chains.insert(name, 0);
        self.path.push(name);
        let below = self.uses.get(name).into_iter().flatten().map(|used| self.chain(used)).max().unwrap_or(0);
        self.path.pop();
        self.chains.insert(name, below + 1);
        below + 1
    }
}
