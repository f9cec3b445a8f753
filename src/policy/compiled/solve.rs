//! Bodies: which solutions they have.

use regorus::Value;

use super::failure::Evaluated;
use super::flow::Flow;
use super::observer::Print;
use super::term::{CompiledStmt, CompiledStmtKind, CompiledTerm};
use super::world::{Frame, World};
use crate::policy::builtins::{Callable, budget, order};

/// What to do with each solution.
pub(super) type Solution<'f> = &'f mut dyn FnMut(&mut Frame) -> Evaluated<Flow>;

impl<'w> World<'w> {
    /// Finds the solutions of a body, until one of them is enough.
    pub(super) fn solve(&self, body: &'w [CompiledStmt], frame: &mut Frame, then: Solution<'_>) -> Evaluated<Flow> {
        let mut rest = body;
        while let Some((statement, later)) = rest.split_first() {
            self.run.step()?;
            if let Some(watcher) = self.run.watcher {
                watcher.looks(frame.at, &statement.span, &frame.slots);
            }
            let solved = match &statement.kind {
                CompiledStmtKind::Each { of, key, item } => Some(self.eval(of, frame).and_then(|of| {
                    self.each(&of, *key, *item, frame, &mut |frame| {
                        self.note(statement, frame);
                        self.solve(later, frame, then)
                    })
                })),
                CompiledStmtKind::With { replaced, body } => Some(self.with(replaced, body, frame, &mut |frame| {
                    self.note(statement, frame);
                    self.solve(later, frame, then)
                })),
                CompiledStmtKind::Holds(_)
                | CompiledStmtKind::Bind(..)
                | CompiledStmtKind::Equal(..)
                | CompiledStmtKind::IsArray(..)
                | CompiledStmtKind::IsObject(..)
                | CompiledStmtKind::Not(_)
                | CompiledStmtKind::Every { .. }
                | CompiledStmtKind::Print(_) => None,
            };
            if let Some(solved) = solved {
                return solved.map_err(|failure| failure.at(&statement.span));
            }
            if !self.is_met(statement, frame).map_err(|failure| failure.at(&statement.span))? {
                return Ok(Flow::On);
            }
            self.note(statement, frame);
            rest = later;
        }
        then(frame)
    }

    fn note(&self, statement: &CompiledStmt, frame: &Frame) {
        if let Some(watcher) = self.run.watcher {
            watcher.holds(frame.at, &statement.span, &frame.slots);
        }
    }

    /// Whether a statement holds that does so in one way at most.
    fn is_met(&self, statement: &'w CompiledStmt, frame: &mut Frame) -> Evaluated<bool> {
        Ok(match &statement.kind {
            CompiledStmtKind::Holds(term) => !matches!(*self.eval(term, frame)?, Value::Undefined | Value::Bool(false)),
            CompiledStmtKind::Bind(slot, term) => {
                let value = self.eval(term, frame)?.into_owned();
                value != Value::Undefined && frame.bind(*slot, value)
            }
            CompiledStmtKind::Equal(one, other) => self.both(one, other, frame)?.is_some_and(|(one, other)| one == other),
            CompiledStmtKind::IsArray(term, length) => matches!(&*self.eval(term, frame)?, Value::Array(items) if items.len() == *length),
            CompiledStmtKind::IsObject(term, keys) => {
                let of = self.eval(term, frame)?;
                let Some(keys) = self.all(keys, frame)? else { return Ok(false) };
                matches!(&*of, Value::Object(fields) if fields.len() == keys.len() && keys.iter().all(|key| fields.contains_key(key)))
            }
            // All of its solutions are looked for, as one may fail.
            CompiledStmtKind::Not(body) => {
                let mut is_solved = false;
                self.nested(body, frame, &mut |_| {
                    is_solved = true;
                    Ok(Flow::On)
                })?;
                !is_solved
            }
            CompiledStmtKind::Every { of, key, item, body } => {
                let of = self.eval(of, frame)?;
                let is_collection = matches!(*of, Value::Array(_) | Value::Set(_) | Value::Object(_));
                is_collection && {
                    let one_fails = self.each(&of, *key, *item, frame, &mut |frame| {
                        let holds = self.nested(body, frame, &mut |_| Ok(Flow::Enough))? == Flow::Enough;
                        Ok(if holds { Flow::On } else { Flow::Enough })
                    })?;
                    one_fails == Flow::On
                }
            }
            CompiledStmtKind::Print(parts) => {
                self.print(statement, parts, frame)?;
                true
            }
            CompiledStmtKind::Each { .. } | CompiledStmtKind::With { .. } => false,
        })
    }

