//! What a plain policy is translated into.

use regorus::Value;
use regorus::unstable::{ArithOp, BinOp, BoolOp};

use crate::policy::builtins::Callable;

/// Something that has a value, or is undefined.
pub(super) enum Term {
    Const(Value),
    /// A path of `input`, by number.
    Input(usize),
    /// A variable, by its place in the frame.
    Local(usize),
    /// A rule's value, by number.
    Rule(usize),
    /// An item of an item of …
    At(Box<Self>, Vec<Self>),
    Call(Callable, Vec<Self>),
    /// A function of the policy, by number.
    Function(usize, Vec<Self>),
    Array(Vec<Self>),
    Set(Vec<Self>),
    Object(Vec<(Self, Self)>),
    Compare(BoolOp, Box<(Self, Self)>),
    In(Box<Membership>),
    Sets(BinOp, Box<(Self, Self)>),
    Arithmetic(ArithOp, Box<(Self, Self)>),
    Collect(Box<Comprehension>),
}

/// `item in of`, `key, item in of`.
pub(super) struct Membership {
    pub(super) key: Option<Term>,
    pub(super) item: Term,
    pub(super) of: Term,
}

/// `[item | body]`, `{item | body}`, `{key: item | body}`.
pub(super) struct Comprehension {
    pub(super) kind: Collection,
    pub(super) key: Option<Term>,
    pub(super) item: Term,
    pub(super) body: Vec<Stmt>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Collection {
    Array,
    Set,
    Object,
}

/// A condition, or a binding of variables; a body has a solution where all of its statements hold.
pub(super) enum Stmt {
    /// Defined, and not `false`.
    Holds(Term),
    /// None of it has a solution.
    Not(Vec<Self>),
    Bind(Pattern, Term),
    /// For each item.
    Each {
        of: Term,
        key: Pattern,
        item: Pattern,
    },
    /// For every item there is a solution.
    Every {
        of: Term,
        key: Pattern,
        item: Pattern,
        body: Vec<Self>,
    },
}

/// What a value is held against.
pub(super) enum Pattern {
    Any,
    /// A variable that gets its value here.
    Slot(usize),
    Is(Term),
    /// An array of that many items.
    Array(Vec<Self>),
}

/// How the values of a name's definitions come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One value, which all have to agree on.
    Complete,
    /// Items of a set behind that many steps: `team contains x` has none, `roles[space] contains x` one.
    Set(usize),
    /// Values behind that many steps.
    Object(usize),
}

/// All definitions of a name.
pub(super) struct Rule {
    pub(super) kind: Kind,
    pub(super) default: Option<Value>,
    pub(super) definitions: Vec<Definition>,
}

/// All definitions of a function.
pub(super) struct Function {
    pub(super) definitions: Vec<Definition>,
}

/// One definition.
pub(super) struct Definition {
    /// How many variables it has; a function's arguments are the first.
    pub(super) slots: usize,
    /// The body, and what stands after each `else`: the first that has a solution counts.
    pub(super) branches: Vec<Branch>,
}

/// A body, and what it gives.
pub(super) struct Branch {
    pub(super) body: Vec<Stmt>,
    pub(super) steps: Vec<Term>,
    /// The value, or the item of a set.
    pub(super) value: Term,
}
