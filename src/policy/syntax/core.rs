//! A module as it is evaluated: the lowered tree.
//!
//! Made from the [author's](super::tree) by the stages of OPA's compiler (see [`lower`](super::lower)): imports are followed, every variable has a
//! slot of its own, statements stand in the order in which each has what it needs, patterns are taken apart, heads' steps and values and
//! the operands of `not` stand in bodies, rules with heads of several steps are rules of their own where their steps are fixed. The
//! analysis, the compiled evaluator and the text that the engine is given are made of this tree and of no other.
//!
//! What holds for it:
//!
//! 1. A [term](Term) that has an undefined part is undefined, and the statement that it stands in has no solution. The body of a
//!    [`Not`](Stmt::Not) is evaluated for itself: whatever OPA takes out of a `not` stands before it.
//! 2. A slot is bound by exactly one place before it is used in any, in the order of the text. A body within (of a comprehension, a `not`,
//!    an `every`) sees the slots that are bound around it, and binds slots of its own.
//! 3. Nothing else binds: a pattern is [`Bind`](Stmt::Bind)s, [`Each`](Stmt::Each)s and comparisons.

use std::collections::BTreeMap;

use regorus::Value;

pub(in crate::policy) use super::tree::Collection;
use super::tree::{ArithOp, BinOp, BoolOp, Span};

/// The rules and functions of a module, by number; or of two, a policy and its tests.
#[derive(Debug)]
pub(in crate::policy) struct Program {
    pub(in crate::policy) rules: Vec<Rule>,
    pub(in crate::policy) functions: Vec<Function>,
    /// What is at `data`: the package's name is the first step, as it is in every path below.
    pub(in crate::policy) root: Extent,
}

impl Program {
    /// Every rule and every function: its path, its default, its definitions.
    pub(in crate::policy) fn nodes(&self) -> impl Iterator<Item = (Node, &[Box<str>], Option<&Term>, &[Definition])> {
        let rules = self.rules.iter().map(|rule| (&rule.path, &rule.default, &rule.definitions));
        let functions = self.functions.iter().map(|function| (&function.path, &function.default, &function.definitions));
        let numbered = (0..).map(Node::Rule).zip(rules).chain((0..).map(Node::Function).zip(functions));
        numbered.map(|(node, (path, default, definitions))| (node, path.as_slice(), default.as_ref(), definitions.as_slice()))
    }

    pub(in crate::policy) fn definitions_mut(&mut self) -> impl Iterator<Item = &mut Definition> {
        let of_rules = self.rules.iter_mut().flat_map(|rule| &mut rule.definitions);
        of_rules.chain(self.functions.iter_mut().flat_map(|function| &mut function.definitions))
    }
}

/// A rule or a function, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::policy) enum Node {
    Rule(usize),
    Function(usize),
}

/// The rules under a path of names: the document there is what the rule makes, and what the fields make, together. Where the rule is no
/// [`RuleForm::Object`], there are no fields. A field whose document is undefined is not there; an extent without a rule is an object, if an
/// empty one.
#[derive(Debug, Default)]
pub(in crate::policy) struct Extent {
    pub(in crate::policy) rule: Option<usize>,
    pub(in crate::policy) fields: BTreeMap<Box<str>, Extent>,
}

/// All definitions under one path of fixed steps.
#[derive(Debug)]
pub(in crate::policy) struct Rule {
    /// Behind `data`: `["spacelift", "allow"]`, `["spacelift", "roles", "production", "deployer"]`.
    pub(in crate::policy) path: Vec<Box<str>>,
    pub(in crate::policy) kind: RuleForm,
    /// Its value where no definition gives one.
    pub(in crate::policy) default: Option<Term>,
    pub(in crate::policy) definitions: Vec<Definition>,
}

/// How the values of a rule's definitions come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum RuleForm {
    /// One value, which all have to agree on.
    Complete,
    /// A set of items.
    Set,
    /// An object, and in it objects, of what each definition [puts](Put) at its steps. Empty if none gives anything.
    Object,
}

/// All definitions of a function. Their values have to agree.
#[derive(Debug)]
pub(in crate::policy) struct Function {
    /// Behind `data`: `["spacelift", "is_ci"]`.
    pub(in crate::policy) path: Vec<Box<str>>,
    pub(in crate::policy) arity: usize,
    pub(in crate::policy) default: Option<Term>,
    pub(in crate::policy) definitions: Vec<Definition>,
}

/// One definition.
#[derive(Debug)]
pub(in crate::policy) struct Definition {
    /// The head.
    pub(in crate::policy) span: Span,
    /// By slot: the author's name for it; `None` for those that lowering has made. A function's arguments are in the first.
    pub(in crate::policy) slots: Vec<Option<Box<str>>>,
    /// The body, and what stands behind each `else`: the first that has a solution counts.
    pub(in crate::policy) branches: Vec<Branch>,
}

