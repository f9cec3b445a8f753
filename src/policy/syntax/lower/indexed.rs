//! `x in ["a", y, "b"]`, of which OPA's rule index sees less than there is.
//!
//! The index passes over a rule whose body asks for values that are not there. Of a list that is written out with constants and names in
//! it, some orders lead it to know the constants alone; then the rule is passed over, though `x` is what a name stands for. What those
//! orders are is not written down anywhere. So a list that the index looks at is refused, unless it is known to be read as it should be.

use regorus::Value;

use super::super::core::{Branch, Definition, Program, Stmt, StmtKind, Term};
use super::super::tree::Span;
use crate::policy::fault::PolicyFault;

/// Every such list.
pub(super) fn check(program: &Program) -> Vec<PolicyFault> {
    let of_rules = program.rules.iter().map(|rule| (&rule.definitions, 0));
    let all = of_rules.chain(program.functions.iter().map(|function| (&function.definitions, function.arity)));
    all.flat_map(|(definitions, arguments)| definitions.iter().flat_map(move |definition| of_definition(definition, arguments))).collect()
}

fn of_definition(definition: &Definition, arguments: usize) -> Vec<PolicyFault> {
    let of_branch = |Branch { body, .. }: &Branch| -> Vec<PolicyFault> {
        let overlooks = |Stmt { kind, .. }: &&Stmt| match kind {
            StmtKind::Holds(Term::In(_, sides)) => is_indexed(&sides.0, body, arguments) && !is_read(&sides.1),
            _ => false,
        };
        body.iter().filter(overlooks).map(|statement| fault(&statement.span)).collect()
    };
    definition.branches.iter().flat_map(of_branch).collect()
}

fn fault(span: &Span) -> PolicyFault {
    let reason = "OPA may overlook the names that stand in this list beside constants";
    let hint = "write a set, `{\"a\", \"b\", x}`, or put what has a name last in the list";
    PolicyFault::at_span(&span.source.name, span, reason).hint(hint)
}

/// Whether OPA's index is about this: a path of `input`, an argument, or what has the value of such a path.
fn is_indexed(term: &Term, body: &[Stmt], arguments: usize) -> bool {
    let Term::Slot(slot) = term else { return is_path(term) };
    let is_value = |statement: &Stmt| matches!(&statement.kind, StmtKind::Bind(bound, value) if bound == slot && is_path(value));
    *slot < arguments || body.iter().any(is_value)
}

fn is_path(term: &Term) -> bool {
    match term {
        Term::Input => true,
        Term::At(of, key) => matches!(key.as_ref(), Term::Const(_)) && is_path(of),
        _ => false,
    }
}

/// Whether the index is known to see all of a collection, or to look at none of it.
fn is_read(of: &Term) -> bool {
    let ends_well = match of {
        Term::Array(items) => items.last().is_some_and(|last| !is_constant(last)),
        // Names come behind the constants that are no collections.
        Term::Set(_) => true,
        Term::Object(fields) => !fields.iter().any(|(_, value)| is_constant(value)),
        _ => return true,
    };
    is_constant(of) || ends_well && !of.parts().into_iter().any(is_collection)
}

fn is_constant(term: &Term) -> bool {
    matches!(term, Term::Const(_)) || is_collection(term) && term.parts().into_iter().all(is_constant)
}

fn is_collection(term: &Term) -> bool {
    matches!(term, Term::Array(_) | Term::Set(_) | Term::Object(_) | Term::Const(Value::Array(_) | Value::Set(_) | Value::Object(_)))
}
