//! Between the author's tree and the lowered one: names resolved, calls taken out of each other, statements not yet in order.

use std::collections::BTreeSet;
use std::rc::Rc;

use regorus::Value;

use super::super::core::{Collection, Target};
use super::super::tree::{Operator, Span};

/// A variable of a definition.
pub(super) type Var = usize;

pub(super) type Vars = BTreeSet<Var>;

#[derive(Clone, Debug)]
pub(super) enum Flat {
    Const(Value),
    Var(Var),
    Ref(RefHead, Vec<Self>),
    Array(Vec<Self>),
    Set(Vec<Self>),
    Object(Vec<(Self, Self)>),
    Collect(Rc<Collect>),
    /// A function, in the place of another one.
    Named(Box<str>),
}

/// What a reference begins with.
#[derive(Clone, Copy, Debug)]
pub(super) enum RefHead {
    Input,
    Data,
    Var(Var),
}

/// A comprehension.
#[derive(Debug)]
pub(super) struct Collect {
    pub(super) kind: Collection,
    pub(super) key: Option<Flat>,
    pub(super) item: Flat,
    pub(super) body: Vec<FlatExpr>,
    /// It stands for what `$"…{x}…"` has between braces: it gives no variable a value, not even in itself.
    pub(super) is_part: bool,
}

/// One expression of a body.
#[derive(Clone, Debug)]
pub(super) struct FlatExpr {
    /// The statement that it comes from.
    pub(super) span: Span,
    pub(super) negated: bool,
    pub(super) what: FlatExprKind,
    pub(super) with: Rc<[(Target, Flat)]>,
}

/// What an expression says. A `Not` is one that nothing is taken out of, with the variables of ours in it: what
/// `import future.keywords.not` makes of one.
#[derive(Clone, Debug)]
pub(super) enum FlatExprKind {
    Term(Flat),
    Equal(Flat, Flat),
    Call { callee: Callee, args: Vec<Flat>, out: Option<Flat> },
    Every { key: Option<Var>, item: Option<Var>, domain: Flat, body: Rc<Vec<FlatExpr>> },
    Not { body: Rc<Vec<FlatExpr>>, own: Rc<Vars> },
}

#[derive(Clone, Debug)]
pub(super) enum Callee {
    Builtin(Box<str>),
    Function(usize),
    Operator(Operator),
    /// Of an item and a collection.
    Member,
    /// Of a key, an item and a collection.
    MemberAt,
    Template,
}

impl Flat {
    /// What it is made of: a collection's parts, a reference's steps. What stands in a comprehension is another matter.
    pub(super) fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Const(_) | Self::Var(_) | Self::Collect(_) | Self::Named(_) => Vec::new(),
            Self::Ref(_, parts) | Self::Array(parts) | Self::Set(parts) => parts.iter().collect(),
            Self::Object(fields) => fields.iter().flat_map(|(key, value)| [key, value]).collect(),
        }
    }

    /// Whether it has to be evaluated to know that it is defined.
    pub(super) fn requires_evaluation(&self) -> bool {
        matches!(self, Self::Ref(..) | Self::Collect(_)) || self.parts().into_iter().any(Self::requires_evaluation)
    }

    /// Its variables, those of comprehensions left out.
    pub(super) fn vars(&self, found: &mut Vars) {
        match self {
            Self::Var(var) => drop(found.insert(*var)),
            Self::Ref(head, _) => head.vars(found),
            Self::Const(_) | Self::Array(_) | Self::Set(_) | Self::Object(_) | Self::Collect(_) | Self::Named(_) => {}
        }
        self.parts().into_iter().for_each(|part| part.vars(found));
    }

    /// The variables of its comprehensions, however deep.
    pub(super) fn closed_over(&self, found: &mut Vars) {
        if let Self::Collect(collect) = self {
            for part in collect.key.iter().chain([&collect.item]) {
                part.vars(found);
                part.closed_over(found);
            }
            all_vars(&collect.body, found);
        }
        self.parts().into_iter().for_each(|part| part.closed_over(found));
    }
}

impl RefHead {
    pub(super) fn vars(&self, found: &mut Vars) {
        match self {
            Self::Input | Self::Data => {}
            Self::Var(var) => drop(found.insert(*var)),
        }
    }
}

/// Every variable of a body, those of comprehensions included.
fn all_vars(body: &[FlatExpr], found: &mut Vars) {
    for expr in body {
        expr.vars(found);
        expr.closed_over(found);
    }
}

impl FlatExpr {
    /// The terms that stand in it directly.
    pub(super) fn terms(&self) -> Vec<&Flat> {
        let mut terms: Vec<&Flat> = match &self.what {
            FlatExprKind::Term(term) => vec![term],
            FlatExprKind::Equal(one, other) => vec![one, other],
            FlatExprKind::Call { args, out, .. } => args.iter().chain(out).collect(),
            FlatExprKind::Every { domain, .. } => vec![domain],
            FlatExprKind::Not { .. } => Vec::new(),
        };
        terms.extend(self.with.iter().map(|(_, value)| value));
        terms
    }

    /// Its variables, those of comprehensions and of the body of an `every` left out.
    pub(super) fn vars(&self, found: &mut Vars) {
        self.terms().into_iter().for_each(|term| term.vars(found));
        if let FlatExprKind::Not { body, own } = &self.what {
            let mut within = Vars::new();
            body.iter().for_each(|expr| expr.vars(&mut within));
            found.extend(within.difference(own));
        }
    }

    /// The variables of its comprehensions, and of the body of an `every`.
    pub(super) fn closed_over(&self, found: &mut Vars) {
        self.terms().into_iter().for_each(|term| term.closed_over(found));
        match &self.what {
            FlatExprKind::Every { body, .. } => all_vars(body, found),
            FlatExprKind::Not { body, own } => {
                let mut within = Vars::new();
                body.iter().for_each(|expr| expr.closed_over(&mut within));
                found.extend(within.difference(own));
            }
            FlatExprKind::Term(_) | FlatExprKind::Equal(..) | FlatExprKind::Call { .. } => {}
        }
    }
}
