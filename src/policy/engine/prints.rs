//! What a test prints.

use std::cell::RefCell;

use regorus::Value;

use crate::policy::builtins::{Callable, budget, order};

thread_local! {
    /// Of the evaluation on this thread.
    static PRINTED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

#[cfg(test)]
/// What has been printed since this was asked last.
pub(super) fn take() -> Vec<String> {
    PRINTED.take()
}

/// The place, and an array of sets: each value that something has, or none if it is undefined. A line for every choice.
pub(super) fn print(args: &[Value]) -> anyhow::Result<Value> {
    let [Value::String(place), Value::Array(operands)] = args else { return Ok(Value::Undefined) };
    let mut lines = vec![String::new()];
    for (index, operand) in operands.iter().enumerate() {
        let mut texts = order::items(operand.as_set()?.iter_sorted()).map(text).collect::<anyhow::Result<Vec<_>>>()?;
        if texts.is_empty() {
            texts.push("<undefined>".to_owned());
        }
        let space = if index == 0 { "" } else { " " };
        lines = lines.iter().flat_map(|line| texts.iter().map(move |text| format!("{line}{space}{text}"))).collect();
        budget::weigh(&[Value::from(lines.iter().map(|line| Value::from(line.as_str())).collect::<Vec<_>>())])?;
    }
    PRINTED.with_borrow_mut(|printed| printed.extend(lines.into_iter().map(|line| format!("{place}: {line}"))));
    Ok(Value::Bool(true))
}

/// A value as OPA prints it.
pub(super) fn text(value: &Value) -> anyhow::Result<String> {
    let Some(sprintf) = Callable::of("sprintf") else { return Ok(String::new()) };
    let text = sprintf.call(&[Value::from("%v"), Value::from(vec![value.clone()])])?;
    Ok(text.as_string().map(ToString::to_string).unwrap_or_default())
}
