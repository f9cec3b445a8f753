//! What is said of variables that nothing binds.

use super::did_you_mean;

/// What is wrong with a variable of a rule that nothing binds, and what to write instead. `own`: the names of the policy's rules; the
/// rule's own is not what was meant by its variable.
pub(in crate::policy) fn told<'a>(name: &str, rule: &str, own: impl Iterator<Item = &'a str>) -> (String, String) {
    if name == "_" {
        return (
            "`_` is unsafe here: a value is needed, and `_` has none".to_owned(),
            "write the value, or a variable that the body binds; whether something is not in a collection is asked by `not \"x\" in xs`"
                .to_owned(),
        );
    }
    if let Some(constant) = elsewhere(name) {
        return (format!("variable `{name}` is unsafe: nothing binds it"), format!("write `{constant}`"));
    }
    let hint = match did_you_mean(name, own.filter(|own| *own != rule).chain(["input", "data"])) {
        Some(hint) => hint,
        None => {
            format!("put it in quotes if a name is meant: `\"{name}\"`; or give it a value in the body: `{name} := …`, `some {name} in …`")
        }
    };
    (format!("variable `{name}` is unsafe: nothing binds it"), hint)
}

/// What constants of other languages are in Rego.
fn elsewhere(name: &str) -> Option<&'static str> {
    Some(match name {
        "True" | "TRUE" => "true",
        "False" | "FALSE" => "false",
        "None" | "NULL" | "Null" | "nil" => "null",
        _ => return None,
    })
}
