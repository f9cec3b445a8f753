//! What an evaluation sees, and what its rules and functions come to.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};

use regorus::Value;

use super::failure::{Conflict, Evaluated, Failure, Limit};
use super::flow::Flow;
use super::gather::{self, Gathered};
use super::index::Subject;
use super::observer::{Observer, Print};
use super::program::{Compiled, Counted, Leaf};
use super::replaced::{Mock, ReplacedData};
use super::term::{BranchPlace, CompiledBranch, CompiledDefinition, CompiledRule, CompiledTerm, Default, Definitions};
use super::value::{self, UNDEFINED};
use crate::policy::syntax::core::{Node, RuleForm};

/// One evaluation, whatever it sees.
pub(super) struct Run<'r> {
    pub(super) compiled: &'r Compiled,
    pub(super) watcher: Option<&'r dyn Observer>,
    pub(super) prints: Option<&'r RefCell<Vec<Print>>>,
    time_is_up: &'r dyn Fn() -> bool,
    steps: Cell<u32>,
    depth: Cell<u32>,
}

impl<'r> Run<'r> {
    /// Steps between two looks at the clock.
    const STEPS_PER_LOOK: u32 = 64;
    /// Calls, loops and terms within each other.
    const DEPTH: u32 = 4096;

    pub(super) fn new(
        compiled: &'r Compiled,
        time_is_up: &'r dyn Fn() -> bool,
        watcher: Option<&'r dyn Observer>,
        prints: Option<&'r RefCell<Vec<Print>>>,
    ) -> Self {
        Self { compiled, watcher, prints, time_is_up, steps: Cell::new(0), depth: Cell::new(0) }
    }

    /// One more step.
    pub(super) fn step(&self) -> Evaluated<()> {
        let steps = self.steps.get().wrapping_add(1);
        self.steps.set(steps);
        if steps.is_multiple_of(Self::STEPS_PER_LOOK) && (self.time_is_up)() { Err(Failure::limit(Limit::Time)) } else { Ok(()) }
    }

    /// Counts how deep things go into each other.
    pub(super) fn within<T>(&self, work: impl FnOnce() -> Evaluated<T>) -> Evaluated<T> {
        let depth = self.depth.get();
        if depth >= Self::DEPTH {
            return Err(Failure::limit(Limit::Depth));
        }
        self.depth.set(depth + 1);
        let done = work();
        self.depth.set(depth);
        done
    }
}

/// What is found out of one `input` and `data`.
pub(super) struct Unknown<'v> {
    inputs: Vec<Cell<Option<&'v Value>>>,
    values: Vec<OnceCell<Evaluated<Value>>>,
}

impl Unknown<'_> {
    pub(super) fn of(compiled: &Compiled) -> Self {
        let of_rules = compiled.rules.iter().filter(|rule| rule.cell.is_some()).count();
        Self {
            inputs: compiled.inputs.iter().map(|_| Cell::new(None)).collect(),
            values: (0..of_rules + compiled.documents.len()).map(|_| OnceCell::new()).collect(),
        }
    }
}

/// What terms and statements see.
#[derive(Clone, Copy)]
pub(super) struct World<'w> {
    pub(super) run: &'w Run<'w>,
    pub(super) input: &'w Value,
    pub(super) known: &'w Unknown<'w>,
    /// What stands in the place of rules.
    pub(super) data: Option<&'w ReplacedData>,
    /// What stands in the place of functions, the innermost last.
    pub(super) mocks: &'w [Mock<'w>],
}

/// The values of a definition's slots.
pub(super) struct Frame {
    pub(super) slots: Vec<Value>,
    /// Slots that no other value is wanted for.
    wanted: Vec<(usize, Value)>,
    pub(super) at: BranchPlace,
}

/// No branch is at hand.
const NOWHERE: BranchPlace = BranchPlace { of: Node::Rule(usize::MAX), definition: 0, branch: 0 };

