//! One evaluation of a plain policy.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};

use regorus::Value;

use super::term::{Collection, Comprehension, Definition, Kind, Membership, Pattern, Rule, Stmt, Term};
use super::value::{arithmetic, at, compare, holds, put, put_into_set, sets};
use super::{Limits, Plain};
use crate::policy::builtins::budget;

/// This is not plain: the policy must be asked in the other way.
pub(super) struct GiveUp;

type Plainly<T> = Result<T, GiveUp>;

/// Whether more solutions are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Enough,
}

/// What to do with each solution.
type Solution<'f> = &'f mut dyn FnMut(&mut Vec<Value>) -> Plainly<Flow>;

/// Whether what is undefined may just be so. Under a `not` it would turn into a yes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Plain,
    Negated,
}

pub(super) struct Run<'r> {
    plain: &'r Plain,
    inputs: Vec<&'r Value>,
    /// Values of rules that have been asked for.
    known: Vec<OnceCell<Value>>,
    steps: Cell<u32>,
    /// Bytes of the values that were made.
    made: Cell<usize>,
    depth: Cell<u32>,
    time_is_up: &'r dyn Fn() -> bool,
}

const UNDEFINED: Cow<'static, Value> = Cow::Owned(Value::Undefined);

impl<'r> Run<'r> {
    pub(super) fn new(plain: &'r Plain, input: &'r Value, time_is_up: &'r dyn Fn() -> bool) -> Self {
        Self {
            plain,
            inputs: plain.inputs.iter().map(|path| path.iter().fold(input, at)).collect(),
            known: plain.rules.iter().map(|_| OnceCell::new()).collect(),
            steps: Cell::new(0),
            made: Cell::new(0),
            depth: Cell::new(0),
            time_is_up,
        }
    }

    /// A rule's value, undefined if it has none.
    pub(super) fn rule(&self, number: usize) -> Plainly<&Value> {
        let known = self.known.get(number).ok_or(GiveUp)?;
        if let Some(value) = known.get() {
            return Ok(value);
        }
        let rule = self.plain.rules.get(number).ok_or(GiveUp)?;
        let value = self.within(|| self.value_of(rule))?;
        Ok(known.get_or_init(|| value))
    }

    /// Counts how deep calls go into each other.
    fn within<T>(&self, work: impl FnOnce() -> Plainly<T>) -> Plainly<T> {
        if self.depth.get() >= Limits::DEPTH {
            return Err(GiveUp);
        }
        self.depth.set(self.depth.get() + 1);
        let done = work();
        self.depth.set(self.depth.get() - 1);
        done
    }

    fn step(&self) -> Plainly<()> {
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        if steps > Limits::STEPS || (steps.is_multiple_of(Limits::STEPS_PER_LOOK) && (self.time_is_up)()) { Err(GiveUp) } else { Ok(()) }
    }

