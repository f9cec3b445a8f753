//! From the lowered tree to one whose names are numbers, and whose constants are made.

#![expect(clippy::unnecessary_box_returns, clippy::borrowed_box, reason = "the sides of an operator are boxed together")]

use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;

use super::gather::Gathered;
use super::guards::guards_of;
use super::index::{self, Guards, Index};
use super::program::{Compiled, Counted, Leaf};
use super::term::{
    BranchPlace, Call, CompiledBranch, CompiledComprehension, CompiledDefinition, CompiledFunction, CompiledRule, CompiledStmt,
    CompiledStmtKind, CompiledTerm, Default, Definitions,
};
use super::value;
use crate::policy::builtins::Callable;
use crate::policy::engine::entrypoint::{self, Shape};
use crate::policy::syntax::core::{self, Extent, Node, Program, Put, RuleForm, Target};

/// What is numbered on the way.
struct Resolver {
    inputs: Vec<Vec<Value>>,
    documents: Vec<Vec<Box<str>>>,
    /// Rules that a term asks for.
    asked: BTreeSet<usize>,
    /// Paths of `data` that some `with` replaces.
    replaced: Vec<Vec<Box<str>>>,
    /// One more than the largest slot of the term at hand.
    slots: usize,
}

pub(super) fn program(program: &Program) -> Compiled {
    let mut resolver = Resolver { inputs: Vec::new(), documents: Vec::new(), asked: BTreeSet::new(), replaced: Vec::new(), slots: 0 };
    let mut rules: Vec<CompiledRule> = program.rules.iter().enumerate().map(|(number, rule)| resolver.rule(number, rule)).collect();
    let functions = program.functions.iter().enumerate().map(|(number, function)| CompiledFunction {
        default: resolver.default(function.default.as_ref()),
        made: resolver.definitions(&function.definitions, Node::Function(number), RuleForm::Complete, function.arity),
    });
    let functions: Vec<CompiledFunction> = functions.collect();
    let mut cells = 0..;
    for (number, rule) in rules.iter_mut().enumerate() {
        rule.is_replaced = resolver.replaced.iter().any(|target| rule.path.starts_with(target));
        rule.constant = constant(rule);
        rule.cell = if resolver.asked.contains(&number) { cells.next() } else { None };
    }
    let documents = resolver.documents.into_iter().zip(cells).collect();
    let names = program.functions.iter().enumerate();
    let names = names.map(|(number, function)| (format!("data.{}", function.path.join(".")).into(), number)).collect();
    let mut compiled =
        Compiled { rules, functions, names, inputs: resolver.inputs, documents, root: copied(&program.root), counted: Vec::new() };
    compiled.counted = entrypoint::RULES.iter().filter_map(|(name, shape)| counted(&compiled, name, *shape)).collect();
    compiled
}

fn copied(extent: &Extent) -> Extent {
    Extent { rule: extent.rule, fields: extent.fields.iter().map(|(name, field)| (name.clone(), copied(field))).collect() }
}

/// What a rule comes to whose definitions are written out.
fn constant(rule: &CompiledRule) -> Option<Value> {
    let mut gathered = Gathered::new(rule.kind, rule.made.is_uneven);
    for definition in &rule.made.all {
        let [branch] = definition.branches.as_slice() else { return None };
        let steps: Option<Vec<Value>> = branch.steps.iter().map(|step| written(step).cloned()).collect();
        let (true, Some(steps), Some(value)) = (branch.body.is_empty(), steps, written(&branch.value)) else { return None };
        gathered.take(&steps, value.clone(), branch.is_item).ok()?;
    }
    match gathered.value() {
        Value::Undefined => rule.default.as_ref().and_then(|default| written(&default.value)).cloned(),
        value => Some(value),
    }
}

/// The value of a term that is written out.
fn written(term: &CompiledTerm) -> Option<&Value> {
    if let CompiledTerm::Const(value) = term { Some(value) } else { None }
}

