//! Trees that are too deep or too broad to be worked with. Looked at without recursion, before anything else.

use regorus::unstable::{Expr, Module, Query, Rule, RuleHead};

use super::{Faults, ast};

/// Expressions and queries within each other.
const DEPTH_MAX: usize = 64;
/// Statements of one body: the engine orders them in a time that grows with their square.
const STATEMENTS_MAX: usize = 500;

enum Node<'a> {
    Expr(&'a Expr),
    Query(&'a Query),
}

pub(super) fn check(module: &Module, faults: &mut Faults<'_>) {
    for rule in &module.policy {
        let mut waiting: Vec<(Node<'_>, usize)> = roots(rule).into_iter().map(|node| (node, 1)).collect();
        while let Some((node, depth)) = waiting.pop() {
            match node {
                Node::Expr(expr) if depth > DEPTH_MAX => {
                    faults.push(expr.span(), format!("expressions are nested deeper than {DEPTH_MAX}"));
                    break;
                }
                // Step by step, unlike in the other checks: a long reference is deep, too.
                Node::Expr(Expr::RefDot { refr, .. }) => waiting.push((Node::Expr(refr), depth + 1)),
                Node::Expr(Expr::RefBrack { refr, index, .. }) => {
                    waiting.extend([(Node::Expr(refr), depth + 1), (Node::Expr(index), depth + 1)]);
                }
                Node::Expr(expr) => {
                    waiting.extend(ast::parts(expr).into_iter().map(|part| (Node::Expr(part), depth + 1)));
                    waiting.extend(ast::query(expr).map(|query| (Node::Query(query), depth + 1)));
                }
                Node::Query(query) => {
                    if query.stmts.len() > STATEMENTS_MAX {
                        faults
                            .push(rule.span(), format!("a body has {} statements; at most {STATEMENTS_MAX} are taken", query.stmts.len()));
                    }
                    for statement in &query.stmts {
                        waiting.extend(ast::statement_parts(statement).into_iter().map(|part| (Node::Expr(part), depth + 1)));
                        waiting.extend(ast::statement_query(statement).map(|query| (Node::Query(query), depth + 1)));
                    }
                }
            }
        }
    }
}

fn roots(rule: &Rule) -> Vec<Node<'_>> {
    match rule {
        Rule::Default { refr, value, .. } => vec![Node::Expr(refr), Node::Expr(value)],
        Rule::Spec { head, bodies, .. } => {
            let mut nodes: Vec<Node<'_>> = match head {
                RuleHead::Compr { refr, assign, .. } => {
                    vec![refr].into_iter().chain(assign.iter().map(|assign| &assign.value)).map(|expr| Node::Expr(expr)).collect()
                }
                RuleHead::Set { refr, key, .. } => vec![refr].into_iter().chain(key).map(|expr| Node::Expr(expr)).collect(),
                RuleHead::Func { refr, args, assign, .. } => vec![refr]
                    .into_iter()
                    .chain(args)
                    .chain(assign.iter().map(|assign| &assign.value))
                    .map(|expr| Node::Expr(expr))
                    .collect(),
            };
            for body in bodies {
                nodes.push(Node::Query(&body.query));
                nodes.extend(body.assign.iter().map(|assign| Node::Expr(&assign.value)));
            }
            nodes
        }
    }
}
