//! Ways through an author's tree.

use super::tree::{AssignOp, Expr, Literal, LiteralStmt, Query, Span, TemplatePart};

/// One step of a reference: `.name`, `["name"]`, or `[index]`.
#[derive(Clone, Copy)]
pub(in crate::policy) enum Step<'a> {
    Name(&'a str),
    Index(&'a Expr),
}

impl<'a> Step<'a> {
    fn of(written: HeadStep<'a>) -> Self {
        match written {
            HeadStep::Field(span) => Self::Name(span.text()),
            HeadStep::Expr(index) => literal_text(index).map_or(Self::Index(index), Self::Name),
        }
    }

    /// The name, if it is written out.
    pub(in crate::policy) fn name(&self) -> Option<&'a str> {
        if let Self::Name(name) = self { Some(name) } else { None }
    }
}

/// A variable's name.
pub(in crate::policy) fn var(expr: &Expr) -> Option<&str> {
    if let Expr::Var { span, .. } = expr { Some(span.text()) } else { None }
}

/// Takes a reference apart: what it begins with, and its steps. Anything else is itself, without steps.
pub(in crate::policy) fn unfold(expr: &Expr) -> (&Expr, Vec<Step<'_>>) {
    let (root, steps) = written(expr);
    (root, steps.into_iter().map(Step::of).collect())
}

/// Where the steps of a reference stand.
pub(in crate::policy) fn step_spans(expr: &Expr) -> Vec<&Span> {
    head_steps(expr).into_iter().map(HeadStep::span).collect()
}

/// One step of a rule's head.
#[derive(Clone, Copy)]
pub(in crate::policy) enum HeadStep<'a> {
    /// `.name`
    Field(&'a Span),
    /// `["name"]`, `[index]`, or the key that is put into a set.
    Expr(&'a Expr),
}

impl<'a> HeadStep<'a> {
    /// Where it stands.
    pub(in crate::policy) fn span(self) -> &'a Span {
        match self {
            Self::Field(span) => span,
            Self::Expr(expr) => expr.span(),
        }
    }

    /// The name, if it is written out.
    pub(in crate::policy) fn name(self) -> Option<&'a str> {
        match self {
            Self::Field(span) => Some(span.text()),
            Self::Expr(expr) => literal_text(expr),
        }
    }
}

/// The steps of a rule's head.
pub(in crate::policy) fn head_steps(refr: &Expr) -> Vec<HeadStep<'_>> {
    written(refr).1
}

/// The same as [`unfold`], with the steps as they are written.
fn written(mut expr: &Expr) -> (&Expr, Vec<HeadStep<'_>>) {
    let mut steps = Vec::new();
    loop {
        match expr {
            Expr::RefDot { refr, field, .. } => {
                steps.push(HeadStep::Field(field));
                expr = refr;
            }
            Expr::RefBrack { refr, index, .. } => {
                steps.push(HeadStep::Expr(index));
                expr = refr;
            }
            root => {
                steps.reverse();
                return (root, steps);
            }
        }
    }
}

/// The text of a string literal.
pub(in crate::policy) fn literal_text(expr: &Expr) -> Option<&str> {
    if let Expr::Scalar { value, .. } = expr { value.as_string().ok().map(AsRef::as_ref) } else { None }
}

/// The names of a reference that has no other steps: `input.session.login`.
pub(in crate::policy) fn path(expr: &Expr) -> Option<Vec<&str>> {
    let (root, steps) = unfold(expr);
    let names = steps.iter().map(Step::name);
    std::iter::once(var(root)).chain(names).collect()
}

/// The expressions directly in one, those of its query left out. Of a call: its arguments. Of a reference: its indices, and what it
/// begins with if that is not a variable, so that a reference is seen once and as a whole.
pub(in crate::policy) fn parts(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Scalar { .. } | Expr::Var { .. } => Vec::new(),
        Expr::Template { parts, .. } => {
            parts.iter().filter_map(|part| if let TemplatePart::Expr(expr) = part { Some(expr.as_ref()) } else { None }).collect()
        }
        Expr::Array { items, .. } | Expr::Set { items, .. } => items.iter().map(AsRef::as_ref).collect(),
        Expr::Object { fields, .. } => fields.iter().flat_map(|(_, key, value)| [key.as_ref(), value.as_ref()]).collect(),
        Expr::Compr { key, item, .. } => key.iter().chain([item]).map(AsRef::as_ref).collect(),
        Expr::Call { params, .. } => params.iter().map(AsRef::as_ref).collect(),
        Expr::UnaryExpr { expr, .. } => vec![expr],
        Expr::RefDot { .. } | Expr::RefBrack { .. } => {
            let (root, steps) = unfold(expr);
            let indices = steps.into_iter().filter_map(|step| if let Step::Index(index) = step { Some(index) } else { None });
            Some(root).filter(|root| var(root).is_none()).into_iter().chain(indices).collect()
        }
        Expr::Binary { lhs, rhs, .. } | Expr::AssignExpr { lhs, rhs, .. } => vec![lhs, rhs],
        Expr::Membership { key, value, collection, .. } => key.iter().chain([value, collection]).map(AsRef::as_ref).collect(),
    }
}

