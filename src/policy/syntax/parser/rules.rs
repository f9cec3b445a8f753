//! Rules: heads, bodies, and facts, which look like statements.

use std::sync::Arc;

use regorus::Value;

use super::super::lexer::{TokenKind, Word};
use super::super::tree::{AssignOp, AuthoredRule, Expr, ExprRef, Literal, LiteralStmt, Query, RuleAssign, RuleBody, RuleHead, Span};
use super::super::walk;
use super::reader::{Comma, Found, ParsedBody, Parser, Stop, Why};
use crate::policy::builtins;

/// A head as it is written.
struct ParsedHead {
    /// Its first token.
    first: usize,
    span: Span,
    refr: ExprRef,
    /// `None` without parentheses, and with empty ones, which OPA takes for none.
    args: Option<Vec<ExprRef>>,
    given: Given,
}

enum Given {
    Nothing,
    Value(RuleAssign),
    /// Behind `contains`.
    Item(ExprRef),
}

impl ParsedHead {
    /// How many steps, the name among them.
    fn steps(&self) -> usize {
        walk::unfold(&self.refr).1.len() + 1
    }

    /// Whether it is `p[k]`, which in v0 puts `k` into a set unless `if` follows.
    fn is_set_of_v0(&self) -> bool {
        self.steps() == 2 && self.args.is_none() && matches!(self.given, Given::Nothing)
    }

    fn into_tree(self) -> RuleHead {
        let Self { span, refr, args, given, .. } = self;
        match (given, args) {
            (Given::Item(key), _) => RuleHead::Set { span, refr, key },
            (Given::Nothing, Some(args)) => RuleHead::Func { span, refr, args, assign: None },
            (Given::Value(assign), Some(args)) => RuleHead::Func { span, refr, args, assign: Some(assign) },
            (Given::Nothing, None) => RuleHead::Compr { span, refr, assign: None },
            (Given::Value(assign), None) => RuleHead::Compr { span, refr, assign: Some(assign) },
        }
    }

    /// The same where no `if` follows.
    fn into_set_or_tree(self) -> RuleHead {
        match name_and_key(&self.refr) {
            Some((refr, key)) if self.is_set_of_v0() => RuleHead::Set { span: self.span, refr, key },
            _ => self.into_tree(),
        }
    }
}

/// What a head begins with, and its arguments if it is a function's.
fn name_and_args(expr: &ExprRef) -> Option<(ExprRef, Option<Vec<ExprRef>>)> {
    match expr.as_ref() {
        Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => Some((expr.clone(), None)),
        Expr::Call { fcn, params, .. } => Some((fcn.clone(), Some(params.clone()))),
        _ => None,
    }
}

/// The name and the one step of `p[k]` or `p.k`.
fn name_and_key(refr: &ExprRef) -> Option<(ExprRef, ExprRef)> {
    match refr.as_ref() {
        Expr::RefBrack { refr, index, .. } if walk::var(refr).is_some() => Some((refr.clone(), index.clone())),
        Expr::RefDot { refr, field, .. } if walk::var(refr).is_some() => {
            Some((refr.clone(), Arc::new(Expr::Scalar { span: field.clone(), value: Value::from(field.text()) })))
        }
        _ => None,
    }
}