/// A body, and what each of its solutions gives.
#[derive(Debug)]
pub(in crate::policy) struct Branch {
    /// The head, or the `else`.
    pub(in crate::policy) span: Span,
    pub(in crate::policy) body: Vec<Stmt>,
    /// The steps behind the rule's path, of [`RuleForm::Object`] alone.
    pub(in crate::policy) steps: Vec<Term>,
    pub(in crate::policy) put: Put,
}

impl Branch {
    /// What stands in its head: the steps, and then what it gives.
    pub(in crate::policy) fn head(&self) -> impl Iterator<Item = &Term> {
        self.steps.iter().chain([self.put.term()])
    }
}

/// What a solution gives. Steps and value are never undefined: the body sees to it.
#[derive(Debug)]
pub(in crate::policy) enum Put {
    Value(Term),
    /// An item of a set.
    Item(Term),
}

impl Put {
    pub(in crate::policy) fn term(&self) -> &Term {
        let (Self::Value(term) | Self::Item(term)) = self;
        term
    }
}

/// A statement, with the place that it comes from.
#[derive(Debug)]
pub(in crate::policy) struct Stmt {
    pub(in crate::policy) span: Span,
    pub(in crate::policy) kind: StmtKind,
}

#[derive(Debug)]
pub(in crate::policy) enum StmtKind {
    /// The term is defined, and not `false`.
    Holds(Term),
    /// The slot gets the term's value, which may be `false`.
    Bind(usize, Term),
    /// Both are defined and equal.
    Equal(Term, Term),
    /// An array of so many items.
    IsArray(Term, usize),
    /// An object with these keys and no others.
    IsObject(Term, Vec<Term>),
    /// For each item of a collection; nothing else has any. Keys of an array are its indices, those of a set its items.
    Each { of: Term, key: Option<usize>, item: Option<usize> },
    /// The body has no solution.
    Not(Vec<Stmt>),
    /// The body has a solution for every item. `of` is a collection, or the statement has no solution.
    Every { of: Term, key: Option<usize>, item: Option<usize>, body: Vec<Stmt> },
    /// The body, with other values in some places. What it binds stays bound.
    With { replaced: Vec<(Target, Term)>, body: Vec<Stmt> },
}

/// What a `with` replaces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::policy) enum Target {
    /// `input`, or what is at a path in it.
    Input(Vec<Box<str>>),
    /// What `data` holds at a path: `["spacelift", "limit"]`.
    Data(Vec<Box<str>>),
    /// A function of the policy, by number; a term in its place is a constant, or [`Term::Named`].
    Function(usize),
    /// A builtin.
    Builtin(Box<str>),
}

/// Something that has a value, or is undefined.
#[derive(Debug)]
pub(in crate::policy) enum Term {
    Const(Value),
    Input,
    /// The document at a path of `data` (`["spacelift", "roles"]`), of which not exactly one rule gives all: see [`Extent`]. Undefined
    /// where there are no rules, unless a `with` puts something there. If a rule above the path gives it, it is looked up in that.
    Extent(Vec<Box<str>>),
    Slot(usize),
    Rule(usize),
    /// An item: by index, key, or being it; undefined if it is not there.
    At(Box<Self>, Box<Self>),
    Call(Box<str>, Vec<Self>),
    Function(usize, Vec<Self>),
    Array(Vec<Self>),
    Set(Vec<Self>),
    /// Two different values for one key end the evaluation.
    Object(Vec<(Self, Self)>),
    /// `true` or `false`.
    Compare(BoolOp, Box<(Self, Self)>),
    /// `true` or `false`: whether the item is in the collection, at the key if there is one.
    In(Option<Box<Self>>, Box<(Self, Self)>),
    Sets(BinOp, Box<(Self, Self)>),
    Arithmetic(ArithOp, Box<(Self, Self)>),
    Collect(Box<Comprehension>),
    /// What `$"…"` makes: each part a text, or a comprehension of at most one item.
    Template(Vec<Self>),
    /// A function as what stands in another's place: tests alone.
    Named(Box<str>),
}

/// `[item | body]`, `{item | body}`, `{key: item | body}`. Key and item are never undefined: the body sees to it.
#[derive(Debug)]
pub(in crate::policy) struct Comprehension {
    pub(in crate::policy) kind: Collection,
    pub(in crate::policy) key: Option<Term>,
    pub(in crate::policy) item: Term,
    pub(in crate::policy) body: Vec<Stmt>,
}
