//! A program as it is run: names are numbers, and what can be known beforehand is known.

use regorus::Value;

use super::index::{Guards, Index};
use crate::policy::builtins::Callable;
use crate::policy::syntax::core::{Collection, Node, RuleForm, Target};
use crate::policy::syntax::tree::{ArithOp, BinOp, BoolOp, Span};

/// All definitions under one path.
pub(super) struct CompiledRule {
    /// Below `data`.
    pub(super) path: Vec<Box<str>>,
    pub(super) kind: RuleForm,
    pub(super) default: Option<Default>,
    pub(super) made: Definitions,
    /// Its value, if that depends on nothing.
    pub(super) constant: Option<Value>,
    /// Some `with` of the program puts another value in its place.
    pub(super) is_replaced: bool,
    /// Where its value is kept for the rest of an evaluation, if more than the gate asks for it.
    pub(super) cell: Option<usize>,
}

pub(super) struct CompiledFunction {
    pub(super) default: Option<Default>,
    pub(super) made: Definitions,
}

/// A value for want of others, and how many slots it takes to evaluate.
pub(super) struct Default {
    pub(super) value: CompiledTerm,
    pub(super) slots: usize,
}

pub(super) struct Definitions {
    pub(super) all: Vec<CompiledDefinition>,
    /// Which of them can have a solution at all.
    pub(super) index: Option<Index>,
    /// Only one value comes of them, and it is written out.
    pub(super) one_value: bool,
    /// Which branches are looked at decides whether one value is enough.
    pub(super) is_mixed: bool,
    /// Steps of one may lead into what another one puts.
    pub(super) is_uneven: bool,
}

pub(super) struct CompiledDefinition {
    pub(super) slots: usize,
    pub(super) branches: Vec<CompiledBranch>,
}

pub(super) struct CompiledBranch {
    pub(super) at: BranchPlace,
    pub(super) span: Span,
    /// What must hold wherever it stands in the body, and is cheap to know.
    pub(super) guards: Guards,
    pub(super) body: Vec<CompiledStmt>,
    pub(super) steps: Vec<CompiledTerm>,
    pub(super) value: CompiledTerm,
    /// The value is an item of a set.
    pub(super) is_item: bool,
}

impl CompiledBranch {
    /// Its value, if that is written out.
    pub(super) fn written(&self) -> Option<&Value> {
        if let CompiledTerm::Const(value) = &self.value { Some(value) } else { None }
    }
}

/// A branch's place in the [`Program`](crate::policy::syntax::core::Program).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::policy) struct BranchPlace {
    pub(in crate::policy) of: Node,
    pub(in crate::policy) definition: usize,
    pub(in crate::policy) branch: usize,
}

pub(super) struct CompiledStmt {
    pub(super) span: Span,
    pub(super) kind: CompiledStmtKind,
}

/// As in the lowered tree; and `print`, with a set for each argument, empty if that is undefined.
pub(super) enum CompiledStmtKind {
    Holds(CompiledTerm),
    Bind(usize, CompiledTerm),
    Equal(CompiledTerm, CompiledTerm),
    IsArray(CompiledTerm, usize),
    IsObject(CompiledTerm, Vec<CompiledTerm>),
    Each { of: CompiledTerm, key: Option<usize>, item: Option<usize> },
    Not(Vec<CompiledStmt>),
    Every { of: CompiledTerm, key: Option<usize>, item: Option<usize>, body: Vec<CompiledStmt> },
    With { replaced: Vec<(Target, CompiledTerm)>, body: Vec<CompiledStmt> },
    Print(Vec<CompiledTerm>),
}

pub(super) enum CompiledTerm {
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
    Collect(Box<CompiledComprehension>),
    /// A text of texts, and of what sets with one item have in them.
    Template(Vec<Self>),
    /// A function, in the place of another.
    Named(Box<str>),
}

pub(super) struct Call {
    pub(super) name: Box<str>,
    /// `None`: there is no such function here, unless a `with` puts something in its place.
    pub(super) function: Option<Callable>,
    pub(super) arguments: Vec<CompiledTerm>,
}

pub(super) struct CompiledComprehension {
    pub(super) kind: Collection,
    pub(super) key: Option<CompiledTerm>,
    pub(super) item: CompiledTerm,
    pub(super) body: Vec<CompiledStmt>,
}