impl Parser<'_> {
    /// A rule. Where none can be read by its head, it may be a fact, which OPA reads as a statement first.
    pub(super) fn rule(&mut self) -> Found<AuthoredRule> {
        let here = self.here;
        if let Some(rule) = self.headed()? {
            return Ok(rule);
        }
        self.here = here;
        self.fact()
    }

    /// A rule with a body, a default, or an item of a set.
    fn headed(&mut self) -> Found<Option<AuthoredRule>> {
        let first = self.here.pos;
        self.name_if_stepped();
        let is_default = self.is_word(Word::Default);
        if is_default {
            self.bump();
            self.name_if_stepped();
        }
        if !self.is_plain_name() {
            return Ok(None);
        }
        let Some(head) = self.head()? else { return Ok(None) };
        if is_default {
            return self.default(first, head).map(Some);
        }
        let has_if = self.is_word(Word::If);
        if !has_if && self.raw_kind() != TokenKind::LeftBrace {
            if !matches!(head.given, Given::Item(_)) {
                return Ok(None);
            }
            self.hold_name(&head);
            return Ok(Some(AuthoredRule::Spec { span: self.span_from(first), head: head.into_tree(), bodies: Vec::new() }));
        }
        self.hold_name(&head);
        if !has_if {
            self.hold_contains(&head);
            self.complaints.push(Stop { at: self.here.pos, why: Why::If });
        }
        let mut bodies = Vec::new();
        if has_if {
            self.bump();
            bodies.push(self.body_behind_if()?);
        } else {
            bodies.push(self.bodied()?);
        }
        if self.is_word(Word::Else) && !self.name_if_stepped() {
            self.may_have_else(&head, has_if)?;
            while self.is_word(Word::Else) {
                let (body, is_last) = self.else_body()?;
                bodies.push(body);
                if is_last {
                    break;
                }
            }
            if self.raw_kind() == TokenKind::LeftBrace {
                return self.stop(Why::BodyBehindElse);
            }
        }
        while self.raw_kind() == TokenKind::LeftBrace {
            bodies.push(self.bodied()?);
        }
        let head = if has_if { head.into_tree() } else { head.into_set_or_tree() };
        Ok(Some(AuthoredRule::Spec { span: self.span_from(first), head, bodies }))
    }

    fn head(&mut self) -> Found<Option<ParsedHead>> {
        let first = self.here.pos;
        let Some((refr, args)) = name_and_args(&self.head_reference()?.expr) else { return Ok(None) };
        if walk::var(walk::unfold(&refr).0).is_none() {
            return Err(Stop { at: first, why: Why::NoRule });
        }
        let given = match self.kind() {
            TokenKind::Name(Some(Word::Contains)) => {
                if args.is_some() {
                    return self.stop(Why::FunctionContains);
                }
                self.bump();
                Given::Item(self.head_value()?)
            }
            TokenKind::Assign => Given::Value(self.assigned(AssignOp::ColEq)?),
            TokenKind::Unify => Given::Value(self.assigned(AssignOp::Eq)?),
            _ => Given::Nothing,
        };
        let args = args.filter(|args| !args.is_empty());
        Ok(Some(ParsedHead { first, span: self.span_from(first), refr, args, given }))
    }

    fn head_value(&mut self) -> Found<ExprRef> {
        let first = self.here.pos;
        let missing = Stop { at: first, why: Why::Term };
        match self.infix(Comma::OfMembership) {
            Ok(value) => Ok(value.expr),
            Err(stop) if stop == missing => self.stop(Why::HeadValue),
            Err(stop) => Err(stop),
        }
    }

    /// `:= v`
    fn assigned(&mut self, op: AssignOp) -> Found<RuleAssign> {
        let first = self.here.pos;
        self.bump();
        let value = self.head_value()?;
        Ok(RuleAssign { span: self.span_from(first), op, value })
    }

    fn bodied(&mut self) -> Found<RuleBody> {
        let first = self.here.pos;
        let body = self.block()?;
        Ok(RuleBody { span: self.span_from(first), assign: None, is_else: false, query: body.query })
    }

    /// What begins with a `{` is a statement if it can be one and is no set, which would hold whatever is in it.
    fn body_behind_if(&mut self) -> Found<RuleBody> {
        let here = self.here;
        let is_braced = self.raw_kind() == TokenKind::LeftBrace;
        let read = self.statement();
        let is_set =
            |statement: &LiteralStmt| matches!(&statement.literal, Literal::Expr { expr, .. } if matches!(**expr, Expr::Set { .. }));
        match read {
            Ok((statement, depth)) if !is_braced || !is_set(&statement) => {
                let ParsedBody { query, .. } = self.only(statement, depth);
                Ok(RuleBody { span: self.span_from(here.pos), assign: None, is_else: false, query })
            }
            Err(stop) if !is_braced => Err(stop),
            read => {
                self.here = here;
                // A colon shows that the braces are an object's.
                self.bodied().map_err(|other| match read {
                    Err(stop) if stop.why == Why::TooDeep || self.at(other.at).kind == TokenKind::Colon => stop,
                    Ok(_) | Err(_) => other,
                })
            }
        }
    }

    fn may_have_else(&self, head: &ParsedHead, has_if: bool) -> Found<()> {
        let (_, steps) = walk::unfold(&head.refr);
        let is_fixed = steps.iter().all(|step| match step {
            walk::Step::Name(_) => true,
            walk::Step::Index(index) => is_ground(index),
        });
        if !is_fixed {
            return self.stop(Why::ElseOfVariable);
        }
        // What OPA takes for a key: the step of `p[k]`, in v1 only one that is looked up.
        let is_key = |step: &walk::Step<'_>| match step {
            walk::Step::Name(_) => !has_if,
            walk::Step::Index(index) => !has_if || matches!(index, Expr::RefDot { .. } | Expr::RefBrack { .. }) || is_root(index),
        };
        let has_key = head.args.is_none() && steps.len() == 1 && steps.iter().any(is_key);
        if has_key || matches!(head.given, Given::Item(_)) { self.stop(Why::ElseOfSet) } else { Ok(()) }
    }

    /// `else := v if { … }`, and whether no other may follow it.
    fn else_body(&mut self) -> Found<(RuleBody, bool)> {
        let first = self.here.pos;
        self.bump();
        let assign = match self.kind() {
            TokenKind::LeftBrace | TokenKind::Name(Some(Word::If)) => None,
            TokenKind::Assign => Some(self.assigned(AssignOp::ColEq)?),
            TokenKind::Unify => Some(self.assigned(AssignOp::Eq)?),
            _ => return self.stop(Why::Else),
        };
        let has_if = self.is_word(Word::If);
        if has_if {
            self.bump();
        }
        let query = if self.raw_kind() == TokenKind::LeftBrace {
            if !has_if {
                self.complaints.push(Stop { at: self.here.pos, why: Why::If });
            }
            self.block()?.query
        } else if !has_if {
            let query = Arc::new(Query { span: self.span_from(first), stmts: Vec::new() });
            return Ok((RuleBody { span: self.span_from(first), assign, is_else: true, query }, true));
        } else if self.raw_kind() == TokenKind::End {
            return self.stop(Why::ElseBody);
        } else {
            let (statement, depth) = self.statement()?;
            self.only(statement, depth).query
        };
        Ok((RuleBody { span: self.span_from(first), assign, is_else: true, query }, false))
    }

    fn default(&mut self, first: usize, head: ParsedHead) -> Found<AuthoredRule> {
        self.hold_name(&head);
        let (op, value) = match head.given {
            Given::Value(RuleAssign { op, value, .. }) => (op, value),
            // `default p`, of all things, is `default p := true`.
            Given::Nothing if head.args.is_some() || head.steps() != 2 => {
                (AssignOp::Eq, Arc::new(Expr::Scalar { span: head.span.clone(), value: true.into() }))
            }
            Given::Nothing | Given::Item(_) => return Err(Stop { at: first, why: Why::DefaultWithoutValue }),
        };
        if !is_constant(&value) {
            return Err(Stop { at: self.index_of(value.span()), why: Why::DefaultValue });
        }
        let args = head.args.unwrap_or_default();
        let mut names = Vec::new();
        for arg in &args {
            let stop = Stop { at: self.index_of(arg.span()), why: Why::DefaultArgument };
            let name = walk::var(arg).ok_or(stop)?;
            if is_root(arg) || (name != "_" && names.contains(&name)) {
                return Err(stop);
            }
            names.push(name);
        }
        Ok(AuthoredRule::Default { span: self.span_from(first), refr: head.refr, args, op, value })
    }

    /// The token that something begins with.
    fn index_of(&self, span: &Span) -> usize {
        self.tokens.partition_point(|token| token.place.start < span.start)
    }

    /// A rule without a body, which OPA reads as a statement: `p := v`, `f("x")`, and in v0 `p[k]`.
    fn fact(&mut self) -> Found<AuthoredRule> {
        let first = self.here.pos;
        let (statement, _) = self.statement()?;
        if self.raw_kind() == TokenKind::Semicolon {
            return self.stop(Why::Semicolon);
        }
        let stop = |why| Err(Stop { at: first, why });
        let expr = match &statement.literal {
            Literal::Expr { expr, .. } if statement.with_mods.is_empty() => expr,
            _ => return stop(Why::NoRule),
        };
        let span = statement.span.clone();
        let (target, given) = match expr.as_ref() {
            Expr::AssignExpr { op, lhs, rhs, .. } => {
                let sign = self.index_of(lhs.span());
                let sign = (sign..self.here.pos)
                    .find(|index| matches!(self.at(*index).kind, TokenKind::Assign | TokenKind::Unify))
                    .unwrap_or(sign);
                (lhs, Given::Value(RuleAssign { span: self.span_from(sign), op: *op, value: rhs.clone() }))
            }
            _ => (expr, Given::Nothing),
        };
        let Some((refr, args)) = name_and_args(target) else { return stop(Why::NoRule) };
        if walk::var(walk::unfold(&refr).0).is_none() {
            return stop(Why::NoRule);
        }
        let head = ParsedHead { first, span: span.clone(), refr, args, given };
        self.hold_name(&head);
        let head = match (&head.given, &head.args) {
            (Given::Value(_), args) => {
                let args = args.clone().filter(|args| !args.is_empty());
                ParsedHead { args, ..head }.into_tree()
            }
            (Given::Nothing | Given::Item(_), Some(args)) => {
                if walk::path(&head.refr).is_some_and(|path| builtins::arity(&path.join(".")) != Err(builtins::Refused::Unknown)) {
                    return stop(Why::BuiltinRule);
                }
                if args.is_empty() {
                    return stop(Why::NoArguments);
                }
                head.into_tree()
            }
            (Given::Nothing | Given::Item(_), None) => match head.steps() {
                1 => return stop(Why::NoRule),
                2 => {
                    self.hold_contains(&head);
                    head.into_set_or_tree()
                }
                _ => {
                    self.complaints.push(Stop { at: first, why: Why::NothingRule });
                    head.into_tree()
                }
            },
        };
        Ok(AuthoredRule::Spec { span, head, bodies: Vec::new() })
    }

    /// Notes a head whose name is a keyword of v1.
    fn hold_name(&mut self, head: &ParsedHead) {
        let word = walk::var(&head.refr).and_then(Word::of);
        if word.is_some_and(|word| !matches!(word, Word::And | Word::Or)) {
            self.complaints.push(Stop { at: head.first, why: Why::KeywordRule });
        }
    }

    /// Notes a set's head of v0.
    fn hold_contains(&mut self, head: &ParsedHead) {
        if head.is_set_of_v0() {
            self.complaints.push(Stop { at: head.first, why: Why::Contains });
        }
    }
}

/// Whether OPA takes it for a reference though it is a name alone.
fn is_root(expr: &Expr) -> bool {
    matches!(walk::var(expr), Some("input" | "data"))
}

/// Whether there are no variables in it.
fn is_ground(expr: &Expr) -> bool {
    if walk::var(expr).is_some() {
        return is_root(expr);
    }
    let mut is_ground_query = true;
    if let Some(query) = walk::query(expr) {
        walk::visit_query(query, &mut |expr| is_ground_query &= walk::var(expr).is_none() || is_root(expr));
    }
    is_ground_query && walk::parts(expr).into_iter().all(is_ground)
}

/// Whether it needs nothing to be evaluated, but for what is in comprehensions.
fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Scalar { .. } | Expr::Compr { .. } => true,
        Expr::Array { .. } | Expr::Set { .. } | Expr::Object { .. } | Expr::Template { .. } => {
            walk::parts(expr).into_iter().all(is_constant)
        }
        Expr::Var { .. }
        | Expr::Call { .. }
        | Expr::UnaryExpr { .. }
        | Expr::RefDot { .. }
        | Expr::RefBrack { .. }
        | Expr::Binary { .. }
        | Expr::AssignExpr { .. }
        | Expr::Membership { .. } => false,
    }
}
