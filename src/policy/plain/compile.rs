//! From a module's syntax tree to the rules of a plain policy.

use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;
use regorus::unstable::{AssignOp, Expr, Module, Rule as Ast, RuleAssign, RuleBody, RuleHead};

use super::Plain;
use super::body::Scopes;
use super::term::{Branch, Definition, Function, Kind, Rule, Stmt, Term};
use crate::policy::check::ast::{self, Step};
use crate::policy::engine::entrypoint;

/// Why a text cannot be translated, or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// A variable has no value yet; a later statement may give it one.
    NotReady,
    /// This is not plain.
    NotPlain,
}

pub(super) type Halting<T> = Result<T, Halt>;

/// What a policy's names stand for.
pub(super) struct Names<'m> {
    pub(super) rules: BTreeMap<&'m str, usize>,
    pub(super) functions: BTreeMap<&'m str, usize>,
    pub(super) kinds: Vec<Kind>,
    /// Rules whose value is written out, by number.
    pub(super) constants: BTreeMap<usize, Value>,
    pub(super) inputs: Vec<Vec<Value>>,
}

impl Names<'_> {
    /// Whether it is a name that no variable has.
    pub(super) fn is_global(&self, name: &str) -> bool {
        matches!(name, "input" | "data") || self.rules.contains_key(name) || self.functions.contains_key(name)
    }

    /// A path's number.
    pub(super) fn input(&mut self, path: Vec<Value>) -> usize {
        self.inputs.iter().position(|known| *known == path).unwrap_or_else(|| {
            self.inputs.push(path);
            self.inputs.len() - 1
        })
    }
}

/// Translates a module.
pub(super) fn module(module: &Module) -> Option<Plain> {
    let versions = |path: &[&str]| matches!(path, ["rego", "v1"] | ["future", "keywords", ..]);
    if !module.imports.iter().all(|import| import.r#as.is_none() && ast::path(&import.refr).is_some_and(|path| versions(&path))) {
        return None;
    }
    let mut names =
        Names { rules: BTreeMap::new(), functions: BTreeMap::new(), kinds: Vec::new(), constants: BTreeMap::new(), inputs: Vec::new() };
    let mut heads = Vec::with_capacity(module.policy.len());
    for rule in &module.policy {
        let head = Head::of(rule)?;
        if head.is_function {
            let next = names.functions.len();
            names.functions.entry(head.name).or_insert(next);
        } else if let Some(number) = names.rules.get(head.name) {
            if names.kinds.get(*number) != Some(&head.kind) {
                return None;
            }
        } else {
            names.rules.insert(head.name, names.kinds.len());
            names.kinds.push(head.kind);
        }
        heads.push(head);
    }
    if names.rules.keys().any(|name| names.functions.contains_key(name) || matches!(*name, "input" | "data")) {
        return None;
    }

    find_constants(&mut names, &heads);

    let mut rules: Vec<Rule> = names.kinds.iter().map(|kind| Rule { kind: *kind, default: None, definitions: Vec::new() }).collect();
    let mut functions: Vec<Function> = names.functions.iter().map(|_| Function { definitions: Vec::new() }).collect();
    for head in &heads {
        if let Some(default) = head.default {
            let rule = rules.get_mut(*names.rules.get(head.name)?)?;
            let Ok(Term::Const(value)) = Scopes::new(&mut names, head.vars()).constant(default) else { return None };
            if rule.kind != Kind::Complete || rule.default.replace(value).is_some() {
                return None;
            }
            continue;
        }
        let definition = definition(&mut names, head).ok()?;
        if head.is_function {
            functions.get_mut(*names.functions.get(head.name)?)?.definitions.push(definition);
        } else {
            rules.get_mut(*names.rules.get(head.name)?)?.definitions.push(definition);
        }
    }
    let counted = entrypoint::RULES.iter().filter_map(|(name, _)| Some((*name, *names.rules.get(name)?))).collect();
    Some(Plain { rules, functions, inputs: names.inputs, counted })
}

/// Finds the rules that have one definition, which is written out: `workdays := {"Monday", …}`. Those that are made of others come later
/// in few texts, and are then only not found.
fn find_constants<'m>(names: &mut Names<'m>, heads: &[Head<'m>]) {
    let mut definitions: BTreeMap<&str, usize> = BTreeMap::new();
    for head in heads {
        *definitions.entry(head.name).or_default() += 1;
    }
    for head in heads {
        let alone = definitions.get(head.name) == Some(&1);
        if let (true, false, Kind::Complete, [], None, Some(value)) =
            (alone, head.is_function, head.kind, head.bodies, head.default, head.value)
            && let Some(number) = names.rules.get(head.name).copied()
            && let Ok(Term::Const(value)) = Scopes::new(names, head.vars()).constant(value)
        {
            names.constants.insert(number, value);
        }
    }
}

/// A rule as it stands in the text.
struct Head<'m> {
    name: &'m str,
    is_function: bool,
    args: Vec<&'m Expr>,
    kind: Kind,
    /// What leads to the value.
    steps: Vec<Step<'m>>,
    /// The item of a set.
    item: Option<Step<'m>>,
    value: Option<&'m Expr>,
    default: Option<&'m Expr>,
    bodies: &'m [RuleBody],
}

