//! What is said of calls that cannot be made.

use super::did_you_mean;
use crate::policy::builtins;

/// What is wrong, and what to write instead where that can be said.
type Message = (String, Option<String>);

/// A function that neither is a builtin nor one of the policy's own, whose names are `own`.
pub(in crate::policy) fn unknown<'a>(name: &str, own: impl Iterator<Item = &'a str>) -> Message {
    let near = || did_you_mean(name, own).or_else(|| did_you_mean(name, builtins::names()));
    let hint = elsewhere(name).map(str::to_owned).or_else(|| as_method(name)).or_else(near);
    (format!("there is no function `{name}`"), hint)
}

/// A builtin of OPA's that policies may not call.
pub(in crate::policy) fn impure(name: &str, why: &str) -> Message {
    (format!("`{name}` may not be called in a login policy: {why}"), instead(name).map(str::to_owned))
}

/// Another number of arguments than a function takes.
pub(in crate::policy) fn arity(name: &str, wanted: usize, given: usize) -> Message {
    let hint = (wanted + 1 == given).then(|| format!("take its result by `x := {name}(…)`"));
    (format!("`{name}` takes {}, and is given {given}", arguments(wanted)), hint)
}

/// A call of a rule that is no function.
pub(in crate::policy) fn of_rule(name: &str) -> Message {
    (format!("`{name}` is a rule and not a function"), Some(format!("write `{name}` alone")))
}

/// A builtin that Rego v0 has and v1 has no more.
pub(in crate::policy) fn old(name: &str) -> Message {
    let hint = match name {
        "re_match" => "call `regex.match`",
        "any" => "write `true in …`, or `some x in …; x`",
        "all" => "write `every x in … { x }`",
        "set_diff" => "write `a - b`",
        _ => "state the policy's version, v0",
    };
    (format!("Rego v1 has no `{name}` any more"), Some(hint.to_owned()))
}

/// What to use in the place of a function that may not be called.
fn instead(name: &str) -> Option<&'static str> {
    Some(match name {
        "time.now_ns" => "write `input.request.timestamp_ns`: the time of the request, which can be simulated",
        "http.send" => "let the identity provider assert it as a group, and look for it by `\"name\" in input.session.teams`",
        "net.lookup_ip_addr" => "compare addresses: `net.cidr_contains(\"10.0.0.0/8\", input.request.remote_ip)`",
        "opa.runtime" => "write the value into the policy; `input.session.account_name` says which instance it is",
        "rand.intn" | "uuid.rfc4122" => "tell keys apart by `input.session.api_key_id`, which no two keys share",
        "print" | "trace" => "take it out; `claviger explain` shows what each policy answers",
        "rego.parse_module" | "rego.metadata.rule" => "take it out; a rule's text is not something to decide by",
        _ => return None,
    })
}

/// What a method of other languages is in Rego.
fn as_method(name: &str) -> Option<String> {
    let (of, method) = name.rsplit_once('.')?;
    let is_value = of.starts_with("input.") || !of.contains('.') && !builtins::names().any(|name| name.split('.').next() == Some(of));
    let written = || builtins::names().any(|name| name == method).then(|| format!("call `{method}({of}, …)`"));
    let other = || elsewhere(method).map(|call| format!("{call} with `{of}` in its brackets"));
    let call = is_value.then(|| written().or_else(other))??;
    Some(format!("{call}: a value has no methods"))
}

/// What functions of other languages are called in Rego.
fn elsewhere(name: &str) -> Option<&'static str> {
    Some(match name {
        "len" | "length" | "size" => "call `count`",
        "has_prefix" | "starts_with" | "startsWith" | "strings.has_prefix" => "call `startswith`",
        "has_suffix" | "ends_with" | "endsWith" | "strings.has_suffix" => "call `endswith`",
        "includes" | "in" => "write `x in collection`, or `contains(text, part)` for a part of a text",
        "matches" | "match" | "regex" | "regexp.match" => "call `regex.match(pattern, text)`",
        "toLower" | "to_lower" | "lowercase" | "tolower" => "call `lower`",
        "toUpper" | "to_upper" | "uppercase" | "toupper" => "call `upper`",
        "now" | "time.now" => "write `input.request.timestamp_ns`: the time of the request in nanoseconds",
        "cidr_contains" | "net.contains" | "ip_in_cidr" => "call `net.cidr_contains(network, address)`",
        "is_member" | "member" => "write `x in collection`",
        _ => return None,
    })
}

pub(in crate::policy) fn arguments(count: usize) -> String {
    match count {
        0 => "no argument".to_owned(),
        1 => "1 argument".to_owned(),
        count => format!("{count} arguments"),
    }
}
