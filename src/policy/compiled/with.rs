//! `with`: other values in some places; and what is at a path of `data`, which may be one of them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use regorus::Value;

use super::failure::Evaluated;
use super::flow::Flow;
use super::gather::charge;
use super::replaced::{Mock, ReplacedData, Stand};
use super::resolve::leaves;
use super::solve::Solution;
use super::term::{CompiledStmt, CompiledTerm};
use super::value::{UNDEFINED, at};
use super::world::{Frame, Unknown, World};
use crate::policy::builtins::{Callable, budget};
use crate::policy::syntax::core::{Extent, Target};

impl<'w> World<'w> {
    /// Finds the solutions of a body with other values in some places. What comes after it sees what was there before.
    pub(super) fn with(
        &self,
        replaced: &'w [(Target, CompiledTerm)],
        body: &'w [CompiledStmt],
        frame: &mut Frame,
        then: Solution<'_>,
    ) -> Evaluated<Flow> {
        let (mut input, mut data, mut mocks) = (None, self.data.cloned(), self.mocks.to_vec());
        for (target, term) in replaced {
            if let (Target::Function(_) | Target::Builtin(_), CompiledTerm::Named(name)) = (target, term) {
                mocks.push(Mock { of: target, by: self.named(name) });
                continue;
            }
            let value = self.eval(term, frame)?.into_owned();
            if value == Value::Undefined {
                return Ok(Flow::On);
            }
            charge(&value)?;
            match target {
                Target::Input(path) => put(input.get_or_insert_with(|| self.input.clone()), path, value)?,
                Target::Data(path) => {
                    let data = data.get_or_insert_with(|| ReplacedData { value: Value::Undefined, targets: Vec::new() });
                    put(&mut data.value, path, value)?;
                    data.targets.push(path.clone());
                }
                Target::Function(_) | Target::Builtin(_) => mocks.push(Mock { of: target, by: Stand::Value(value) }),
            }
        }
        let known = Unknown::of(self.run.compiled);
        let input = input.as_ref().unwrap_or(self.input);
        let world = World { run: self.run, input, known: &known, data: data.as_ref(), mocks: &mocks };
        world.nested(body, frame, then)
    }

    /// A function by its name.
    fn named(&self, name: &str) -> Stand {
        match self.run.compiled.names.get(name) {
            Some(number) => Stand::Function(*number),
            None => Stand::Builtin(name.into(), Callable::of(name)),
        }
    }

    /// What stands in the place of a function.
    pub(super) fn mock(&self, is_it: impl Fn(&Target) -> bool) -> Option<&'w Mock<'w>> {
        self.mocks.iter().rev().find(|mock| is_it(mock.of))
    }

    /// Calls what stands in a function's place. Within that nothing is in the place of another, or it could not call what it stands for.
    pub(super) fn mocked(&self, mock: &Mock<'_>, arguments: Vec<Value>) -> Evaluated<Value> {
        match &mock.by {
            Stand::Value(value) => Ok(value.clone()),
            Stand::Function(number) => World { mocks: &[], ..*self }.apply(*number, arguments),
            Stand::Builtin(name, function) => self.builtin(name, function.as_ref(), &arguments),
        }
    }

    /// What is at a path of `data`, by number.
    pub(super) fn numbered(&self, number: usize) -> Evaluated<Cow<'w, Value>> {
        match self.run.compiled.documents.get(number) {
            Some((path, cell)) => self.kept(Some(*cell), || self.document(path)),
            None => Ok(Cow::Borrowed(&UNDEFINED)),
        }
    }

    /// What is behind it at these keys. Names among them lead to the rules of that path, and no others are looked at.
    pub(super) fn document_at(&self, number: usize, keys: &[Value]) -> Evaluated<Cow<'w, Value>> {
        let Some((path, _)) = self.run.compiled.documents.get(number) else { return Ok(Cow::Borrowed(&UNDEFINED)) };
        let names = keys.iter().map_while(|key| key.as_string().ok());
        let path: Vec<Box<str>> = path.iter().cloned().chain(names.map(|name| name.as_ref().into())).collect();
        let rest = keys.iter().skip_while(|key| key.as_string().is_ok());
        let value = self.document(&path)?;
        Ok(Cow::Owned(rest.fold(&value, at).clone()))
    }

    /// What is at a path of `data`; undefined if nothing is.
    pub(super) fn document(&self, path: &[Box<str>]) -> Evaluated<Value> {
        if let Some(value) = self.data.and_then(|data| data.covers(path)) {
            return Ok(value.clone());
        }
        let mut extent = &self.run.compiled.root;
        for (length, name) in path.iter().enumerate() {
            match (extent.rule, extent.fields.get(name)) {
                (Some(rule), _) => {
                    let keys: Vec<Value> = path.iter().skip(length).map(|name| Value::from(name.as_ref())).collect();
                    if extent.fields.is_empty() {
                        return Ok(self.rule_at(rule, &keys)?.into_owned());
                    }
                    let value = self.together(rule, &leaves(extent), &keys)?;
                    return Ok(keys.iter().fold(&value, at).clone());
                }
                (None, Some(field)) => extent = field,
                (None, None) => return Ok(self.data.map_or(Value::Undefined, |data| data.find(path).clone())),
            }
        }
        let value = self.extent(extent)?;
        match self.data.map(|data| data.find(path)) {
            Some(replaced) if *replaced != Value::Undefined => Ok(merged(replaced, &value)),
            Some(_) | None => Ok(value),
        }
    }

    /// What the rules at and below a path make.
    fn extent(&self, extent: &Extent) -> Evaluated<Value> {
        match extent.rule {
            Some(rule) if extent.fields.is_empty() => Ok(self.rule(rule)?.into_owned()),
            Some(rule) => self.together(rule, &leaves(extent), &[]),
            None => {
                let mut fields = BTreeMap::new();
                for (name, field) in &extent.fields {
                    let value = self.extent(field)?;
                    if value != Value::Undefined {
                        let name = Value::from(name.as_ref());
                        charge(&name)?;
                        charge(&value)?;
                        fields.insert(name, value);
                    }
                }
                Ok(Value::from(fields))
            }
        }
    }
}

/// Puts a value at a path, through objects that are made where there are none.
fn put(root: &mut Value, path: &[Box<str>], value: Value) -> Evaluated<()> {
    let mut place = root;
    for name in path {
        if !matches!(place, Value::Object(_)) {
            *place = Value::new_object();
        }
        let Ok(fields) = place.as_object_mut() else { return Ok(()) };
        // The object may have been copied for it.
        budget::charge(fields.len() * budget::FIELD)?;
        place = fields.get_or_insert_with(Value::from(name.as_ref()), Value::new_object);
    }
    *place = value;
    Ok(())
}

/// Both together; where they differ, what is replaced counts.
fn merged(replaced: &Value, made: &Value) -> Value {
    let (Value::Object(replaced), Value::Object(fields)) = (replaced, made) else { return replaced.clone() };
    let mut merge: BTreeMap<Value, Value> = fields.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    for (key, value) in replaced.iter() {
        let value = fields.get(key).map_or_else(|| value.clone(), |made| merged(value, made));
        merge.insert(key.clone(), value);
    }
    Value::from(merge)
}