impl<'m> Head<'m> {
    fn of(rule: &'m Ast) -> Option<Self> {
        let plain = |refr: &'m Expr| {
            let (root, steps) = ast::unfold(refr);
            Some(Self {
                name: ast::var(root)?,
                is_function: false,
                args: Vec::new(),
                kind: Kind::Complete,
                steps,
                item: None,
                value: None,
                default: None,
                bodies: &[],
            })
        };
        let head = match rule {
            Ast::Default { refr, args, value, .. } => {
                if !args.is_empty() {
                    return None;
                }
                Self { default: Some(value), ..plain(refr)? }
            }
            Ast::Spec { head, bodies, .. } => {
                let head = match head {
                    RuleHead::Compr { refr, assign, .. } => {
                        let head = Self { value: value(assign.as_ref()), ..plain(refr)? };
                        let kind = if head.steps.is_empty() { Kind::Complete } else { Kind::Object(head.steps.len()) };
                        Self { kind, ..head }
                    }
                    RuleHead::Set { refr, key, .. } => {
                        let mut head = plain(refr)?;
                        // In v0 the item is the last step: `team[name] { … }`.
                        head.item = Some(match key {
                            Some(key) => Step::Index(key),
                            None => head.steps.pop()?,
                        });
                        Self { kind: Kind::Set(head.steps.len()), ..head }
                    }
                    RuleHead::Func { refr, args, assign, .. } => Self {
                        is_function: true,
                        args: args.iter().map(AsRef::as_ref).collect(),
                        value: value(assign.as_ref()),
                        ..plain(refr)?
                    },
                };
                Self { bodies, ..head }
            }
        };
        let plain =
            if head.is_function { head.steps.is_empty() && !head.args.is_empty() } else { head.default.is_none() || head.steps.is_empty() };
        plain.then_some(head)
    }

    /// The names of all variables that stand in the head, and in the bodies outside of queries within.
    fn vars(&self) -> BTreeSet<&'m str> {
        let mut vars = BTreeSet::new();
        let steps = self.steps.iter().chain(&self.item).filter_map(|step| if let Step::Index(index) = step { Some(*index) } else { None });
        for expr in steps.chain(self.args.iter().copied()).chain(self.value).chain(self.default) {
            super::body::vars_outside(expr, &mut vars);
        }
        for body in self.bodies {
            super::body::vars_of(&body.query, &mut vars);
            if let Some(assign) = &body.assign {
                super::body::vars_outside(&assign.value, &mut vars);
            }
        }
        vars
    }
}

fn value(assign: Option<&RuleAssign>) -> Option<&Expr> {
    assign.map(|assign| assign.value.as_ref())
}

fn definition(names: &mut Names<'_>, head: &Head<'_>) -> Halting<Definition> {
    let mut scopes = Scopes::new(names, head.vars());
    for arg in &head.args {
        scopes.argument(arg)?;
    }
    let mut branches = Vec::new();
    match head.bodies {
        [] => branches.push(branch(&mut scopes, head, None, head.value)?),
        [first, others @ ..] => {
            if first.is_else || first.assign.is_some() {
                return Err(Halt::NotPlain);
            }
            branches.push(branch(&mut scopes, head, Some(first), head.value)?);
            for other in others {
                let (true, Some(assign)) = (other.is_else && head.kind == Kind::Complete, &other.assign) else {
                    return Err(Halt::NotPlain);
                };
                branches.push(branch(&mut scopes, head, Some(other), Some(&assign.value))?);
            }
        }
    }
    Ok(Definition { slots: scopes.slots(), branches })
}

fn branch(scopes: &mut Scopes<'_, '_>, head: &Head<'_>, body: Option<&RuleBody>, value: Option<&Expr>) -> Halting<Branch> {
    let before = scopes.bound();
    let mut statements: Vec<Stmt> = match body {
        Some(body) => scopes.query(&body.query)?,
        None => Vec::new(),
    };
    let in_body = statements.len();
    let mut step = |step: &Step<'_>| match step {
        Step::Name(name) => Ok(Term::Const(Value::from(*name))),
        Step::Index(index) => scopes.term(index, &mut statements),
    };
    let steps = head.steps.iter().map(&mut step).collect::<Halting<Vec<_>>>()?;
    let value = match (&head.item, value) {
        (Some(item), None) => step(item)?,
        (Some(_), Some(_)) => return Err(Halt::NotPlain),
        (None, Some(value)) => scopes.term(value, &mut statements)?,
        (None, None) => Term::Const(Value::Bool(true)),
    };
    // A loop in the value that finds nothing is not a body that fails: whether the next branch counts is left to the engine.
    if statements.len() > in_body && head.bodies.len() > 1 {
        return Err(Halt::NotPlain);
    }
    scopes.unbind(before);
    Ok(Branch { body: statements, steps, value })
}

/// Whether it declares its variables.
pub(super) fn declares(op: &AssignOp) -> bool {
    *op == AssignOp::ColEq
}
