//! From the author's tree to the lowered one, by the stages of OPA's compiler.
//!
//! | here | OPA's stages |
//! |---|---|
//! | [`heads`] | `SetRuleTree`, `CheckKeywordOverrides`, `CheckDuplicateImports`, `CheckRuleConflicts` |
//! | [`expand`] | `ResolveRefs`, `RewriteRuleHeadRefs`, `RewriteLocalVars`, `RewriteTemplateStrings`, `RewritePrintCalls`, `RewriteExprTerms`, `RewriteComprehensionTerms`, `RewriteRefsInHead`, `RewriteWithValues`, `CheckUndefinedFuncs` |
//! | [`safety`] | `CheckSafetyRuleHeads`, `CheckSafetyRuleBodies` |
//! | [`plan`] | `RewriteEquals`, `RewriteDynamicTerms`; and what OPA's evaluator does when it unifies, as far as that is known before |
//! | [`recursion`] | `SetGraph`, `CheckRecursion` |
//! | [`indexed`] | `BuildRuleIndices`: it refuses what that stage overlooks a part of |
//! | [`members`] | none: it refuses what could show how OPA goes through a literal that has names in it |
//! | [`inline`] | none: it takes back what only made the others simple |
//! | [`written`] | none: it marks where a number would be seen as it was written |
//!
//! `CheckTypes` is stood in for by [`lint`](crate::policy::lint). What OPA refuses in one of these stages is refused here, and told of the
//! author's text.

mod expand;
mod flat;
mod heads;
mod indexed;
mod inline;
mod lowering;
mod members;
mod plan;
mod recursion;
mod safety;
mod same;
#[cfg(test)]
mod tests;
mod written;

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::core::{Extent, Function, Node, Program, Rule};
use super::tree::Module;
use crate::policy::fault::PolicyFault;
use heads::DefinitionHead;
use lowering::{Lowering, Purpose, Unit};

/// Lowers a login policy.
///
/// # Errors
/// Every fault, in the order of the text.
pub(in crate::policy) fn policy(place: &str, module: &Module) -> Result<Program, Vec<PolicyFault>> {
    lower(vec![Unit::of(place, module, Purpose::Policy)])
}

/// Lowers a policy together with its tests.
///
/// # Errors
/// Every fault of the tests; those of the policy have been told before.
pub(in crate::policy) fn with_tests(policy: (&str, &Module), tests: (&str, &Module)) -> Result<Program, Vec<PolicyFault>> {
    lower(vec![Unit::of(policy.0, policy.1, Purpose::Policy), Unit::of(tests.0, tests.1, Purpose::Tests)])
}

fn lower(units: Vec<Unit<'_>>) -> Result<Program, Vec<PolicyFault>> {
    let mut lowering = Lowering {
        units,
        rules: BTreeMap::new(),
        kinds: Vec::new(),
        functions: BTreeMap::new(),
        root: Extent::default(),
        faults: RefCell::default(),
        uses: RefCell::default(),
    };
    let heads = heads::collect(&mut lowering);
    let mut rules: Vec<Rule> = lowering
        .kinds
        .iter()
        .map(|(kind, path)| Rule { path: path.clone(), kind: *kind, default: None, definitions: Vec::new() })
        .collect();
    let mut functions: Vec<Function> = Vec::new();
    functions.resize_with(lowering.functions.len(), || Function { path: Vec::new(), arity: 0, default: None, definitions: Vec::new() });
    for (path, (number, arity)) in &lowering.functions {
        if let Some(function) = functions.get_mut(*number) {
            (function.path, function.arity) = (path.clone(), *arity);
        }
    }
    for head in &heads {
        define(&lowering, head, &mut rules, &mut functions);
    }
    recursion::check(&lowering, &heads);
    let mut program = Program { rules, functions, root: lowering.root };
    let mut faults = lowering.faults.into_inner();
    if faults.is_empty() {
        faults = members::check(&program);
        faults.extend(indexed::check(&program));
    }
    if faults.is_empty() {
        inline::program(&mut program);
        written::program(&mut program);
        return Ok(program);
    }
    faults.sort_by(|one, other| {
        (&one.policy, one.line, one.column, &one.reason).cmp(&(&other.policy, other.line, other.column, &other.reason))
    });
    faults.dedup();
    Err(faults)
}

/// Lowers one definition, and adds it to its rule or function.
fn define(lowering: &Lowering<'_>, head: &DefinitionHead<'_>, rules: &mut [Rule], functions: &mut [Function]) {
    let (default, definitions) = match head.owner {
        Node::Rule(number) => match rules.get_mut(number) {
            Some(rule) => (&mut rule.default, &mut rule.definitions),
            None => return,
        },
        Node::Function(number) => match functions.get_mut(number) {
            Some(function) => (&mut function.default, &mut function.definitions),
            None => return,
        },
    };
    if head.is_default {
        *default = plan::default(lowering, head);
    } else if let Some(definition) = plan::definition(lowering, head) {
        definitions.push(definition);
    }
}