fn all_written<'t>(terms: impl IntoIterator<Item = &'t CompiledTerm>) -> Option<Vec<Value>> {
    terms.into_iter().map(|term| written(term).cloned()).collect()
}

/// A rule that counts, as the gate asks for it.
fn counted(compiled: &Compiled, name: &'static str, shape: Shape) -> Option<Counted> {
    let path = [entrypoint::PACKAGE, name].map(Box::from);
    let extent = path.iter().try_fold(&compiled.root, |extent, name| extent.fields.get(name))?;
    if extent.rule.is_some() {
        return Some(Counted { name, path, leaves: Vec::new(), index: None });
    }
    let leaves = leaves(extent);
    let everything = Guards::default();
    let choice = |leaf: &Leaf| {
        let Some(rule) = compiled.rules.get(leaf.rule) else { return Vec::new() };
        let may_be_left_out = match rule.kind {
            RuleForm::Complete => rule.default.is_none(),
            // A set that is empty gives no role, as if it were not there.
            RuleForm::Set => shape == Shape::Roles && leaf.path.len() == 1,
            RuleForm::Object => false,
        };
        if may_be_left_out { rule.made.all.iter().flat_map(CompiledDefinition::guards).collect() } else { vec![&everything] }
    };
    let index = Index::of(&leaves.iter().map(choice).collect::<Vec<_>>());
    Some(Counted { name, path, leaves, index })
}

/// The rules below a path.
pub(super) fn leaves(extent: &Extent) -> Vec<Leaf> {
    let of_field = |(name, field): (&Box<str>, &Extent)| {
        let name = Value::from(name.as_ref());
        let here = field.rule.map(|rule| Leaf { path: vec![name.clone()], rule });
        let below = leaves(field).into_iter().map(|leaf| Leaf { path: [vec![name.clone()], leaf.path].concat(), ..leaf });
        here.into_iter().chain(below).collect::<Vec<_>>()
    };
    extent.fields.iter().flat_map(of_field).collect()
}

impl Resolver {
    fn rule(&mut self, number: usize, rule: &core::Rule) -> CompiledRule {
        CompiledRule {
            path: rule.path.clone(),
            kind: rule.kind,
            default: self.default(rule.default.as_ref()),
            made: self.definitions(&rule.definitions, Node::Rule(number), rule.kind, 0),
            constant: None,
            is_replaced: false,
            cell: None,
        }
    }

    fn default(&mut self, term: Option<&core::Term>) -> Option<Default> {
        self.slots = 0;
        let value = self.term(term?);
        Some(Default { value, slots: self.slots })
    }

    fn definitions(&mut self, all: &[core::Definition], of: Node, kind: RuleForm, arity: usize) -> Definitions {
        let definition = |(definition, found): (usize, &core::Definition)| {
            let place = |branch| BranchPlace { of, definition, branch };
            let branches = found.branches.iter().enumerate().map(|(number, branch)| self.branch(branch, place(number), arity));
            CompiledDefinition { slots: found.slots.len(), branches: branches.collect() }
        };
        let all = all.iter().enumerate().map(definition).collect();
        Definitions::of(all, kind)
    }

    fn branch(&mut self, branch: &core::Branch, at: BranchPlace, arity: usize) -> CompiledBranch {
        let body = self.body(&branch.body);
        CompiledBranch {
            at,
            span: branch.span.clone(),
            guards: guards_of(&body, arity),
            body,
            steps: self.terms(&branch.steps),
            value: self.term(branch.put.term()),
            is_item: matches!(branch.put, Put::Item(_)),
        }
    }

    fn body(&mut self, body: &[core::Stmt]) -> Vec<CompiledStmt> {
        body.iter().map(|statement| CompiledStmt { span: statement.span.clone(), kind: self.statement(&statement.kind) }).collect()
    }

