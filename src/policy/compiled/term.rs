//! A program as it is run: names are numbers, and what can be known beforehand is known.

use regorus::Value;

use super::index::{Guards, Index};
use crate::policy::builtins::Callable;
use crate::policy::syntax::core::{Collection, Kind, Node, Target};
use crate::policy::syntax::tree::{ArithOp, BinOp, BoolOp, Span};

/// All definitions under one path.
pub(super) struct Rule {
    /// Below `data`.
    pub(super) path: Vec<Box<str>>,
    pub(super) kind: Kind,
    pub(super) default: Option<Default>,
    pub(super) made: Definitions,
    /// Its value, if that depends on nothing.
    pub(super) constant: Option<Value>,
    /// Some `with` of the program puts another value in its place.
    pub(super) is_replaced: bool,
    /// Where its value is kept for the rest of an evaluation, if more than the gate asks for it.
    pub(super) cell: Option<usize>,
}

pub(super) struct Function {
    pub(super) default: Option<Default>,
    pub(super) made: Definitions,
}

/// A value for want of others, and how many slots it takes to evaluate.
pub(super) struct Default {
    pub(super) value: Term,
    pub(super) slots: usize,
}

pub(super) struct Definitions {
    pub(super) all: Vec<Definition>,
    /// Which of them can have a solution at all.
    pub(super) index: Option<Index>,
    /// Only one value comes of them, and it is written out.
    pub(super) one_value: bool,
    /// Which branches are looked at decides whether one value is enough.
    pub(super) is_mixed: bool,
    /// Steps of one may lead into what another one puts.
    pub(super) is_uneven: bool,
}

pub(super) struct Definition {
    pub(super) slots: usize,
    pub(super) branches: Vec<Branch>,
}

pub(super) struct Branch {
    pub(super) at: Place,
    pub(super) span: Span,
    /// What must hold wherever it stands in the body, and is cheap to know.
    pub(super) guards: Guards,
    pub(super) body: Vec<Stmt>,
    pub(super) steps: Vec<Term>,
    pub(super) value: Term,
    /// The value is an item of a set.
    pub(super) is_item: bool,
}

impl Branch {
    /// Its value, if that is written out.
    pub(super) fn written(&self) -> Option<&Value> {
        if let Term::Const(value) = &self.value { Some(value) } else { None }
    }
}

/// A branch's place in the [`Program`](crate::policy::syntax::core::Program).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::policy) struct Place {
    pub(in crate::policy) of: Node,
    pub(in crate::policy) definition: usize,
    pub(in crate::policy) branch: usize,
}

pub(super) struct Stmt {
    pub(super) span: Span,
    pub(super) kind: StmtKind,
}

/// As in the lowered tree; and `print`, with a set for each argument, empty if that is undefined.
pub(super) enum StmtKind {
    Holds(Term),
    Bind(usize, Term),
    Equal(Term, Term),
    IsArray(Term, usize),
    IsObject(Term, Vec<Term>),
    Each { of: Term, key: Option<usize>, item: Option<usize> },
    Not(Vec<Stmt>),
    Every { of: Term, key: Option<usize>, item: Option<usize>, body: Vec<Stmt> },
    With { replaced: Vec<(Target, Term)>, body: Vec<Stmt> },
    Print(Vec<Term>),
}

pub(super) enum Term {
    Const(Value),
    /// A path of `input`, by number.
    Input(usize),
    Slot(usize),
    Rule(usize),
    /// A path of `data` that more than one rule is at, by number.
    Document(usize),
    /// An item of an item of …
    At(Box<(Self, Vec<Self>)>),
    Call(Box<Call>),
    Function(usize, Vec<Self>),
    Array(Vec<Self>),
    Set(Vec<Self>),
    Object(Vec<(Self, Self)>),
    Compare(BoolOp, Box<(Self, Self)>),
    In(Option<Box<Self>>, Box<(Self, Self)>),
    Sets(BinOp, Box<(Self, Self)>),
    Arithmetic(ArithOp, Box<(Self, Self)>),
    Collect(Box<Comprehension>),
    /// A text of texts, and of what sets with one item have in them.
    Template(Vec<Self>),
    /// A function, in the place of another.
    Named(Box<str>),
}

pub(super) struct Call {
    pub(super) name: Box<str>,
    /// `None`: there is no such function here, unless a `with` puts something in its place.
    pub(super) function: Option<Callable>,
    pub(super) arguments: Vec<Term>,
}

pub(super) struct Comprehension {
    pub(super) kind: Collection,
    pub(super) key: Option<Term>,
    pub(super) item: Term,
    pub(super) body: Vec<Stmt>,
}
