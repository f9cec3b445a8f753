//! Numbers that would not be the same here as in OPA.
//!
//! OPA keeps a number as it is written and computes with fractions of its own precision: `0.1 + 0.2 == 0.3` holds there. Here numbers are
//! integers of any size, and fractions that are compared and never computed with.

use regorus::Value;

use super::Faults;
use super::rules::ModuleRules;
use crate::policy::syntax::tree::{ArithOp, Expr, Operator};

pub(super) fn check(rules: &ModuleRules<'_>, faults: &mut Faults<'_>) {
    for definition in &rules.definitions {
        definition.visit(&mut |expr| match expr {
            Expr::Scalar { span, value: value @ Value::Number(_) } if !is_plain(span.text()) => {
                // One that is more than a number holds cannot be written at all.
                let written = value.to_json_str().unwrap_or_default();
                let hint =
                    if is_plain(&written) { format!("write `{written}`") } else { "a whole number has at most 64 bits here".to_owned() };
                faults.push_with_hint(span, format!("the number `{}` must be written out in its shortest form", span.text()), hint);
            }
            Expr::Binary { op: Operator::Arithmetic(op), lhs, rhs, .. } => arithmetic(*op, lhs, rhs, faults),
            _ => {}
        });
    }
}

/// Whether a number is written as it would be printed: no exponent, no zeros at its end, no more digits than are kept.
fn is_plain(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    match digits.split_once('.') {
        None => text != "-0" && (text.parse::<u64>().is_ok() || text.parse::<i64>().is_ok()),
        // Below that, numbers are printed with an exponent.
        Some((_, fraction)) => {
            !fraction.starts_with("0000") && text.parse::<f64>().is_ok_and(|number| format!("{number}") == text && number.abs() < 1e15)
        }
    }
}

fn arithmetic(op: ArithOp, lhs: &Expr, rhs: &Expr, faults: &mut Faults<'_>) {
    for side in [lhs, rhs] {
        if let Expr::Scalar { span, value: Value::Number(_) } = side
            && span.text().contains('.')
        {
            faults.push_with_hint(
                span,
                "a policy computes with whole numbers: fractions are not as exact here as in OPA",
                "choose a smaller unit, so that all numbers are whole",
            );
        }
    }
    let by_constant = matches!(rhs, Expr::Scalar { value, .. } if value.as_i64().is_ok_and(|divisor| divisor != 0));
    match op {
        ArithOp::Div => faults.push_with_hint(
            rhs.span(),
            "a policy cannot divide: quotients are not as exact here as in OPA",
            "compare with a product instead, or take times apart by `time.clock`, `time.date` or `time.diff`",
        ),
        ArithOp::Mod if !by_constant => {
            faults.push_with_hint(rhs.span(), "the divisor of `%` must be a number that is not zero", "write the number itself");
        }
        ArithOp::Add | ArithOp::Sub | ArithOp::Mul | ArithOp::Mod => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_plain_as_they_would_be_printed() {
        for text in ["0", "-1", "18446744073709551615", "1.5", "-0.25", "0.0001", "123456.789"] {
            assert!(is_plain(text), "{text}");
        }
        for text in ["1.0", "1.50", "1e3", "1E3", "-0", "18446744073709551616", "0.00001", "0.1000000000000000055", "1000000000000000.5"] {
            assert!(!is_plain(text), "{text}");
        }
    }
}
