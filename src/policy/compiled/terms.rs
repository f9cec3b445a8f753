//! Terms: what they come to.

#![expect(clippy::unused_self, reason = "it is asked of the evaluation like all others")]

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;

use super::failure::{Conflict, Evaluated, Failure, FailureKind};
use super::flow::Flow;
use super::gather::{Collected, charge};
use super::term::{CompiledComprehension, CompiledTerm};
use super::value::{UNDEFINED, at, compare, holds, quotient};
use super::world::{Frame, World};
use crate::policy::builtins::{self, Callable, operators};
use crate::policy::syntax::core::Target;
use crate::policy::syntax::tree::{ArithOp, BinOp};

type BinaryOperator = fn(&Value, &Value) -> anyhow::Result<Value>;

const NOTHING: Cow<'static, Value> = Cow::Borrowed(&UNDEFINED);

impl<'w> World<'w> {
    /// A term's value; undefined if any part of it is.
    pub(super) fn eval(&self, term: &'w CompiledTerm, frame: &mut Frame) -> Evaluated<Cow<'w, Value>> {
        match term {
            CompiledTerm::Const(value) => Ok(Cow::Borrowed(value)),
            CompiledTerm::Input(number) => Ok(Cow::Borrowed(self.input(*number))),
            CompiledTerm::Slot(slot) => Ok(frame.slots.get(*slot).cloned().map_or(NOTHING, Cow::Owned)),
            CompiledTerm::Rule(number) => self.rule(*number),
            CompiledTerm::Document(number) => self.numbered(*number),
            CompiledTerm::At(of) => self.run.within(|| self.item(&of.0, &of.1, frame)),
            made => Ok(self.run.within(|| self.make(made, frame))?.map_or(NOTHING, Cow::Owned)),
        }
    }

    /// An item of an item of …
    fn item(&self, of: &'w CompiledTerm, steps: &'w [CompiledTerm], frame: &mut Frame) -> Evaluated<Cow<'w, Value>> {
        // What is at a key need not be what fails at another.
        if let CompiledTerm::Rule(_) | CompiledTerm::Document(_) = of {
            let Some(keys) = self.all(steps, frame)? else { return Ok(NOTHING) };
            return match of {
                CompiledTerm::Rule(number) => self.rule_at(*number, &keys),
                CompiledTerm::Document(number) => self.document_at(*number, &keys),
                _ => Ok(NOTHING),
            };
        }
        let mut value = self.eval(of, frame)?;
        for step in steps {
            let key = self.eval(step, frame)?;
            value = match value {
                Cow::Borrowed(value) => Cow::Borrowed(at(value, &key)),
                Cow::Owned(value) => Cow::Owned(at(&value, &key).clone()),
            };
        }
        Ok(value)
    }

    /// A value that is not there yet; `None` if any part of it is undefined.
    fn make(&self, term: &'w CompiledTerm, frame: &mut Frame) -> Evaluated<Option<Value>> {
        match term {
            CompiledTerm::Call(call) => {
                let arguments = self.all(&call.arguments, frame)?;
                arguments.map(|arguments| self.call(&call.name, call.function.as_ref(), &arguments)).transpose()
            }
            CompiledTerm::Function(number, arguments) => {
                self.all(arguments, frame)?.map(|arguments| self.function(*number, arguments)).transpose()
            }
            CompiledTerm::Array(items) => Ok(self.put_together(items, frame)?.map(Value::from)),
            CompiledTerm::Set(items) => {
                Ok(self.put_together(items, frame)?.map(|items| Value::from(items.into_iter().collect::<BTreeSet<_>>())))
            }
            CompiledTerm::Object(fields) => self.object(fields, frame),
            CompiledTerm::Compare(op, sides) => {
                Ok(self.both(&sides.0, &sides.1, frame)?.map(|(one, other)| Value::Bool(compare(*op, &one, &other))))
            }
            CompiledTerm::In(key, sides) => self.is_in(key.as_deref(), sides, frame),
            CompiledTerm::Sets(BinOp::Union, sides) => self.operated(sides, frame, operators::union),
            CompiledTerm::Sets(BinOp::Intersection, sides) => self.operated(sides, frame, operators::intersection),
            CompiledTerm::Arithmetic(ArithOp::Add, sides) => self.operated(sides, frame, operators::plus),
            CompiledTerm::Arithmetic(ArithOp::Sub, sides) => self.operated(sides, frame, operators::minus),
            CompiledTerm::Arithmetic(ArithOp::Mul, sides) => self.operated(sides, frame, operators::times),
            CompiledTerm::Arithmetic(ArithOp::Div, sides) => self.operated(sides, frame, quotient),
            CompiledTerm::Arithmetic(ArithOp::Mod, sides) => self.operated(sides, frame, operators::remainder),
            CompiledTerm::Collect(comprehension) => self.collect(comprehension, frame).map(Some),
            CompiledTerm::Template(parts) => {
                let Some(parts) = self.all(parts, frame)? else { return Ok(None) };
                let [text] = <[String; 1]>::try_from(self.texts(&parts, "")?).map_err(|_| Failure::conflict(Conflict::Template))?;
                Ok(Some(Value::from(text)))
            }
            CompiledTerm::Const(_)
            | CompiledTerm::Input(_)
            | CompiledTerm::Slot(_)
            | CompiledTerm::Rule(_)
            | CompiledTerm::Document(_)
            | CompiledTerm::At(_)
            | CompiledTerm::Named(_) => Ok(None),
        }
    }

