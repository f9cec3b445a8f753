//! Bodies, and what they are made of.

#![expect(clippy::unused_self, reason = "it is asked of the parser like all others")]

use std::sync::Arc;

use super::super::lexer::{TokenKind, Word};
use super::super::tree::{Expr, Literal, LiteralStmt, Query, Span, WithModifier};
use super::reader::{Comma, Found, ParsedBody, ParsedTerm, Parser, Stop, Why};

/// A statement without its `with`, and how deep it is.
type Plain = (Literal, u32);

impl Parser<'_> {
    /// `{ … }`
    pub(super) fn block(&mut self) -> Found<ParsedBody> {
        let open = self.here.pos;
        self.nest(|parser| {
            parser.bump();
            let body = parser.query(TokenKind::RightBrace, Some(open))?;
            parser.bump();
            Ok(body)
        })
    }

    /// Statements up to what closes them.
    pub(super) fn query(&mut self, close: TokenKind, open: Option<usize>) -> Found<ParsedBody> {
        if self.raw_kind() == close {
            return self.stop(Why::EmptyBody);
        }
        let first = self.here.pos;
        let mut stmts = Vec::new();
        let mut depth = 0;
        loop {
            let (statement, deep) = self.statement()?;
            stmts.push(statement);
            depth = depth.max(deep);
            if self.raw_kind() == TokenKind::Semicolon {
                self.bump();
            } else if self.raw_kind() == close {
                return Ok(ParsedBody { query: Arc::new(Query { span: self.span_from(first), stmts }), depth });
            } else if !self.token().newline {
                return self.stop(Why::Separator(open));
            }
        }
    }

    /// A body of one statement.
    pub(super) fn only(&mut self, statement: LiteralStmt, depth: u32) -> ParsedBody {
        ParsedBody { query: Arc::new(Query { span: statement.span.clone(), stmts: vec![statement] }), depth }
    }

    pub(super) fn statement(&mut self) -> Found<(LiteralStmt, u32)> {
        let first = self.here.pos;
        let (literal, mut depth) = self.literal()?;
        let mut with_mods = Vec::new();
        // OPA takes none behind names that are only declared.
        if !matches!(literal, Literal::SomeVars { .. }) {
            while self.is_word(Word::With) {
                let (modifier, deep) = self.modifier()?;
                with_mods.push(modifier);
                depth = depth.max(deep);
            }
        }
        let is_operand = matches!(literal, Literal::Expr { .. } | Literal::NotExpr { .. });
        if is_operand && matches!(self.kind(), TokenKind::Name(Some(Word::And | Word::Or))) {
            return self.stop(Why::Logical);
        }
        Ok((LiteralStmt { span: self.span_from(first), literal, with_mods }, depth))
    }

    fn literal(&mut self) -> Found<Plain> {
        let first = self.here.pos;
        if self.name_if_stepped() {
            return self.expression(first);
        }
        let is_negated = self.is_word(Word::Not);
        if is_negated {
            self.bump();
            if self.keywords.not && self.raw_kind() == TokenKind::LeftBrace {
                return self.stop(Why::NotBody);
            }
        }
        match self.kind() {
            TokenKind::Name(Some(Word::Some)) if is_negated => self.stop(Why::NegatedSome),
            TokenKind::Name(Some(Word::Every)) if is_negated => self.stop(Why::NegatedEvery),
            TokenKind::Name(Some(Word::Some)) => self.some(),
            TokenKind::Name(Some(Word::Every)) => self.every(),
            _ if is_negated => {
                let term = self.assignment()?;
                Ok((Literal::NotExpr { span: self.span_from(first), expr: term.expr }, term.depth))
            }
            _ => self.expression(first),
        }
    }

    fn expression(&mut self, first: usize) -> Found<Plain> {
        let term = self.assignment()?;
        Ok((Literal::Expr { span: self.span_from(first), expr: term.expr }, term.depth))
    }

    fn some(&mut self) -> Found<Plain> {
        let first = self.here.pos;
        self.bump();
        let here = self.here;
        let found = self.infix(Comma::OfMembership);
        let behind = self.here.pos;
        let looped = match found {
            Ok(term) => match term.expr.as_ref() {
                Expr::Membership { key, value, collection, .. } => {
                    let (key, value, collection) = (key.clone(), value.clone(), collection.clone());
                    let literal = Literal::SomeIn { span: self.span_from(first), key, value, collection };
                    return Ok((literal, term.depth));
                }
                Expr::Call { .. } | Expr::Binary { .. } | Expr::UnaryExpr { .. } => return Err(Stop { at: here.pos, why: Why::Some }),
                _ => None,
            },
            Err(stop) => Some(stop),
        };
        // Names alone.
        self.here = here;
        let mut vars = Vec::new();
        loop {
            if !self.is_plain_name() {
                // Where a loop was being read, the mistake is further on.
                return Err(looped.filter(|stop| stop.at > here.pos).unwrap_or(Stop { at: self.here.pos, why: Why::Some }));
            }
            vars.push(self.span_of(self.here.pos));
            self.bump();
            if self.raw_kind() != TokenKind::Comma {
                break;
            }
            self.bump();
        }
        if let Some(stop) = looped
            && self.here.pos < behind.min(stop.at)
            && !self.token().newline
        {
            return Err(stop);
        }
        Ok((Literal::SomeVars { span: self.span_from(first), vars }, 1))
    }

    fn every(&mut self) -> Found<Plain> {
        let first = self.here.pos;
        self.bump();
        let begin = self.here.pos;
        let looped = self.infix(Comma::OfMembership)?;
        let Expr::Membership { key, value, collection, .. } = looped.expr.as_ref() else {
            return Err(Stop { at: begin, why: Why::Every });
        };
        let variable = |expr: &Expr| match expr {
            Expr::Var { span } if !matches!(span.text(), "input" | "data") => Ok(span.clone()),
            _ => Err(Stop { at: begin, why: Why::EveryVariable }),
        };
        let value = variable(value)?;
        let key: Option<Span> = key.as_deref().map(variable).transpose()?;
        if self.raw_kind() != TokenKind::LeftBrace {
            return self.stop(Why::EveryBody);
        }
        let body = self.block()?;
        let domain = collection.clone();
        let depth = looped.depth.max(body.depth) + 1;
        if depth > super::DEPTH_MAX {
            return Err(Stop { at: first, why: Why::TooDeep });
        }
        Ok((Literal::Every { span: self.span_from(first), key, value, domain, query: body.query }, depth))
    }

    fn modifier(&mut self) -> Found<(WithModifier, u32)> {
        let first = self.here.pos;
        self.bump();
        if !self.is_plain_name() {
            return self.stop(Why::WithTarget);
        }
        let target = self.here.pos;
        let refr = self.term()?;
        if !matches!(*refr.expr, Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. }) {
            return Err(Stop { at: target, why: Why::WithTarget });
        }
        if !self.is_word(Word::As) {
            return self.stop(Why::WithAs);
        }
        self.bump();
        let value = self.infix(Comma::OfMembership)?;
        let depth = refr.depth.max(value.depth);
        Ok((WithModifier { span: self.span_from(first), refr: refr.expr, r#as: value.expr }, depth))
    }

    /// What stands in a template's braces.
    pub(super) fn template_value(&mut self) -> Found<ParsedTerm> {
        let first = self.here.pos;
        let (statement, depth) = self.statement()?;
        let stop = |why| Err(Stop { at: first, why });
        match &statement.literal {
            Literal::Expr { expr, .. } if !matches!(**expr, Expr::AssignExpr { .. }) => {
                if statement.with_mods.is_empty() {
                    Ok(ParsedTerm { expr: expr.clone(), depth })
                } else {
                    stop(Why::TemplateWith)
                }
            }
            _ => stop(Why::TemplateValue),
        }
    }
}
