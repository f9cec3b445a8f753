//! Variables of an `every` that its body declares once more, or never uses. OPA refuses both; regorus takes the one name for two.

use regorus::unstable::{Expr, Literal, LiteralStmt, Query, Span};

use super::Faults;
use super::ast;
use super::rules::Rules;

pub(super) fn check(rules: &Rules<'_>, faults: &mut Faults<'_>) {
    for definition in &rules.definitions {
        definition.visit_statements(&mut |statement| every(statement, faults));
    }
}

fn every(statement: &LiteralStmt, faults: &mut Faults<'_>) {
    let Literal::Every { key, value, query, .. } = &statement.literal else { return };
    for var in key.iter().chain([value]).filter(|var| var.text() != "_") {
        let name = var.text();
        if let Some(again) = query.stmts.iter().find(|statement| declares(statement, name)) {
            let reason = format!("variable `{name}` is declared above, by the `every`");
            faults.push_with_hint(&again.span, reason, "give this one a name of its own");
        } else if !uses(query, name) {
            faults.push_with_hint(var, format!("variable `{name}` is declared and not used"), "write `_`, or use it");
        }
    }
}

/// Whether it declares the name for the query that it stands in. What an `every` declares is for its own body.
fn declares(statement: &LiteralStmt, name: &str) -> bool {
    let mut declared = Vec::new();
    if !matches!(statement.literal, Literal::Every { .. }) {
        ast::declared(statement, &mut declared);
    }
    declared.contains(&name)
}

/// Whether a query looks at the name as it is around it.
fn uses(query: &Query, name: &str) -> bool {
    !is_hidden(query, name) && query.stmts.iter().any(|statement| is_used_in(statement, name))
}

/// A name that a query declares is another one in all of it.
fn is_hidden(query: &Query, name: &str) -> bool {
    query.stmts.iter().any(|statement| declares(statement, name))
}

fn is_used_in(statement: &LiteralStmt, name: &str) -> bool {
    let in_body = match &statement.literal {
        Literal::Every { key, value, query, .. } => {
            let hides = |var: &Span| var.text() == name;
            !key.iter().chain([value]).any(hides) && uses(query, name)
        }
        Literal::SomeVars { .. } | Literal::SomeIn { .. } | Literal::Expr { .. } | Literal::NotExpr { .. } => false,
    };
    in_body || ast::statement_parts(statement).into_iter().any(|part| is_used_by(part, name))
}

fn is_used_by(expr: &Expr, name: &str) -> bool {
    if ast::var(ast::unfold(expr).0) == Some(name) {
        return true;
    }
    match ast::query(expr) {
        Some(query) if is_hidden(query, name) => false,
        Some(query) if uses(query, name) => true,
        Some(_) | None => ast::parts(expr).into_iter().any(|part| is_used_by(part, name)),
    }
}
