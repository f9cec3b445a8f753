//! The functions that a policy may call, each behind a wrapper of ours.
//!
//! Regorus' own builtins are not safe to be called on what a policy's author or a client can choose: some panic, some allocate without a
//! bound or never come back. So none is called directly. A wrapper looks at the size of the arguments, charges what the result will
//! take to the evaluation's [`budget`], refuses what would take too long ([`mod@work`]), turns an error of the builtin into `undefined` as
//! OPA does, and replaces those that cannot be held in this way ([`mod@own`]) or that OPA has and regorus lacks ([`net`], [`mod@own`]).

pub(super) mod budget;
mod calendar;
mod encoding;
pub(super) mod format;
mod function;
pub(super) mod glob;
mod growth;
mod json;
pub(super) mod layout;
mod native;
mod net;
mod number;
pub(super) mod operators;
pub(super) mod order;
mod own;
mod parse_time;
pub(super) mod pattern;
mod regex;
mod template;
mod text;
mod time;
mod version;
mod work;
mod written_number;

use regorus::{Engine, Value};

use self::function::{Function, Own};
use self::native::of_the_engine;
use super::syntax::native::Native;

pub(super) use function::length;
pub(super) use net::network;
pub(super) use written_number::TO_NUMBER;

/// Why a policy may not call a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It would make the answer depend on more than `input`, or reach outside.
    Impure(&'static str),
    /// There is no such function here.
    Unknown,
}

/// Functions that OPA has and login policies must not use.
const IMPURE: [(&str, &str); 10] = [
    ("http.send", "a policy may not use the network"),
    ("net.lookup_ip_addr", "a policy may not use the network"),
    ("opa.runtime", "a policy may not read the environment"),
    ("time.now_ns", "the time is `input.request.timestamp_ns`"),
    ("rand.intn", "a policy may not use randomness"),
    ("uuid.rfc4122", "a policy may not use randomness"),
    ("trace", "nobody would read it"),
    ("print", "nobody would read it"),
    ("rego.parse_module", "a policy may not read modules"),
    ("rego.metadata.rule", "a policy may not read modules"),
];

/// Builtins of regorus that do not end, or not in time, on arguments that nobody can tell from good ones, or that say other things than
/// OPA's.
const UNSOUND: [&str; 4] = ["units.parse", "units.parse_bytes", "regex.template_match", "__builtin_host_await"];

/// Builtins of Rego v0 that v1 has no more.
pub(super) const OLD: [&str; 8] = ["all", "any", "cast_array", "cast_boolean", "cast_null", "cast_number", "re_match", "set_diff"];

/// How many arguments a function takes.
pub(super) fn arity(name: &str) -> Result<usize, Refused> {
    if let Some((_, why)) = IMPURE.iter().find(|(impure, _)| *impure == name) {
        return Err(Refused::Impure(why));
    }
    if name == template::TEMPLATE || name == TO_NUMBER {
        return Err(Refused::Unknown);
    }
    if let Some((_, arity, _)) = own(name) {
        return Ok(usize::from(arity));
    }
    match Native::arity_of(name) {
        Some(arity) if !UNSOUND.contains(&name) && !name.starts_with("__") => Ok(arity),
        Some(_) | None => Err(Refused::Unknown),
    }
}

/// Whether there is a builtin of the name: one of ours, or one of regorus' that policies may or may not call.
pub(super) fn is_one(name: &str) -> bool {
    Native::arity_of(name).is_some() || arity(name) != Err(Refused::Unknown)
}

/// Every name that a policy may call, for "did you mean".
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let theirs = Native::names().filter(|name| arity(name).is_ok());
    theirs.chain(functions().map(|(name, _, _)| *name))
}

/// Every function of ours.
fn functions() -> impl Iterator<Item = &'static Function> {
    let of_texts =
        encoding::FUNCTIONS.iter().chain(&glob::FUNCTIONS).chain(&json::FUNCTIONS).chain(&regex::FUNCTIONS).chain(&text::FUNCTIONS);
    let of_others = net::FUNCTIONS
        .iter()
        .chain(&template::FUNCTIONS)
        .chain(&number::FUNCTIONS)
        .chain(&own::FUNCTIONS)
        .chain(&time::FUNCTIONS)
        .chain(&version::FUNCTIONS);
    of_texts.chain(of_others)
}

