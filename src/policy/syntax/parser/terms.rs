//! What has a value.

use std::sync::Arc;

use regorus::Value;

use super::super::lexer::{TokenKind, Word, unescape};
use super::super::tree::{ArithOp, AssignOp, BinOp, BoolOp, Collection, Expr, ExprRef, Operator, Span, TemplatePart};
use super::super::walk;
use super::reader::{Comma, DEPTH_MAX, DIGITS_MAX, Found, ParsedBody, ParsedTerm, Parser, Stop, Why};
use crate::model::RegoVersion;

/// By how tightly they bind.
#[derive(Clone, Copy)]
enum Level {
    Relation,
    Union,
    Intersection,
    Sum,
    Product,
}

impl Parser<'_> {
    /// What may be a statement: an expression, or one that is bound to another.
    pub(super) fn assignment(&mut self) -> Found<ParsedTerm> {
        let first = self.here.pos;
        let lhs = self.infix(Comma::OfMembership)?;
        let op = match self.kind() {
            TokenKind::Assign => AssignOp::ColEq,
            TokenKind::Unify => AssignOp::Eq,
            _ => return Ok(lhs),
        };
        self.bump();
        let rhs = self.infix(Comma::OfMembership)?;
        let depth = ParsedTerm::around([&lhs, &rhs]);
        self.made(first, depth, |span| Expr::AssignExpr { span, op, lhs: lhs.expr, rhs: rhs.expr })
    }

    /// An expression with its operators.
    pub(super) fn infix(&mut self, comma: Comma) -> Found<ParsedTerm> {
        let first = self.here.pos;
        let mut lhs = self.operands(Level::Relation)?;
        if comma == Comma::OfMembership && self.kind() == TokenKind::Comma {
            match self.second_of_membership(first, &lhs)? {
                Some(found) => lhs = found,
                None => return Ok(lhs),
            }
            if !self.is_word(Word::In) {
                return Ok(lhs);
            }
        }
        loop {
            self.name_if_stepped();
            if !self.is_word(Word::In) {
                return Ok(lhs);
            }
            self.bump();
            let rhs = self.operands(Level::Relation)?;
            let depth = ParsedTerm::around([&lhs, &rhs]);
            lhs = self.made(first, depth, |span| Expr::Membership { span, key: None, value: lhs.expr, collection: rhs.expr })?;
            if !self.is_word(Word::In) {
                return Ok(lhs);
            }
        }
    }

    /// The rest of `k, x in xs` behind the `k`, if that is what it is.
    fn second_of_membership(&mut self, first: usize, key: &ParsedTerm) -> Found<Option<ParsedTerm>> {
        let here = self.here;
        self.bump();
        let second = self.operands(Level::Relation);
        let Ok(value) = second else {
            self.here = here;
            return Ok(None);
        };
        if !self.is_word(Word::In) {
            self.here = here;
            return Ok(None);
        }
        self.bump();
        let collection = self.operands(Level::Relation)?;
        let depth = ParsedTerm::around([key, &value, &collection]);
        let key = Some(key.expr.clone());
        self.made(first, depth, |span| Expr::Membership { span, key, value: value.expr, collection: collection.expr }).map(Some)
    }

    fn operands(&mut self, level: Level) -> Found<ParsedTerm> {
        let first = self.here.pos;
        let mut lhs = self.tighter(level)?;
        while let Some(op) = self.operator(level) {
            self.bump();
            let rhs = self.tighter(level)?;
            let depth = ParsedTerm::around([&lhs, &rhs]);
            lhs = self.made(first, depth, |span| Expr::Binary { span, op, lhs: lhs.expr, rhs: rhs.expr })?;
        }
        Ok(lhs)
    }

    fn tighter(&mut self, level: Level) -> Found<ParsedTerm> {
        match level {
            Level::Relation => self.operands(Level::Union),
            Level::Union => self.operands(Level::Intersection),
            Level::Intersection => self.operands(Level::Sum),
            Level::Sum => self.operands(Level::Product),
            Level::Product => self.term(),
        }
    }

    fn operator(&self, level: Level) -> Option<Operator> {
        Some(match (level, self.raw_kind()) {
            (Level::Relation, TokenKind::Equal) => Operator::Compare(BoolOp::Eq),
            (Level::Relation, TokenKind::NotEqual) => Operator::Compare(BoolOp::Ne),
            (Level::Relation, TokenKind::Less) => Operator::Compare(BoolOp::Lt),
            (Level::Relation, TokenKind::LessEqual) => Operator::Compare(BoolOp::Le),
            (Level::Relation, TokenKind::Greater) => Operator::Compare(BoolOp::Gt),
            (Level::Relation, TokenKind::GreaterEqual) => Operator::Compare(BoolOp::Ge),
            (Level::Union, TokenKind::Bar) => Operator::Sets(BinOp::Union),
            (Level::Intersection, TokenKind::Ampersand) => Operator::Sets(BinOp::Intersection),
            (Level::Sum, TokenKind::Plus) => Operator::Arithmetic(ArithOp::Add),
            (Level::Sum, TokenKind::Minus) => Operator::Arithmetic(ArithOp::Sub),
            (Level::Product, TokenKind::Star) => Operator::Arithmetic(ArithOp::Mul),
            (Level::Product, TokenKind::Slash) => Operator::Arithmetic(ArithOp::Div),
            (Level::Product, TokenKind::Percent) => Operator::Arithmetic(ArithOp::Mod),
            _ => return None,
        })
    }

    /// An expression without operators outside of brackets.
    pub(super) fn term(&mut self) -> Found<ParsedTerm> {
        let first = self.here.pos;
        if !matches!(self.raw_kind(), TokenKind::LeftBrace | TokenKind::LeftBrack) {
            return self.read_term();
        }
        if let Some(known) = self.terms.get(&first) {
            let (term, behind) = known.clone()?;
            self.here = super::Here { pos: behind, named: None };
            return Ok(term);
        }
        let found = self.read_term();
        let behind = self.here.pos;
        self.terms.insert(first, found.clone().map(|term| (term, behind)));
        found
    }

    fn read_term(&mut self) -> Found<ParsedTerm> {
        let first = self.here.pos;
        let next = self.at(first + 1);
        let head = match self.kind() {
            TokenKind::Name(Some(Word::Null)) => self.literal_value(|span| Expr::Scalar { span, value: Value::Null })?,
            TokenKind::Name(Some(Word::True)) => self.literal_value(|span| Expr::Scalar { span, value: true.into() })?,
            TokenKind::Name(Some(Word::False)) => self.literal_value(|span| Expr::Scalar { span, value: false.into() })?,
            // A call of a function that is named as the operator is.
            TokenKind::Name(Some(Word::And | Word::Or)) if next.kind == TokenKind::LeftParen && !next.spaced => self.name()?,
            TokenKind::Name(None | Some(Word::Contains)) => self.name()?,
            TokenKind::Minus => {
                self.bump();
                if matches!(self.kind(), TokenKind::Name(None | Some(Word::Contains))) {
                    let name = self.name()?;
                    let term = self.reference(name, first + 1)?;
                    let depth = term.depth + 1;
                    return self.made(first, depth, |span| Expr::UnaryExpr { span, expr: term.expr });
                }
                self.number(first)?
            }
            TokenKind::Number | TokenKind::Dot => self.number(first)?,
            TokenKind::String => self.literal_value(|span| {
                let value = Value::from(unescape(inner(span.text(), 1)));
                Expr::Scalar { span, value }
            })?,
            TokenKind::RawString => self.literal_value(|span| {
                let value = Value::from(inner(span.text(), 1));
                Expr::Scalar { span, value }
            })?,
            TokenKind::Template { first: true, .. } if self.version == RegoVersion::V0 => return self.stop(Why::TemplateOfV1),
            TokenKind::Template { first: true, .. } => self.template()?,
            TokenKind::LeftBrack => self.nest(Self::array)?,
            TokenKind::LeftBrace => self.nest(Self::set_or_object)?,
            TokenKind::LeftParen => {
                let term = self.nest(|parser| parser.parenthesized(first))?;
                // `(input).x` is refused by OPA, to which `input` is a reference already.
                let is_root = matches!(walk::var(&term.expr), Some("input" | "data"));
                if is_root && self.follows_glued() {
                    return Err(Stop { at: first, why: Why::NoFields });
                }
                term
            }
            _ => return self.stop(Why::Term),
        };
        self.reference(head, first)
    }

    fn parenthesized(&mut self, open: usize) -> Found<ParsedTerm> {
        self.bump();
        let term = self.infix(Comma::OfMembership)?;
        if self.raw_kind() != TokenKind::RightParen {
            return self.stop(Why::Paren(open));
        }
        self.bump();
        Ok(term)
    }

    fn literal_value(&mut self, make: impl FnOnce(Span) -> Expr) -> Found<ParsedTerm> {
        let first = self.here.pos;
        self.bump();
        self.made(first, 1, make)
    }

    fn name(&mut self) -> Found<ParsedTerm> {
        if let TokenKind::Name(Some(Word::If | Word::In | Word::Every)) = self.raw_kind()
            && self.here.named.is_none()
        {
            self.plain_words.push(self.here.pos);
        }
        self.literal_value(|span| Expr::Var { span })
    }

    /// A number behind the minus sign that may stand before it.
    fn number(&mut self, first: usize) -> Found<ParsedTerm> {
        let is_negative = self.here.pos > first;
        let is_fraction = self.raw_kind() == TokenKind::Dot;
        if is_fraction {
            self.bump();
        }
        if self.raw_kind() != TokenKind::Number {
            return self.stop(Why::Digits);
        }
        let digits = self.token().place;
        let digits = self.source.text.get(digits.start as usize..digits.end as usize).unwrap_or_default();
        let after_zero = digits.strip_prefix('0').and_then(|rest| rest.chars().next());
        if !is_fraction && after_zero.is_some_and(|next| !matches!(next, '.' | 'e' | 'E')) {
            return self.stop(Why::LeadingZero);
        }
        if is_fraction && digits.contains('.') {
            return self.stop(Why::Digits);
        }
        let sign = if is_negative { "-" } else { "" };
        // The engine's numbers want a digit before the point.
        let text = if is_fraction { format!("{sign}0.{digits}") } else { format!("{sign}{digits}") };
        let Some(places) = decimal_places(&text) else {
            self.bump();
            return self.made(first, 1, |span| Expr::Scalar { span, value: Value::from(0_u64) });
        };
        if !(-PLACES_MAX..=PLACES_MAX).contains(&places) {
            return self.stop(Why::TooBig);
        }
        self.digits += u64::try_from(text.len().max(usize::try_from(places).unwrap_or(0))).unwrap_or(u64::MAX).saturating_sub(20);
        if self.digits > DIGITS_MAX {
            return self.stop(Why::TooManyDigits);
        }
        let Ok(value) = Value::from_numeric_string(&text) else { return self.stop(Why::TooBig) };
        self.bump();
        self.made(first, 1, |span| Expr::Scalar { span, value })
    }

    fn template(&mut self) -> Found<ParsedTerm> {
        self.nest(|parser| {
            let first = parser.here.pos;
            let mut parts = Vec::new();
            let mut depth = 0;
            loop {
                let open = parser.here.pos;
                let TokenKind::Template { first: begins, last } = parser.raw_kind() else { return parser.stop(Why::TemplateEnd(open)) };
                let place = parser.token().place;
                let text = parser.source.text.get(place.start as usize..place.end as usize).unwrap_or_default();
                // A raw one is told by its first quote alone, and its backslashes stand for themselves, but for those before a `{`.
                let is_raw = parser.source.text.get(parser.at(first).place.start as usize + 1..).is_some_and(|rest| rest.starts_with('`'));
                let inner = inner(text, if begins { 2 } else { 1 });
                let text = if is_raw { inner.replace("\\{", "{") } else { unescape(inner) };
                if !text.is_empty() {
                    parts.push(TemplatePart::Text(text.into()));
                }
                parser.bump();
                if last {
                    return parser.made(first, depth + 1, |span| Expr::Template { span, parts });
                }
                let term = parser.template_value()?;
                depth = depth.max(term.depth);
                parts.push(TemplatePart::Expr(term.expr));
                if !matches!(parser.raw_kind(), TokenKind::Template { first: false, .. }) {
                    return parser.stop(Why::TemplateEnd(open));
                }
            }
        })
    }

    /// Whether a step, or arguments, follow without a blank.
    fn follows_glued(&self) -> bool {
        matches!(self.raw_kind(), TokenKind::LeftParen | TokenKind::Dot | TokenKind::LeftBrack) && !self.token().spaced
    }

    /// What is taken out of a term, or called, by what follows it without a blank.
    fn reference(&mut self, head: ParsedTerm, first: usize) -> Found<ParsedTerm> {
        if !self.follows_glued() {
            return Ok(head);
        }
        self.steps(head, first)
    }

    /// The same where what follows may be behind a blank, as in a rule's head.
    pub(super) fn head_reference(&mut self) -> Found<ParsedTerm> {
        let first = self.here.pos;
        let head = self.name()?;
        if matches!(self.raw_kind(), TokenKind::LeftParen | TokenKind::Dot | TokenKind::LeftBrack) {
            self.steps(head, first)
        } else {
            Ok(head)
        }
    }

    fn steps(&mut self, head: ParsedTerm, first: usize) -> Found<ParsedTerm> {
        if !has_fields(&head.expr) {
            return Err(Stop { at: first, why: Why::NoFields });
        }
        let mut term = head;
        loop {
            let depth = term.depth + 1;
            match self.raw_kind() {
                TokenKind::Dot => {
                    self.bump();
                    let is_name = matches!(self.raw_kind(), TokenKind::Name(_));
                    if !is_name || self.token().spaced {
                        return self.stop(Why::Field);
                    }
                    let field = self.span_of(self.here.pos);
                    self.bump();
                    term = self.made(first, depth, |span| Expr::RefDot { span, refr: term.expr, field })?;
                }
                TokenKind::LeftBrack => {
                    let open = self.here.pos;
                    self.bump();
                    let index = self.nest(|parser| parser.infix(Comma::OfMembership))?;
                    if self.raw_kind() != TokenKind::RightBrack {
                        return self.stop(Why::Index(open));
                    }
                    self.bump();
                    let depth = depth.max(index.depth + 1);
                    term = self.made(first, depth, |span| Expr::RefBrack { span, refr: term.expr, index: index.expr })?;
                }
                TokenKind::LeftParen => {
                    term = self.nest(|parser| parser.call(term, first))?;
                    if self.raw_kind() == TokenKind::LeftParen {
                        return Ok(term);
                    }
                }
                _ => return Ok(term),
            }
            if !self.follows_glued() {
                return Ok(term);
            }
        }
    }

    fn call(&mut self, fcn: ParsedTerm, first: usize) -> Found<ParsedTerm> {
        let open = self.here.pos;
        self.bump();
        let is_set = walk::var(&fcn.expr) == Some("set");
        if is_set && self.raw_kind() == TokenKind::RightParen {
            self.bump();
            return self.made(first, 1, |span| Expr::Set { span, items: Vec::new() });
        }
        let params = self.list(open, TokenKind::RightParen, Vec::new())?;
        self.bump();
        let depth = ParsedTerm::around(params.iter().chain([&fcn]));
        self.made(first, depth, |span| Expr::Call { span, fcn: fcn.expr, params: exprs(params) })
    }

    /// The rest of a list, up to what closes it.
    fn list(&mut self, open: usize, close: TokenKind, mut items: Vec<ParsedTerm>) -> Found<Vec<ParsedTerm>> {
        while self.raw_kind() != close {
            items.push(self.infix(Comma::OfList)?);
            if self.raw_kind() == TokenKind::Comma {
                self.bump();
            } else if self.raw_kind() != close {
                return self.stop(Why::List(open));
            }
        }
        Ok(items)
    }

    fn array(&mut self) -> Found<ParsedTerm> {
        let open = self.here.pos;
        self.bump();
        if self.raw_kind() == TokenKind::RightBrack {
            self.bump();
            return self.made(open, 1, |span| Expr::Array { span, items: Vec::new() });
        }
        let leading = self.leading_comma();
        let here = self.here;
        let head = self.term()?;
        if self.raw_kind() == TokenKind::Bar
            && !leading
            && let Some(body) = self.comprehended(TokenKind::RightBrack, open)?
        {
            return self.comprehension(open, Collection::Array, None, head, body);
        }
        self.here = here;
        let items = self.items(open, TokenKind::RightBrack)?;
        self.bump();
        let depth = ParsedTerm::around(&items);
        self.made(open, depth, |span| Expr::Array { span, items: exprs(items) })
    }

    /// OPA takes one before the first item, too.
    fn leading_comma(&mut self) -> bool {
        let found = self.raw_kind() == TokenKind::Comma;
        if found {
            self.bump();
        }
        found
    }

    /// A list with an item at least.
    fn items(&mut self, open: usize, close: TokenKind) -> Found<Vec<ParsedTerm>> {
        if self.raw_kind() == close { self.stop(Why::Term) } else { self.list(open, close, Vec::new()) }
    }

    /// A comprehension's body behind its `|`, and the bracket that closes it. `None` if a comma shows that the `|` was a union's.
    fn comprehended(&mut self, close: TokenKind, open: usize) -> Found<Option<ParsedBody>> {
        self.bump();
        match self.query(close, Some(open)) {
            Ok(body) => {
                self.bump();
                Ok(Some(body))
            }
            Err(_) if self.raw_kind() == TokenKind::Comma => Ok(None),
            Err(stop) => Err(stop),
        }
    }

    fn comprehension(
        &self,
        open: usize,
        kind: Collection,
        key: Option<ParsedTerm>,
        item: ParsedTerm,
        body: ParsedBody,
    ) -> Found<ParsedTerm> {
        let depth = ParsedTerm::around(key.iter().chain([&item])).max(body.depth + 1);
        let key = key.map(|key| key.expr);
        self.made(open, depth, |span| Expr::Compr { span, kind, key, item: item.expr, query: body.query })
    }

    fn set_or_object(&mut self) -> Found<ParsedTerm> {
        let open = self.here.pos;
        self.bump();
        if self.raw_kind() == TokenKind::RightBrace {
            self.bump();
            return self.made(open, 1, |span| Expr::Object { span, fields: Vec::new() });
        }
        let leading = self.leading_comma();
        let here = self.here;
        let head = self.term()?;
        match self.raw_kind() {
            TokenKind::Bar if !leading => {
                if let Some(body) = self.comprehended(TokenKind::RightBrace, open)? {
                    return self.comprehension(open, Collection::Set, None, head, body);
                }
                self.here = here;
                return self.set(open);
            }
            TokenKind::RightBrace | TokenKind::Comma => {
                self.here = here;
                return self.set(open);
            }
            TokenKind::Colon => return self.object(open, head, leading),
            _ => {}
        }
        self.here = here;
        let head = self.infix(Comma::OfList)?;
        match self.raw_kind() {
            TokenKind::RightBrace | TokenKind::Comma => {
                self.here = here;
                self.set(open)
            }
            TokenKind::Colon => self.object(open, head, leading),
            _ => self.stop(Why::Braces(open)),
        }
    }

    fn set(&mut self, open: usize) -> Found<ParsedTerm> {
        let items = self.items(open, TokenKind::RightBrace)?;
        self.bump();
        let depth = ParsedTerm::around(&items);
        self.made(open, depth, |span| Expr::Set { span, items: exprs(items) })
    }

    /// An object, or a comprehension of one, behind its first key.
    fn object(&mut self, open: usize, key: ParsedTerm, leading: bool) -> Found<ParsedTerm> {
        let first = if leading { open + 2 } else { open + 1 };
        self.bump();
        let here = self.here;
        let value = self.term()?;
        if self.raw_kind() != TokenKind::Bar || leading {
            self.here = here;
            return self.fields(open, first, key);
        }
        match self.comprehended(TokenKind::RightBrace, open) {
            Ok(Some(body)) => self.comprehension(open, Collection::Object, Some(key), value, body),
            Ok(None) => {
                self.here = here;
                self.fields(open, first, key)
            }
            // Of the two readings, the one that went further is what the author meant.
            Err(stop) => {
                self.here = here;
                self.fields(open, first, key).map_err(|other| if other.at > stop.at { other } else { stop })
            }
        }
    }

    /// The fields of an object behind its first key.
    fn fields(&mut self, open: usize, first: usize, key: ParsedTerm) -> Found<ParsedTerm> {
        let mut depth = 0;
        let mut fields = Vec::new();
        let mut next = Some((first, key));
        while let Some((first, key)) = next.take() {
            let value = self.infix(Comma::OfList)?;
            depth = depth.max(key.depth).max(value.depth);
            fields.push((self.span_from(first), key.expr, value.expr));
            match self.raw_kind() {
                TokenKind::Comma => self.bump(),
                TokenKind::RightBrace => break,
                _ => return self.stop(if fields.len() == 1 { Why::Braces(open) } else { Why::List(open) }),
            }
            if self.raw_kind() == TokenKind::RightBrace {
                break;
            }
            let first = self.here.pos;
            let key = self.infix(Comma::OfList)?;
            if self.raw_kind() != TokenKind::Colon {
                return self.stop(Why::Colon(open));
            }
            self.bump();
            next = Some((first, key));
        }
        self.bump();
        self.made(open, depth + 1, |span| Expr::Object { span, fields })
    }

    /// An expression from a token to here.
    fn made(&self, first: usize, depth: u32, make: impl FnOnce(Span) -> Expr) -> Found<ParsedTerm> {
        if depth > DEPTH_MAX {
            return Err(Stop { at: first, why: Why::TooDeep });
        }
        Ok(ParsedTerm { expr: Arc::new(make(self.span_from(first))), depth })
    }
}