    /// A value that was made on the way, as long as all of them are not too large.
    fn made(&self, value: Value) -> Plainly<Cow<'static, Value>> {
        let size = match &value {
            Value::Null | Value::Bool(_) | Value::Undefined => 0,
            Value::Number(number) if number.as_i64().is_some() => 0,
            _ => budget::size(std::slice::from_ref(&value), Limits::MADE),
        };
        let made = self.made.get().saturating_add(size);
        self.made.set(made);
        if made > Limits::MADE { Err(GiveUp) } else { Ok(Cow::Owned(value)) }
    }

    fn value_of(&self, rule: &Rule) -> Plainly<Value> {
        let mut value = match rule.kind {
            Kind::Complete => Value::Undefined,
            Kind::Set(0) => Value::new_set(),
            Kind::Set(_) | Kind::Object(_) => Value::new_object(),
        };
        for definition in &rule.definitions {
            let mut frame = Vec::new();
            self.definition(definition, rule.kind, &mut frame, &mut |steps, item| match rule.kind {
                Kind::Complete => agree(&mut value, item),
                Kind::Set(_) => put_into_set(&mut value, steps, item).ok_or(GiveUp),
                Kind::Object(_) => put(&mut value, steps, item).ok_or(GiveUp),
            })?;
        }
        match (&value, &rule.default) {
            (Value::Undefined, Some(default)) => Ok(default.clone()),
            _ => Ok(value),
        }
    }

    /// Tells what each solution of a definition gives: the steps, and the value.
    fn definition(
        &self,
        definition: &Definition,
        kind: Kind,
        frame: &mut Vec<Value>,
        give: &mut dyn FnMut(&[Value], Value) -> Plainly<()>,
    ) -> Plainly<()> {
        frame.resize(definition.slots, Value::Undefined);
        for branch in &definition.branches {
            let (mut solutions, mut undefined) = (0_u32, 0_u32);
            // What is written out is the same in every solution. Of collections all are looked for, as OPA does: one may be an error.
            let one_is_enough = kind == Kind::Complete && matches!(branch.value, Term::Const(_));
            self.solve(&branch.body, frame, Mood::Plain, &mut |frame| {
                solutions += 1;
                let Some(steps) = self.all(&branch.steps, frame, Mood::Plain)? else {
                    undefined += 1;
                    return Ok(Flow::On);
                };
                match self.eval(&branch.value, frame, Mood::Plain)?.into_owned() {
                    Value::Undefined => undefined += 1,
                    value => give(&steps, value)?,
                }
                Ok(if one_is_enough { Flow::Enough } else { Flow::On })
            })?;
            // Of several solutions, or of branches, each would have to be looked at in the engine's order.
            if undefined > 0 && (solutions > 1 || definition.branches.len() > 1) {
                return Err(GiveUp);
            }
            if solutions > 0 {
                break;
            }
        }
        Ok(())
    }

    /// What must have a value.
    fn defined(&self, term: &Term, frame: &mut Vec<Value>) -> Plainly<Value> {
        match self.eval(term, frame, Mood::Plain)?.into_owned() {
            Value::Undefined => Err(GiveUp),
            value => Ok(value),
        }
    }

    /// Finds the solutions of a body, until one of them is enough.
    fn solve(&self, body: &[Stmt], frame: &mut Vec<Value>, mood: Mood, solution: Solution<'_>) -> Plainly<Flow> {
        let Some((first, rest)) = body.split_first() else { return solution(frame) };
        self.step()?;
        match first {
            Stmt::Holds(term) => {
                if self.is_true(term, frame, mood)? {
                    return self.solve(rest, frame, mood, solution);
                }
                Ok(Flow::On)
            }
            Stmt::Not(body) => {
                if self.has_solution(body, frame, Mood::Negated)? {
                    return Ok(Flow::On);
                }
                self.solve(rest, frame, mood, solution)
            }
            Stmt::Bind(pattern, term) => {
                let value = self.eval(term, frame, mood)?.into_owned();
                if value == Value::Undefined {
                    return if mood == Mood::Negated { Err(GiveUp) } else { Ok(Flow::On) };
                }
                if self.fits(pattern, &value, frame)? {
                    return self.solve(rest, frame, mood, solution);
                }
                Ok(Flow::On)
            }
            Stmt::Each { of, key, item } => {
                let of = self.eval(of, frame, mood)?;
                self.each(&of, key, item, frame, &mut |frame| self.solve(rest, frame, mood, solution))
            }
            Stmt::Every { of, key, item, body } => {
                let of = self.eval(of, frame, mood)?;
                if *of == Value::Undefined {
                    return Err(GiveUp);
                }
                let one_fails = self.each(&of, key, item, frame, &mut |frame| {
                    Ok(if self.has_solution(body, frame, mood)? { Flow::On } else { Flow::Enough })
                })?;
                if one_fails == Flow::Enough { Ok(Flow::On) } else { self.solve(rest, frame, mood, solution) }
            }
        }
    }

    fn has_solution(&self, body: &[Stmt], frame: &mut Vec<Value>, mood: Mood) -> Plainly<bool> {
        Ok(self.solve(body, frame, mood, &mut |_| Ok(Flow::Enough))? == Flow::Enough)
    }

    /// Goes through a collection. Undefined has no items.
    fn each(&self, of: &Value, key: &Pattern, item: &Pattern, frame: &mut Vec<Value>, then: Solution<'_>) -> Plainly<Flow> {
        let mut one = |index: &dyn Fn() -> Value, value: &Value, frame: &mut Vec<Value>| {
            self.step()?;
            let fits = matches!(key, Pattern::Any) || self.fits(key, &index(), frame)?;
            if fits && self.fits(item, value, frame)? { then(frame) } else { Ok(Flow::On) }
        };
        match of {
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    if one(&|| Value::from(index), value, frame)? == Flow::Enough {
                        return Ok(Flow::Enough);
                    }
                }
            }
            Value::Set(items) => {
                for value in items.iter() {
                    if one(&|| value.clone(), value, frame)? == Flow::Enough {
                        return Ok(Flow::Enough);
                    }
                }
            }
            Value::Object(items) => {
                for (key, value) in items.iter() {
                    if one(&|| key.clone(), value, frame)? == Flow::Enough {
                        return Ok(Flow::Enough);
                    }
                }
            }
            Value::Undefined => {}
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Err(GiveUp),
        }
        Ok(Flow::On)
    }

    fn fits(&self, pattern: &Pattern, value: &Value, frame: &mut Vec<Value>) -> Plainly<bool> {
        match pattern {
            Pattern::Any => Ok(true),
            Pattern::Slot(slot) => {
                *frame.get_mut(*slot).ok_or(GiveUp)? = value.clone();
                Ok(true)
            }
            Pattern::Is(term) => match &*self.eval(term, frame, Mood::Plain)? {
                Value::Undefined => Err(GiveUp),
                wanted => Ok(wanted == value),
            },
            Pattern::Array(patterns) => {
                let Value::Array(items) = value else { return Ok(false) };
                if items.len() != patterns.len() {
                    return Ok(false);
                }
                for (pattern, item) in patterns.iter().zip(items.iter()) {
                    if !self.fits(pattern, item, frame)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }

    /// Whether a statement that is only a term holds.
    fn is_true(&self, term: &Term, frame: &mut Vec<Value>, mood: Mood) -> Plainly<bool> {
        if let Term::In(membership) = term {
            return Ok(self.is_in(membership, frame, mood)?.unwrap_or(false));
        }
        Ok(!matches!(*self.eval(term, frame, mood)?, Value::Undefined | Value::Bool(false)))
    }

    /// `None`: one of the three is undefined.
    fn is_in(&self, membership: &Membership, frame: &mut Vec<Value>, mood: Mood) -> Plainly<Option<bool>> {
        let Membership { key, item, of } = membership;
        let of = self.eval(of, frame, mood)?;
        let item = self.eval(item, frame, mood)?;
        let key = match key {
            Some(key) => Some(self.eval(key, frame, mood)?),
            None => None,
        };
        let undefined = [Some(&of), Some(&item), key.as_ref()].into_iter().flatten().any(|part| **part == Value::Undefined);
        match (undefined, mood) {
            (true, Mood::Negated) => Err(GiveUp),
            (true, Mood::Plain) => Ok(None),
            (false, _) => Ok(Some(holds(&of, key.as_deref(), &item))),
        }
    }

    fn eval<'t>(&'t self, term: &'t Term, frame: &mut Vec<Value>, mood: Mood) -> Plainly<Cow<'t, Value>> {
        Ok(match term {
            Term::Const(value) => Cow::Borrowed(value),
            Term::Input(number) => Cow::Borrowed(*self.inputs.get(*number).ok_or(GiveUp)?),
            Term::Local(slot) => Cow::Owned(frame.get(*slot).ok_or(GiveUp)?.clone()),
            Term::Rule(number) => Cow::Borrowed(self.rule(*number)?),
            Term::At(of, steps) => {
                let mut value = self.eval(of, frame, mood)?;
                for step in steps {
                    let key = self.eval(step, frame, mood)?;
                    if *key == Value::Undefined {
                        return if mood == Mood::Negated { Err(GiveUp) } else { Ok(UNDEFINED) };
                    }
                    value = match value {
                        Cow::Borrowed(value) => Cow::Borrowed(at(value, &key)),
                        Cow::Owned(value) => Cow::Owned(at(&value, &key).clone()),
                    };
                }
                value
            }
            Term::Call(function, arguments) => {
                let Some(arguments) = self.all(arguments, frame, mood)? else { return Ok(UNDEFINED) };
                self.step()?;
                self.made(function.call(&arguments).map_err(|_| GiveUp)?)?
            }
            Term::Function(number, arguments) => {
                let Some(mut frame) = self.all(arguments, frame, mood)? else { return Ok(UNDEFINED) };
                self.step()?;
                let function = self.plain.functions.get(*number).ok_or(GiveUp)?;
                let arguments = frame.len();
                let mut value = Value::Undefined;
                for definition in &function.definitions {
                    frame.truncate(arguments);
                    self.within(|| self.definition(definition, Kind::Complete, &mut frame, &mut |_, result| agree(&mut value, result)))?;
                }
                Cow::Owned(value)
            }
            Term::Array(items) => match self.all(items, frame, Mood::Plain)? {
                Some(items) => self.made(Value::from(items))?,
                None => return Err(GiveUp),
            },
            Term::Set(items) => match self.all(items, frame, Mood::Plain)? {
                Some(items) => self.made(Value::from(items.into_iter().collect::<std::collections::BTreeSet<_>>()))?,
                None => return Err(GiveUp),
            },
            Term::Object(fields) => {
                let mut object = Value::new_object();
                for (key, value) in fields {
                    let (key, value) = (self.defined(key, frame)?, self.defined(value, frame)?);
                    put(&mut object, &[key], value).ok_or(GiveUp)?;
                }
                self.made(object)?
            }
            Term::Compare(op, sides) => match self.both(sides, frame, mood)? {
                Some((one, other)) => Cow::Owned(Value::Bool(compare(op, &one, &other))),
                None => UNDEFINED,
            },
            Term::In(membership) => Cow::Owned(Value::Bool(self.is_in(membership, frame, mood)?.ok_or(GiveUp)?)),
            Term::Sets(op, sides) => match self.both(sides, frame, mood)? {
                Some((one, other)) => self.made(sets(op, &one, &other).ok_or(GiveUp)?)?,
                None => UNDEFINED,
            },
            Term::Arithmetic(op, sides) => match self.both(sides, frame, mood)? {
                Some((one, other)) => self.made(arithmetic(op, &one, &other).ok_or(GiveUp)?)?,
                None => UNDEFINED,
            },
            Term::Collect(comprehension) => self.made(self.collect(comprehension, frame)?)?,
        })
    }

    /// The values of all terms; `None` if one is undefined.
    fn all(&self, terms: &[Term], frame: &mut Vec<Value>, mood: Mood) -> Plainly<Option<Vec<Value>>> {
        let mut values = Vec::with_capacity(terms.len());
        for term in terms {
            match self.eval(term, frame, mood)?.into_owned() {
                Value::Undefined if mood == Mood::Negated => return Err(GiveUp),
                Value::Undefined => return Ok(None),
                value => values.push(value),
            }
        }
        Ok(Some(values))
    }

    fn both<'t>(
        &'t self,
        sides: &'t (Term, Term),
        frame: &mut Vec<Value>,
        mood: Mood,
    ) -> Plainly<Option<(Cow<'t, Value>, Cow<'t, Value>)>> {
        let one = self.eval(&sides.0, frame, mood)?;
        let other = self.eval(&sides.1, frame, mood)?;
        match (*one == Value::Undefined || *other == Value::Undefined, mood) {
            (true, Mood::Negated) => Err(GiveUp),
            (true, Mood::Plain) => Ok(None),
            (false, _) => Ok(Some((one, other))),
        }
    }

    fn collect(&self, comprehension: &Comprehension, frame: &mut Vec<Value>) -> Plainly<Value> {
        let Comprehension { kind, key, item, body } = comprehension;
        let mut items = Vec::new();
        let mut object = Value::new_object();
        self.solve(body, frame, Mood::Plain, &mut |frame| {
            let value = self.defined(item, frame)?;
            match key {
                Some(key) => put(&mut object, &[self.defined(key, frame)?], value).ok_or(GiveUp)?,
                None => items.push(value),
            }
            Ok(Flow::On)
        })?;
        Ok(match kind {
            Collection::Array => Value::from(items),
            Collection::Set => Value::from(items.into_iter().collect::<std::collections::BTreeSet<_>>()),
            Collection::Object => object,
        })
    }
}

/// A rule, or a call, that has several definitions or solutions has one value all the same.
fn agree(value: &mut Value, another: Value) -> Plainly<()> {
    if *value == Value::Undefined {
        *value = another;
        return Ok(());
    }
    if *value == another { Ok(()) } else { Err(GiveUp) }
}