    /// The values of all terms; `None` if one is undefined.
    pub(super) fn all(&self, terms: &'w [CompiledTerm], frame: &mut Frame) -> Evaluated<Option<Vec<Value>>> {
        let mut values = Vec::with_capacity(terms.len());
        for term in terms {
            match self.eval(term, frame)?.into_owned() {
                Value::Undefined => return Ok(None),
                value => values.push(value),
            }
        }
        Ok(Some(values))
    }

    /// The same, of what is put into a collection.
    fn put_together(&self, terms: &'w [CompiledTerm], frame: &mut Frame) -> Evaluated<Option<Vec<Value>>> {
        let Some(values) = self.all(terms, frame)? else { return Ok(None) };
        values.iter().try_for_each(charge)?;
        Ok(Some(values))
    }

    pub(super) fn both(
        &self,
        one: &'w CompiledTerm,
        other: &'w CompiledTerm,
        frame: &mut Frame,
    ) -> Evaluated<Option<(Cow<'w, Value>, Cow<'w, Value>)>> {
        let one = self.eval(one, frame)?;
        if *one == Value::Undefined {
            return Ok(None);
        }
        let other = self.eval(other, frame)?;
        Ok((*other != Value::Undefined).then_some((one, other)))
    }

    fn object(&self, fields: &'w [(CompiledTerm, CompiledTerm)], frame: &mut Frame) -> Evaluated<Option<Value>> {
        let mut made = BTreeMap::new();
        for (key, value) in fields {
            let Some((key, value)) = self.both(key, value, frame)? else { return Ok(None) };
            charge(&key)?;
            charge(&value)?;
            // OPA takes one or the other, or both, depending on what is done with the object.
            if made.insert(key.into_owned(), value.into_owned()).is_some() {
                return Err(Failure::conflict(Conflict::Fields));
            }
        }
        Ok(Some(Value::from(made)))
    }

    fn is_in(&self, key: Option<&'w CompiledTerm>, sides: &'w (CompiledTerm, CompiledTerm), frame: &mut Frame) -> Evaluated<Option<Value>> {
        let key = key.map(|key| self.eval(key, frame)).transpose()?;
        if key.as_deref() == Some(&Value::Undefined) {
            return Ok(None);
        }
        Ok(self.both(&sides.0, &sides.1, frame)?.map(|(item, of)| Value::Bool(holds(&of, key.as_deref(), &item))))
    }

    /// What an operator makes of two values.
    fn operated(&self, sides: &'w (CompiledTerm, CompiledTerm), frame: &mut Frame, operator: BinaryOperator) -> Evaluated<Option<Value>> {
        let Some((one, other)) = self.both(&sides.0, &sides.1, frame)? else { return Ok(None) };
        let items = [&one, &other].map(|side| builtins::length(side).unwrap_or(0));
        for _ in 0..items.iter().sum::<usize>() / 64 {
            self.run.step()?;
        }
        let value = operator(&one, &other).map_err(|error| Failure::of_builtin(&error))?;
        // A number of 64 bits takes nothing of its own, and is made and forgotten a million times in a second.
        if !matches!(&value, Value::Number(number) if number.as_i64().is_some()) {
            charge(&value)?;
        }
        Ok(Some(value))
    }

    fn collect(&self, comprehension: &'w CompiledComprehension, frame: &mut Frame) -> Evaluated<Value> {
        let CompiledComprehension { kind, key, item, body } = comprehension;
        let mut collected = Collected::new(*kind);
        self.solve(body, frame, &mut |frame| {
            let key = match key {
                Some(key) => self.eval(key, frame)?.into_owned(),
                None => Value::Null,
            };
            let item = self.eval(item, frame)?.into_owned();
            if key != Value::Undefined && item != Value::Undefined {
                collected.take(key, item)?;
            }
            Ok(Flow::On)
        })?;
        Ok(collected.value())
    }

    fn call(&self, name: &str, function: Option<&Callable>, arguments: &[Value]) -> Evaluated<Value> {
        self.run.step()?;
        match self.mock(|target| matches!(target, Target::Builtin(replaced) if **replaced == *name)) {
            Some(mock) => self.mocked(mock, arguments.to_vec()),
            None => self.builtin(name, function, arguments),
        }
    }

    fn function(&self, number: usize, arguments: Vec<Value>) -> Evaluated<Value> {
        self.run.step()?;
        match self.mock(|target| *target == Target::Function(number)) {
            Some(mock) => self.mocked(mock, arguments),
            None => self.apply(number, arguments),
        }
    }

    pub(super) fn builtin(&self, name: &str, function: Option<&Callable>, arguments: &[Value]) -> Evaluated<Value> {
        match function {
            Some(function) => function.call(arguments).map_err(|error| Failure::of_builtin(&error)),
            None => Err(Failure::of(FailureKind::Builtin(format!("there is no function `{name}`")))),
        }
    }
}