    /// The solutions of a body within another.
    pub(super) fn nested(&self, body: &'w [CompiledStmt], frame: &mut Frame, then: Solution<'_>) -> Evaluated<Flow> {
        self.run.within(|| self.solve(body, frame, then))
    }

    /// Goes through a collection, in OPA's order. Nothing else has items.
    fn each(&self, of: &Value, key: Option<usize>, item: Option<usize>, frame: &mut Frame, then: Solution<'_>) -> Evaluated<Flow> {
        let mut one = |index: &dyn Fn() -> Value, value: &Value| {
            self.run.step()?;
            let fits = key.is_none_or(|key| frame.bind(key, index())) && item.is_none_or(|item| frame.bind(item, value.clone()));
            if fits { self.run.within(|| then(frame)) } else { Ok(Flow::On) }
        };
        match of {
            Value::Array(items) => {
                for (index, value) in items.iter().enumerate() {
                    if one(&|| Value::from(index), value)? == Flow::Enough {
                        return Ok(Flow::Enough);
                    }
                }
            }
            Value::Set(items) => {
                for value in order::items(items.iter_sorted()) {
                    if one(&|| value.clone(), value)? == Flow::Enough {
                        return Ok(Flow::Enough);
                    }
                }
            }
            Value::Object(fields) => {
                for (key, value) in order::entries(fields.iter_sorted()) {
                    if one(&|| key.clone(), value)? == Flow::Enough {
                        return Ok(Flow::Enough);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Undefined => {}
        }
        Ok(Flow::On)
    }

    /// One line for each combination of what the arguments can be.
    fn print(&self, statement: &CompiledStmt, parts: &'w [CompiledTerm], frame: &mut Frame) -> Evaluated<()> {
        let (Some(parts), Some(prints)) = (self.all(parts, frame)?, self.run.prints) else { return Ok(()) };
        let lines = self.texts(&parts, " ")?;
        prints.borrow_mut().extend(lines.into_iter().map(|text| Print { place: statement.span.clone(), text }));
        Ok(())
    }

    /// The texts that parts make, one behind the other. Of a set each item is one that could stand there.
    pub(super) fn texts(&self, parts: &[Value], between: &str) -> Evaluated<Vec<String>> {
        let mut texts = vec![String::new()];
        for (number, part) in parts.iter().enumerate() {
            let ends = match part {
                Value::Set(items) if items.is_empty() => vec!["<undefined>".to_owned()],
                Value::Set(items) => order::items(items.iter_sorted()).map(|item| self.text(item)).collect::<Evaluated<_>>()?,
                other => vec![self.text(other)?],
            };
            let mut longer = Vec::new();
            for (text, end) in texts.iter().flat_map(|text| ends.iter().map(move |end| (text, end))) {
                self.run.step()?;
                let longest = if number == 0 { end.clone() } else { format!("{text}{between}{end}") };
                budget::charge(longest.len())?;
                longer.push(longest);
            }
            texts = longer;
        }
        Ok(texts)
    }

    /// A value as it is printed.
    fn text(&self, value: &Value) -> Evaluated<String> {
        if let Value::String(text) = value {
            return Ok(text.to_string());
        }
        let text = self.builtin("sprintf", Callable::of("sprintf").as_ref(), &[Value::from("%v"), Value::from(vec![value.clone()])])?;
        Ok(text.as_string().map_or_else(|_| value.to_string(), ToString::to_string))
    }
}
