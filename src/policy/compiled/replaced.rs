//! What `with` puts in the place of something else.

use regorus::Value;

use super::value::at;
use crate::policy::builtins::Callable;
use crate::policy::syntax::core::Target;

/// What stands in the place of rules: whatever is at a path, or below one, that is replaced.
#[derive(Clone)]
pub(super) struct ReplacedData {
    pub(super) value: Value,
    pub(super) targets: Vec<Vec<Box<str>>>,
}

impl ReplacedData {
    /// What is at a path, if that is replaced.
    pub(super) fn covers(&self, path: &[Box<str>]) -> Option<&Value> {
        self.targets.iter().any(|target| path.starts_with(target)).then(|| self.find(path))
    }

    pub(super) fn find(&self, path: &[Box<str>]) -> &Value {
        path.iter().fold(&self.value, |value, name| at(value, &Value::from(name.as_ref())))
    }
}

/// What stands in the place of a function.
#[derive(Clone)]
pub(super) struct Mock<'w> {
    pub(super) of: &'w Target,
    pub(super) by: Stand,
}

#[derive(Clone)]
pub(super) enum Stand {
    Value(Value),
    Function(usize),
    Builtin(Box<str>, Option<Callable>),
}