    fn statement(&mut self, statement: &core::StmtKind) -> CompiledStmtKind {
        match statement {
            core::StmtKind::Holds(core::Term::Call(name, arguments)) if &**name == "internal.print" => {
                let printed = arguments.iter().flat_map(|argument| match argument {
                    core::Term::Array(parts) => parts.as_slice(),
                    other => std::slice::from_ref(other),
                });
                CompiledStmtKind::Print(printed.map(|part| self.term(part)).collect())
            }
            core::StmtKind::Holds(term) => CompiledStmtKind::Holds(self.term(term)),
            core::StmtKind::Bind(slot, term) => {
                self.slot(Some(*slot));
                CompiledStmtKind::Bind(*slot, self.term(term))
            }
            core::StmtKind::Equal(one, other) => CompiledStmtKind::Equal(self.term(one), self.term(other)),
            core::StmtKind::IsArray(term, length) => CompiledStmtKind::IsArray(self.term(term), *length),
            core::StmtKind::IsObject(term, keys) => CompiledStmtKind::IsObject(self.term(term), self.terms(keys)),
            core::StmtKind::Each { of, key, item } => {
                CompiledStmtKind::Each { of: self.term(of), key: self.slot(*key), item: self.slot(*item) }
            }
            core::StmtKind::Not(body) => CompiledStmtKind::Not(self.body(body)),
            core::StmtKind::Every { of, key, item, body } => {
                CompiledStmtKind::Every { of: self.term(of), key: self.slot(*key), item: self.slot(*item), body: self.body(body) }
            }
            core::StmtKind::With { replaced, body } => {
                self.replaced.extend(
                    replaced.iter().filter_map(|(target, _)| if let Target::Data(path) = target { Some(path.clone()) } else { None }),
                );
                let replaced = replaced.iter().map(|(target, term)| (target.clone(), self.term(term))).collect();
                CompiledStmtKind::With { replaced, body: self.body(body) }
            }
        }
    }

    fn slot(&mut self, slot: Option<usize>) -> Option<usize> {
        self.slots = self.slots.max(slot.map_or(0, |slot| slot + 1));
        slot
    }

    fn terms(&mut self, terms: &[core::Term]) -> Vec<CompiledTerm> {
        terms.iter().map(|term| self.term(term)).collect()
    }

    fn sides(&mut self, sides: &(core::Term, core::Term)) -> Box<(CompiledTerm, CompiledTerm)> {
        Box::new((self.term(&sides.0), self.term(&sides.1)))
    }

    fn term(&mut self, term: &core::Term) -> CompiledTerm {
        match term {
            core::Term::Const(value) => CompiledTerm::Const(value.clone()),
            core::Term::Input => self.input(Vec::new()),
            core::Term::Extent(path) => self.document(path.clone()),
            core::Term::Slot(slot) => {
                self.slot(Some(*slot));
                CompiledTerm::Slot(*slot)
            }
            core::Term::Rule(number) => {
                self.asked.insert(*number);
                CompiledTerm::Rule(*number)
            }
            core::Term::At(of, key) => {
                let (of, key) = (self.term(of), self.term(key));
                self.at(of, key)
            }
            core::Term::Call(name, arguments) => {
                let function = Callable::of(name);
                CompiledTerm::Call(Box::new(Call { name: name.clone(), function, arguments: self.terms(arguments) }))
            }
            core::Term::Template(parts) => CompiledTerm::Template(self.terms(parts)),
            core::Term::Function(number, arguments) => CompiledTerm::Function(*number, self.terms(arguments)),
            core::Term::Array(items) => {
                let items = self.terms(items);
                all_written(&items).map_or(CompiledTerm::Array(items), |items| CompiledTerm::Const(Value::from(items)))
            }
            core::Term::Set(items) => {
                let items = self.terms(items);
                all_written(&items)
                    .map_or(CompiledTerm::Set(items), |items| CompiledTerm::Const(Value::from(items.into_iter().collect::<BTreeSet<_>>())))
            }
            core::Term::Object(fields) => self.object(fields),
            core::Term::Compare(op, sides) => CompiledTerm::Compare(*op, self.sides(sides)),
            core::Term::In(key, sides) => {
                let key = key.as_ref().map(|key| Box::new(self.term(key)));
                CompiledTerm::In(key, self.sides(sides))
            }
            core::Term::Sets(op, sides) => CompiledTerm::Sets(*op, self.sides(sides)),
            core::Term::Arithmetic(op, sides) => CompiledTerm::Arithmetic(*op, self.sides(sides)),
            core::Term::Collect(collect) => {
                let core::Comprehension { kind, key, item, body } = collect.as_ref();
                let body = self.body(body);
                let key = key.as_ref().map(|key| self.term(key));
                CompiledTerm::Collect(Box::new(CompiledComprehension { kind: *kind, key, item: self.term(item), body }))
            }
            core::Term::Named(name) => CompiledTerm::Named(name.clone()),
        }
    }