fn exprs(terms: Vec<ParsedTerm>) -> Vec<ExprRef> {
    terms.into_iter().map(|term| term.expr).collect()
}

/// A text without what stands around it: so many bytes before, one behind.
fn inner(text: &str, before: usize) -> &str {
    text.get(before..text.len().saturating_sub(1)).unwrap_or_default()
}

/// Whether OPA lets something be taken out of it.
fn has_fields(expr: &Expr) -> bool {
    match expr {
        Expr::Scalar { .. }
        | Expr::Template { .. }
        // In brackets: what is not is taken whole.
        | Expr::RefDot { .. }
        | Expr::RefBrack { .. } => false,
        Expr::Var { .. }
        | Expr::Array { .. }
        | Expr::Set { .. }
        | Expr::Object { .. }
        | Expr::Compr { .. }
        | Expr::Call { .. }
        | Expr::UnaryExpr { .. }
        | Expr::Binary { .. }
        | Expr::AssignExpr { .. }
        | Expr::Membership { .. } => true,
    }
}

/// OPA takes numbers of up to 100,000 binary places.
const PLACES_MAX: i64 = 30_103;

/// How many digits a number has before its point, or, negative, zeros behind it. `None` for zero, whatever its exponent.
fn decimal_places(text: &str) -> Option<i64> {
    let text = text.trim_start_matches('-');
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let count = |digits: &str| i64::try_from(digits.len()).unwrap_or(i64::MAX);
    let significant = whole.trim_start_matches('0');
    let places = if significant.is_empty() {
        let behind_zeros = fraction.trim_start_matches('0');
        if behind_zeros.is_empty() {
            return None;
        }
        count(behind_zeros) - count(fraction)
    } else {
        count(significant)
    };
    let exponent =
        exponent.trim_start_matches('+').parse().unwrap_or(if exponent.starts_with('-') { -PLACES_MAX - 1 } else { PLACES_MAX + 1 });
    Some(places.saturating_add(exponent))
}