impl Frame {
    pub(super) fn new(arguments: Vec<Value>) -> Self {
        Self { slots: arguments, wanted: Vec::new(), at: NOWHERE }
    }

    /// For want of a definition.
    fn of(default: &Default) -> Self {
        Self::new(vec![Value::Undefined; default.slots])
    }

    /// What a branch's slots have to be for its steps to lead to these keys. `false`: they cannot.
    fn want(&mut self, branch: &CompiledBranch, keys: &[Value]) -> bool {
        self.wanted.clear();
        let steps = branch.steps.iter().chain(branch.is_item.then_some(&branch.value));
        steps.zip(keys).all(|(step, key)| match step {
            CompiledTerm::Const(step) => step == key,
            CompiledTerm::Slot(slot) => {
                self.wanted.push((*slot, key.clone()));
                true
            }
            _ => true,
        })
    }

    /// Gives a slot its value. `false`: another one is wanted.
    pub(super) fn bind(&mut self, slot: usize, value: Value) -> bool {
        let fits = self.wanted.iter().all(|(other, wanted)| *other != slot || *wanted == value);
        if let Some(place) = self.slots.get_mut(slot) {
            *place = value;
        }
        fits
    }
}

impl<'w> World<'w> {
    pub(super) fn new(run: &'w Run<'w>, input: &'w Value, known: &'w Unknown<'w>) -> Self {
        Self { run, input, known, data: None, mocks: &[] }
    }