/// Makes a function callable under a name. Only those that a policy calls are added: an engine's copy costs more with each.
pub(super) fn add_as(engine: &mut Engine, name: &str, called: String) -> anyhow::Result<()> {
    let Some(function) = Callable::of(name) else { anyhow::bail!("there is no function {name}") };
    engine.add_extension(called, function.arity, Box::new(move |args: Vec<Value>| function.call(&args)))
}

/// A function that a policy may call, with all that is looked at before and after it is.
#[derive(Clone)]
pub(super) struct Callable {
    arity: u8,
    function: Either,
}

#[derive(Clone)]
enum Either {
    Ours(&'static str, Own),
    Theirs(Native),
}

impl Callable {
    /// `None`: there is none of that name.
    pub(super) fn of(name: &str) -> Option<Self> {
        if let Some((name, arity, function)) = own(name) {
            return Some(Self { arity, function: Either::Ours(name, function) });
        }
        let native = Native::of(name)?;
        Some(Self { arity: u8::try_from(native.arity()).ok()?, function: Either::Theirs(native) })
    }

    /// Calls it.
    ///
    /// # Errors
    /// When the evaluation must not go on.
    pub(super) fn call(&self, args: &[Value]) -> anyhow::Result<Value> {
        match &self.function {
            Either::Ours(name, function) => {
                budget::admit(args)?;
                growth::check(name, args)?;
                work::check(name, args)?;
                let value = function.call(args)?;
                budget::charge_value(&value)?;
                Ok(value)
            }
            Either::Theirs(native) => of_the_engine(native, args),
        }
    }
}

/// Calls a function outside of any evaluation; undefined where it fails.
pub(super) fn call_alone(name: &str, args: &[Value]) -> Value {
    budget::start(ONE_ANSWER);
    let answer = match (own(name), Native::of(name)) {
        (Some((_, _, function)), _) => function.call(args),
        (None, Some(native)) => of_the_engine(&native, args),
        (None, None) => return Value::Undefined,
    };
    answer.unwrap_or(Value::Undefined)
}

/// Whether a builtin has an answer to these arguments.
pub(super) fn has_answer(name: &str, args: &[Value]) -> bool {
    call_alone(name, args) != Value::Undefined
}

/// Bytes that one answer may take that is asked for outside of an evaluation.
const ONE_ANSWER: usize = 1024 * 1024;

fn own(name: &str) -> Option<Function> {
    functions().find(|(own, _, _)| *own == name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reaches_outside_is_refused_with_a_reason() {
        for name in
            ["http.send", "opa.runtime", "time.now_ns", "rand.intn", "uuid.rfc4122", "trace", "rego.parse_module", "net.lookup_ip_addr"]
        {
            assert!(matches!(arity(name), Err(Refused::Impure(_))), "{name}");
        }
    }

    #[test]
    fn what_does_not_end_is_unknown() {
        for name in ["units.parse", "units.parse_bytes", "graph.reachable_paths", "walk", "yaml.unmarshal", "json.match_schema"] {
            assert_eq!(arity(name), Err(Refused::Unknown), "{name}");
        }
    }

    #[test]
    fn what_login_policies_use_is_there() {
        for (name, expected) in [
            ("startswith", 2),
            ("net.cidr_contains", 2),
            ("net.cidr_intersects", 2),
            ("net.cidr_contains_matches", 2),
            ("net.cidr_merge", 1),
            ("time.clock", 1),
            ("time.weekday", 1),
            ("time.parse_rfc3339_ns", 1),
            ("regex.match", 2),
            ("glob.match", 3),
            ("sprintf", 2),
            ("any", 1),
            ("all", 1),
            ("re_match", 2),
            ("count", 1),
            ("object.get", 3),
            ("json.unmarshal", 1),
        ] {
            assert_eq!(arity(name), Ok(expected), "{name}");
        }
    }
}