    /// A path's number.
    fn input(&mut self, path: Vec<Value>) -> CompiledTerm {
        CompiledTerm::Input(number(&mut self.inputs, path))
    }

    fn document(&mut self, path: Vec<Box<str>>) -> CompiledTerm {
        CompiledTerm::Document(number(&mut self.documents, path))
    }

    /// One step further.
    fn at(&mut self, of: CompiledTerm, key: CompiledTerm) -> CompiledTerm {
        match (of, key) {
            (CompiledTerm::Input(path), CompiledTerm::Const(step)) => {
                let path = self.inputs.get(path).into_iter().flatten().cloned().chain([step]).collect();
                self.input(path)
            }
            (CompiledTerm::Document(path), CompiledTerm::Const(Value::String(name))) => {
                let path = self.documents.get(path).into_iter().flatten().cloned().chain([name.as_ref().into()]).collect();
                self.document(path)
            }
            (CompiledTerm::Const(of), CompiledTerm::Const(step)) => CompiledTerm::Const(value::at(&of, &step).clone()),
            (CompiledTerm::At(mut at), key) => {
                at.1.push(key);
                CompiledTerm::At(at)
            }
            (of, key) => CompiledTerm::At(Box::new((of, vec![key]))),
        }
    }

    fn object(&mut self, fields: &[(core::Term, core::Term)]) -> CompiledTerm {
        let fields: Vec<(CompiledTerm, CompiledTerm)> = fields.iter().map(|(key, value)| (self.term(key), self.term(value))).collect();
        let keys = all_written(fields.iter().map(|(key, _)| key));
        let values = all_written(fields.iter().map(|(_, value)| value));
        match (keys, values) {
            (Some(keys), Some(values)) => CompiledTerm::Const(Value::from(keys.into_iter().zip(values).collect::<BTreeMap<_, _>>())),
            _ => CompiledTerm::Object(fields),
        }
    }
}

fn number<T: PartialEq>(known: &mut Vec<T>, new: T) -> usize {
    known.iter().position(|known| *known == new).unwrap_or_else(|| {
        known.push(new);
        known.len() - 1
    })
}

impl Definitions {
    fn of(all: Vec<CompiledDefinition>, kind: RuleForm) -> Self {
        let ranks = index::ranks(&all.iter().map(CompiledDefinition::guards).collect::<Vec<_>>());
        let mut ranked: Vec<_> = ranks.into_iter().zip(all).collect();
        ranked.sort_by(|(one, _), (other, _)| one.cmp(other));
        let all: Vec<CompiledDefinition> = ranked.into_iter().map(|(_, definition)| definition).collect();

        let branches = || all.iter().flat_map(|definition| &definition.branches);
        let first = branches().next().and_then(CompiledBranch::written);
        let one_value = kind == RuleForm::Complete && first.is_some() && branches().all(|branch| branch.written() == first);
        let is_mixed = kind == RuleForm::Complete && !one_value && branches().nth(1).is_some();
        let lengths = || branches().map(|branch| branch.steps.len());
        let is_uneven = lengths().min() != lengths().max();
        let index = Index::of(&all.iter().map(CompiledDefinition::guards).collect::<Vec<_>>());
        Self { all, index, one_value, is_mixed, is_uneven }
    }
}

impl CompiledDefinition {
    fn guards(&self) -> Vec<&Guards> {
        self.branches.iter().map(|branch| &branch.guards).collect()
    }
}