    /// What is at a path of `input`.
    pub(super) fn input(&self, number: usize) -> &'w Value {
        let Some(known) = self.known.inputs.get(number) else { return &UNDEFINED };
        known.get().unwrap_or_else(|| {
            let path = self.run.compiled.inputs.get(number).into_iter().flatten();
            let value = path.fold(self.input, value::at);
            known.set(Some(value));
            value
        })
    }

    /// A rule's value, undefined if it has none.
    pub(super) fn rule(&self, number: usize) -> Evaluated<Cow<'w, Value>> {
        let Some(rule) = self.run.compiled.rules.get(number) else { return Ok(Cow::Borrowed(&UNDEFINED)) };
        if let Some(value) = self.data.filter(|_| rule.is_replaced).and_then(|data| data.covers(&rule.path)) {
            return Ok(Cow::Borrowed(value));
        }
        match &rule.constant {
            Some(value) => Ok(Cow::Borrowed(value)),
            None => self.kept(rule.cell, || self.value_of(rule, &[])),
        }
    }

    /// What is found out once.
    pub(super) fn kept(&self, cell: Option<usize>, find: impl FnOnce() -> Evaluated<Value>) -> Evaluated<Cow<'w, Value>> {
        let Some(known) = cell.and_then(|cell| self.known.values.get(cell)) else { return find().map(Cow::Owned) };
        let value = if let Some(value) = known.get() {
            value
        } else {
            let found = find();
            known.get_or_init(|| found)
        };
        value.as_ref().map(Cow::Borrowed).map_err(Clone::clone)
    }

    /// What the definitions of a rule come to, as far as they lead to these keys.
    fn value_of(&self, rule: &'w CompiledRule, keys: &[Value]) -> Evaluated<Value> {
        let mut gathered = Gathered::new(rule.kind, rule.made.is_uneven);
        self.gather(rule, &[], keys, &mut gathered)?;
        match (gathered.value(), &rule.default) {
            (Value::Undefined, Some(default)) => Ok(self.eval(&default.value, &mut Frame::of(default))?.into_owned()),
            (value, _) => Ok(value),
        }
    }

    /// Gathers what the definitions of a rule give, behind a path.
    fn gather(&self, rule: &'w CompiledRule, path: &[Value], keys: &[Value], gathered: &mut Gathered) -> Evaluated<()> {
        self.run.within(|| {
            self.solutions(&rule.made, &mut Frame::new(Vec::new()), keys, &mut |branch, steps, value| {
                if path.is_empty() {
                    return gathered.take(&steps, value, branch.is_item);
                }
                gathered.take(&[path, &steps].concat(), value, branch.is_item)
            })
        })
    }

    /// What a rule and those below it come to together, as far as they lead to these keys.
    pub(super) fn together(&self, number: usize, leaves: &[Leaf], keys: &[Value]) -> Evaluated<Value> {
        let rules = &self.run.compiled.rules;
        let mut gathered = Gathered::new(RuleForm::Object, true);
        if let Some(rule) = rules.get(number) {
            self.gather(rule, &[], keys, &mut gathered)?;
        }
        for leaf in leaves.iter().filter(|leaf| leaf.path.iter().zip(keys).all(|(step, key)| step == key)) {
            if let Some(rule) = rules.get(leaf.rule) {
                self.gather(rule, &leaf.path, keys.get(leaf.path.len()..).unwrap_or_default(), &mut gathered)?;
            }
        }
        Ok(gathered.value())
    }

    /// An item of a rule's value, an item of that, and so on.
    ///
    /// As in OPA, two values for another key than the one that is asked for end nothing.
    pub(super) fn rule_at(&self, number: usize, keys: &[Value]) -> Evaluated<Cow<'w, Value>> {
        match self.rule(number) {
            Ok(value) => Ok(descend(value, keys)),
            Err(failure) if !failure.is_limit() => match self.run.compiled.rules.get(number) {
                Some(rule) if rule.kind != RuleForm::Complete => Ok(descend(Cow::Owned(self.value_of(rule, keys)?), keys)),
                Some(_) | None => Err(failure),
            },
            Err(failure) => Err(failure),
        }
    }

    /// A function's value for its arguments.
    pub(super) fn apply(&self, number: usize, arguments: Vec<Value>) -> Evaluated<Value> {
        let Some(function) = self.run.compiled.functions.get(number) else { return Ok(Value::Undefined) };
        let mut known = Value::Undefined;
        self.run.within(|| {
            self.solutions(&function.made, &mut Frame::new(arguments), &[], &mut |_, _, value| {
                gather::agree(&mut known, value, Conflict::Function)
            })
        })?;
        match (known, &function.default) {
            (Value::Undefined, Some(default)) => Ok(self.eval(&default.value, &mut Frame::of(default))?.into_owned()),
            (value, _) => Ok(value),
        }
    }

    /// Tells what the solutions of all definitions give, as far as they lead to these keys: the branch, the steps and the value.
    fn solutions(
        &self,
        made: &'w Definitions,
        frame: &mut Frame,
        keys: &[Value],
        take: &mut dyn FnMut(&'w CompiledBranch, Vec<Value>, Value) -> Evaluated<()>,
    ) -> Evaluated<()> {
        let arguments = frame.slots.len();
        let one_is_enough = self.one_is_enough(made, frame);
        let mut is_settled = false;
        for definition in self.chosen(made, frame) {
            frame.slots.truncate(arguments);
            frame.slots.resize(definition.slots.max(arguments), Value::Undefined);
            for branch in &definition.branches {
                frame.at = branch.at;
                if !self.admits(made, branch, frame) {
                    if self.run.watcher.is_some() {
                        // It has no solution, and what fails in it is never found out.
                        let _ = self.solve(&branch.body, frame, &mut |_| Ok(Flow::On));
                    }
                    continue;
                }
                if !frame.want(branch, keys) {
                    continue;
                }
                let mut is_solved = false;
                let solved = self.solve(&branch.body, frame, &mut |frame| {
                    is_solved = true;
                    self.give(branch, frame, keys, take).map_err(|failure| failure.at(&branch.span))?;
                    is_settled |= one_is_enough;
                    Ok(if is_settled && self.run.watcher.is_none() { Flow::Enough } else { Flow::On })
                });
                match solved {
                    Ok(Flow::Enough) => return Ok(()),
                    Err(failure) if !is_settled || failure.is_limit() => return Err(failure),
                    Ok(Flow::On) | Err(_) => {}
                }
                if is_solved {
                    break;
                }
            }
        }
        Ok(())
    }

    /// What one solution gives.
    fn give(
        &self,
        branch: &'w CompiledBranch,
        frame: &mut Frame,
        keys: &[Value],
        take: &mut dyn FnMut(&'w CompiledBranch, Vec<Value>, Value) -> Evaluated<()>,
    ) -> Evaluated<()> {
        let steps = self.all(&branch.steps, frame)?.unwrap_or_default();
        let value = self.eval(&branch.value, frame)?.into_owned();
        let leads = steps.iter().chain(branch.is_item.then_some(&value)).zip(keys).all(|(step, key)| step == key);
        if !leads || value == Value::Undefined {
            return Ok(());
        }
        if let Some(watcher) = self.run.watcher {
            watcher.gives(branch.at, &steps, &value);
        }
        take(branch, steps, value)
    }

    /// As in OPA, a rule ends with its first solution if all of its branches that are looked at have the same value, written out.
    fn one_is_enough(&self, made: &'w Definitions, frame: &Frame) -> bool {
        if !made.is_mixed {
            return made.one_value;
        }
        let admitted =
            self.chosen(made, frame).flat_map(|definition| &definition.branches).filter(|branch| self.admits(made, branch, frame));
        let mut values = admitted.map(CompiledBranch::written);
        values.next().flatten().is_some_and(|first| values.all(|value| value == Some(first)))
    }

    /// The definitions that can have a solution.
    fn chosen(&self, made: &'w Definitions, frame: &Frame) -> impl Iterator<Item = &'w CompiledDefinition> + use<'w> {
        // Who watches is shown the others, too.
        let index = made.index.as_ref().filter(|_| self.run.watcher.is_none());
        let chosen = index.and_then(|index| index.chosen(self.subject(index.of, frame)));
        let all = if chosen.is_none() { made.all.as_slice() } else { &[] };
        chosen.into_iter().flatten().filter_map(|number| made.all.get(number)).chain(all)
    }

    fn subject<'s>(&self, of: Subject, frame: &'s Frame) -> &'s Value
    where
        'w: 's,
    {
        match of {
            Subject::Input(path) => self.input(path),
            Subject::Slot(slot) => frame.slots.get(slot).unwrap_or(&UNDEFINED),
        }
    }

    /// Whether a branch is looked at. What its body begins with is asked there again; it matters beforehand where other statements could
    /// fail, and where it decides which others are looked at.
    fn admits(&self, made: &Definitions, branch: &CompiledBranch, frame: &Frame) -> bool {
        !(made.is_mixed || branch.guards.is_ahead) || branch.guards.hold(|of| self.subject(of, frame))
    }

    /// The value of a rule that counts. What is empty in it may be left out.
    pub(super) fn counted(&self, counted: &'w Counted) -> Evaluated<Value> {
        if counted.leaves.is_empty() {
            return self.document(&counted.path);
        }
        let index = counted.index.as_ref().filter(|_| self.run.watcher.is_none());
        let chosen = index.and_then(|index| index.chosen(self.subject(index.of, &Frame::new(Vec::new()))));
        let all = if chosen.is_none() { counted.leaves.as_slice() } else { &[] };
        let mut value = Value::new_object();
        for leaf in chosen.into_iter().flatten().filter_map(|number| counted.leaves.get(number)).chain(all) {
            let found = self.rule(leaf.rule)?;
            if *found != Value::Undefined {
                gather::put(&mut value, &leaf.path, found.into_owned(), false)?;
            }
        }
        Ok(value)
    }
}

/// An item of a value, an item of that, and so on.
fn descend<'v>(value: Cow<'v, Value>, keys: &[Value]) -> Cow<'v, Value> {
    match value {
        Cow::Borrowed(value) => Cow::Borrowed(keys.iter().fold(value, value::at)),
        Cow::Owned(value) => Cow::Owned(keys.iter().fold(&value, value::at).clone()),
    }
}