/// The query of a comprehension.
pub(in crate::policy) fn query(expr: &Expr) -> Option<&Query> {
    if let Expr::Compr { query, .. } = expr { Some(query) } else { None }
}

/// The expressions directly in a statement, its modifiers included.
pub(in crate::policy) fn statement_parts(statement: &LiteralStmt) -> Vec<&Expr> {
    let mut parts: Vec<&Expr> = match &statement.literal {
        Literal::SomeVars { .. } => Vec::new(),
        Literal::SomeIn { key, value, collection, .. } => key.iter().chain([value, collection]).map(AsRef::as_ref).collect(),
        Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => vec![expr],
        Literal::Every { domain, .. } => vec![domain],
    };
    parts.extend(statement.with_mods.iter().map(|modifier| modifier.r#as.as_ref()));
    parts
}

/// The query of an `every`.
pub(in crate::policy) fn statement_query(statement: &LiteralStmt) -> Option<&Query> {
    if let Literal::Every { query, .. } = &statement.literal { Some(query) } else { None }
}

/// Visits an expression and all within it, queries included.
pub(in crate::policy) fn visit<'a>(expr: &'a Expr, see: &mut dyn FnMut(&'a Expr)) {
    see(expr);
    if let Some(query) = query(expr) {
        visit_query(query, see);
    }
    for part in parts(expr) {
        visit(part, see);
    }
}

/// Visits all expressions of a query.
pub(in crate::policy) fn visit_query<'a>(query: &'a Query, see: &mut dyn FnMut(&'a Expr)) {
    for statement in &query.stmts {
        for part in statement_parts(statement) {
            visit(part, see);
        }
        if let Some(query) = statement_query(statement) {
            visit_query(query, see);
        }
    }
}

/// Visits all statements of a query, those of queries within included.
pub(in crate::policy) fn visit_statements<'a>(query: &'a Query, see: &mut dyn FnMut(&'a LiteralStmt)) {
    for statement in &query.stmts {
        see(statement);
        for part in statement_parts(statement) {
            visit_statements_in(part, see);
        }
        if let Some(query) = statement_query(statement) {
            visit_statements(query, see);
        }
    }
}

/// Visits all statements of the queries in an expression.
pub(in crate::policy) fn visit_statements_in<'a>(expr: &'a Expr, see: &mut dyn FnMut(&'a LiteralStmt)) {
    if let Some(query) = query(expr) {
        visit_statements(query, see);
    }
    for part in parts(expr) {
        visit_statements_in(part, see);
    }
}

/// The variables of a pattern, that is: of what stands on the left of `:=`, after `some`, or as an argument.
pub(in crate::policy) fn pattern_vars(pattern: &Expr) -> Vec<&str> {
    match pattern {
        Expr::Var { span, .. } => vec![span.text()],
        Expr::Array { items, .. } => items.iter().flat_map(|item| pattern_vars(item)).collect(),
        Expr::Object { fields, .. } => fields.iter().flat_map(|(_, _, value)| pattern_vars(value)).collect(),
        _ => Vec::new(),
    }
}

/// The variables that a statement declares.
pub(in crate::policy) fn declared(statement: &LiteralStmt) -> Vec<&str> {
    match &statement.literal {
        Literal::SomeVars { vars, .. } => vars.iter().map(Span::text).collect(),
        Literal::SomeIn { key, value, .. } => key.iter().chain([value]).flat_map(|pattern| pattern_vars(pattern)).collect(),
        Literal::Every { key, value, .. } => key.iter().chain([value]).map(Span::text).collect(),
        Literal::Expr { expr, .. } => match expr.as_ref() {
            Expr::AssignExpr { op: AssignOp::ColEq, lhs, .. } => pattern_vars(lhs),
            _ => Vec::new(),
        },
        Literal::NotExpr { .. } => Vec::new(),
    }
}
