//! The engine's own builtins, by name.
//!
//! They want the places of their arguments for messages that nobody sees here, as parts of a syntax tree that nothing else is made of.

use std::sync::Arc;

use regorus::Value;
use regorus::unstable::{BUILTINS, Expr, ExprRef, Ref, Source, Span};

/// Where it is called and what its arguments are, for messages; the arguments; whether errors are errors.
type Function = fn(&Span, &[ExprRef], &[Value], bool) -> anyhow::Result<Value>;

/// A builtin of the engine.
#[derive(Clone)]
pub(in crate::policy) struct Native {
    name: &'static str,
    function: Function,
    span: Span,
    params: Arc<[ExprRef]>,
}

impl Native {
    /// `None`: the engine has none of that name.
    pub(in crate::policy) fn of(name: &str) -> Option<Self> {
        let (name, (function, arity)) = BUILTINS.get_key_value(name)?;
        let source = Source::from_contents((*name).to_owned(), String::new()).ok()?;
        let span = Span { source, line: 1, col: 1, start: 0, end: 0 };
        let param = || Ref::new(Expr::Null { span: span.clone(), value: Value::Null, eidx: 0 });
        let params = (0..*arity).map(|_| param()).collect();
        Some(Self { name, function: *function, span, params })
    }

    /// How many arguments the builtin takes; `None` if there is none of that name.
    pub(in crate::policy) fn arity_of(name: &str) -> Option<usize> {
        BUILTINS.get(name).map(|(_, arity)| usize::from(*arity))
    }

    /// The names of all of them.
    pub(in crate::policy) fn names() -> impl Iterator<Item = &'static str> {
        BUILTINS.keys().copied()
    }

    pub(in crate::policy) fn name(&self) -> &'static str {
        self.name
    }

    /// How many arguments it takes.
    pub(in crate::policy) fn arity(&self) -> usize {
        self.params.len()
    }

    /// Calls it, and nothing else: nobody looks at what it is given, or at how much it makes of it.
    ///
    /// # Errors
    /// The builtin's own; OPA would say `undefined` to most.
    pub(in crate::policy) fn call(&self, args: &[Value]) -> anyhow::Result<Value> {
        (self.function)(&self.span, &self.params, args, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_builtin_is_found_by_its_name_and_called_with_values() {
        let native = Native::of("startswith").unwrap();
        assert_eq!((native.name(), native.arity(), Native::arity_of("startswith")), ("startswith", 2, Some(2)));
        assert_eq!(native.call(&[Value::from("ci-1"), Value::from("ci-")]).unwrap(), Value::from(true));
        assert!(native.call(&[Value::from(1), Value::from("ci-")]).is_err());
        assert!(Native::of("starts_with").is_none());
        assert!(Native::names().any(|name| name == "startswith"));
    }
}
