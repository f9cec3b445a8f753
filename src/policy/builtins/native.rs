//! Builtins of regorus, called with all that is looked at before and after.

use anyhow::bail;
use regorus::{LimitError, Value};

use super::{budget, growth, work};
use crate::policy::syntax::native::Native;

/// Calls a builtin of regorus, whose errors are undefined.
pub(super) fn of_the_engine(native: &Native, args: &[Value]) -> anyhow::Result<Value> {
    budget::admit(args)?;
    growth::check(native.name(), args)?;
    work::check(native.name(), args)?;
    match native.call(args) {
        Ok(value) => {
            budget::charge_value(&value)?;
            Ok(value)
        }
        Err(error) if error.is::<LimitError>() => Err(error),
        Err(_) => Ok(Value::Undefined),
    }
}

/// Calls a builtin of regorus by another name.
pub(super) fn theirs(name: &str, args: &[Value]) -> anyhow::Result<Value> {
    let Some(native) = Native::of(name) else { bail!("there is no function {name}") };
    of_the_engine(&native, args)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_too_long_to_be_written_out_is_not_handed_to_a_builtin() {
        budget::start(1 << 20);
        let shifted = |number: Value| theirs("bits.lsh", &[number, Value::from(4000)]).unwrap();
        let long = shifted(shifted(Value::from(1)));
        assert_eq!(budget::admit(&[long.clone(), Value::from(-0.5), Value::from(1e300), Value::from(u64::MAX)]), Ok(()));
        assert_eq!(budget::admit(&[shifted(long)]), Err(budget::Exceeded::Memory));
    }
}
