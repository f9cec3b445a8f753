//! A module as its author wrote it: every name, every form, every place.
//!
//! Nothing is decided here. What names stand for is said by [lowering](super::lower); what is told to the author is told of these places.

#![expect(
    dead_code,
    clippy::enum_variant_names,
    reason = "a tree says where everything stands, whether somebody asks or not; the names are those of Rego's grammar"
)]

use std::sync::Arc;

use regorus::Value;

/// A text with the name that messages call it by.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::policy) struct Source {
    pub(in crate::policy) name: Box<str>,
    pub(in crate::policy) text: Box<str>,
}

/// A piece of a text.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Span {
    pub(in crate::policy) source: Arc<Source>,
    /// Of its beginning, 1-based.
    pub(in crate::policy) line: u32,
    /// Of its beginning, 1-based, in characters.
    pub(in crate::policy) col: u32,
    /// In bytes.
    pub(in crate::policy) start: u32,
    /// In bytes.
    pub(in crate::policy) end: u32,
}

impl Span {
    pub(in crate::policy) fn text(&self) -> &str {
        self.source.text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// From the beginning of this one to the end of another.
    pub(in crate::policy) fn to(&self, other: &Self) -> Self {
        Self { end: other.end.max(self.end), ..self.clone() }
    }
}

pub(in crate::policy) type ExprRef = Arc<Expr>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum BinOp {
    Intersection,
    Union,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum ArithOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum BoolOp {
    Lt,
    Le,
    Eq,
    Ge,
    Gt,
    Ne,
}

/// Between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Operator {
    Sets(BinOp),
    Compare(BoolOp),
    Arithmetic(ArithOp),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Collection {
    Array,
    Set,
    Object,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum AssignOp {
    /// `=`
    Eq,
    /// `:=`
    ColEq,
}

#[derive(Debug)]
pub(in crate::policy) enum Expr {
    /// `null`, `true`, `5`, `"a"`, `` `a` ``
    Scalar { span: Span, value: Value },
    /// `$"…{x}…"`
    Template { span: Span, parts: Vec<TemplatePart> },
    /// A name; `_` too.
    Var { span: Span },
    /// `[a, b]`
    Array { span: Span, items: Vec<ExprRef> },
    /// `{a, b}`, `set()`
    Set { span: Span, items: Vec<ExprRef> },
    /// `{k: v}`; each field with its own place.
    Object { span: Span, fields: Vec<(Span, ExprRef, ExprRef)> },
    /// `[x | …]`, `{x | …}`, `{k: x | …}`: the last has a key.
    Compr { span: Span, kind: Collection, key: Option<ExprRef>, item: ExprRef, query: Arc<Query> },
    /// `f(a, b)`
    Call { span: Span, fcn: ExprRef, params: Vec<ExprRef> },
    /// `-x`
    UnaryExpr { span: Span, expr: ExprRef },
    /// `a.b`; `field` is the place of the name behind the dot.
    RefDot { span: Span, refr: ExprRef, field: Span },
    /// `a[b]`
    RefBrack { span: Span, refr: ExprRef, index: ExprRef },
    /// `a + b`, `a & b`, `a < b`
    Binary { span: Span, op: Operator, lhs: ExprRef, rhs: ExprRef },
    /// `=`, `:=`. Only at the top of a statement.
    AssignExpr { span: Span, op: AssignOp, lhs: ExprRef, rhs: ExprRef },
    /// `x in xs`, `k, x in xs`
    Membership { span: Span, key: Option<ExprRef>, value: ExprRef, collection: ExprRef },
}

#[derive(Debug)]
pub(in crate::policy) enum TemplatePart {
    Text(Box<str>),
    Expr(ExprRef),
}

impl Expr {
    pub(in crate::policy) fn span(&self) -> &Span {
        match self {
            Self::Scalar { span, .. }
            | Self::Template { span, .. }
            | Self::Var { span }
            | Self::Array { span, .. }
            | Self::Set { span, .. }
            | Self::Object { span, .. }
            | Self::Compr { span, .. }
            | Self::Call { span, .. }
            | Self::UnaryExpr { span, .. }
            | Self::RefDot { span, .. }
            | Self::RefBrack { span, .. }
            | Self::Binary { span, .. }
            | Self::AssignExpr { span, .. }
            | Self::Membership { span, .. } => span,
        }
    }
}

#[derive(Debug)]
pub(in crate::policy) enum Literal {
    /// `some x, y`
    SomeVars { span: Span, vars: Vec<Span> },
    /// `some x in xs`, `some k, x in xs`
    SomeIn { span: Span, key: Option<ExprRef>, value: ExprRef, collection: ExprRef },
    /// `x`, `x := y`
    Expr { span: Span, expr: ExprRef },
    /// `not …`
    NotExpr { span: Span, expr: ExprRef },
    /// `every x in xs { … }`
    Every { span: Span, key: Option<Span>, value: Span, domain: ExprRef, query: Arc<Query> },
}

#[derive(Debug)]
pub(in crate::policy) struct WithModifier {
    pub(in crate::policy) span: Span,
    pub(in crate::policy) refr: ExprRef,
    pub(in crate::policy) r#as: ExprRef,
}

#[derive(Debug)]
pub(in crate::policy) struct LiteralStmt {
    pub(in crate::policy) span: Span,
    pub(in crate::policy) literal: Literal,
    pub(in crate::policy) with_mods: Vec<WithModifier>,
}

#[derive(Debug)]
pub(in crate::policy) struct Query {
    pub(in crate::policy) span: Span,
    pub(in crate::policy) stmts: Vec<LiteralStmt>,
}

/// The value that a head, or an `else`, gives: `:= v`, `= v`.
#[derive(Debug)]
pub(in crate::policy) struct RuleAssign {
    pub(in crate::policy) span: Span,
    pub(in crate::policy) op: AssignOp,
    pub(in crate::policy) value: ExprRef,
}

#[derive(Debug)]
pub(in crate::policy) struct RuleBody {
    pub(in crate::policy) span: Span,
    /// The value of an `else`; `None` in a first body, whose value stands in the head.
    pub(in crate::policy) assign: Option<RuleAssign>,
    /// Behind an `else`. One that is not is, behind another, a body more (v0's `p { … } { … }`).
    pub(in crate::policy) is_else: bool,
    /// Empty for `else := v` without a body.
    pub(in crate::policy) query: Arc<Query>,
}

#[derive(Debug)]
pub(in crate::policy) enum RuleHead {
    /// `p`, `p := v`, `p.q[r] := v`
    Compr { span: Span, refr: ExprRef, assign: Option<RuleAssign> },
    /// `p contains k`, `p.q contains k`; v0's `p[k]` with one step, which has its key in `key`, too.
    Set { span: Span, refr: ExprRef, key: ExprRef },
    /// `f(x) := v`
    Func { span: Span, refr: ExprRef, args: Vec<ExprRef>, assign: Option<RuleAssign> },
}

#[derive(Debug)]
pub(in crate::policy) enum AuthoredRule {
    Spec { span: Span, head: RuleHead, bodies: Vec<RuleBody> },
    Default { span: Span, refr: ExprRef, args: Vec<ExprRef>, op: AssignOp, value: ExprRef },
}

impl AuthoredRule {
    pub(in crate::policy) fn span(&self) -> &Span {
        let (Self::Spec { span, .. } | Self::Default { span, .. }) = self;
        span
    }
}

#[derive(Debug)]
pub(in crate::policy) struct Package {
    pub(in crate::policy) span: Span,
    pub(in crate::policy) refr: ExprRef,
}

#[derive(Debug)]
pub(in crate::policy) struct Import {
    pub(in crate::policy) span: Span,
    pub(in crate::policy) refr: ExprRef,
    pub(in crate::policy) r#as: Option<Span>,
}

/// A module, of whichever version.
#[derive(Debug)]
pub(in crate::policy) struct Module {
    pub(in crate::policy) source: Arc<Source>,
    pub(in crate::policy) package: Package,
    pub(in crate::policy) imports: Vec<Import>,
    pub(in crate::policy) policy: Vec<Arc<AuthoredRule>>,
    /// Parsed as v1, or as v0 with `import rego.v1`.
    pub(in crate::policy) rego_v1: bool,
    /// Whether `import future.keywords` or `future.keywords.not` has made whatever stands behind a `not` a body of its own: OPA then takes
    /// nothing out of it.
    pub(in crate::policy) not_bodies: bool,
}
