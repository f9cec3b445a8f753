//! The environment's say: `CLAVIGER_TOKEN__TTL=30s` sets `token.ttl`.
//!
//! A double underscore stands for the dot. A Service named `claviger` makes Kubernetes set variables like `CLAVIGER_PORT` or
//! `CLAVIGER_SERVICE_HOST` in every pod, so a name without a double underscore that is no key is left alone, unless it is a key's
//! name but for the second underscore, which is a fault, or very like one, which is worth a warning.

use std::path::Path;

use super::reader::{Override, Reader, about};
use super::value::Origin;
use crate::diagnostics::{Diagnostic, Severity, Source, nearest_by};

const PREFIX: &str = "CLAVIGER_";

/// Variables that say something else than a setting.
const OTHERS: [&str; 6] = ["CLAVIGER_BOOTSTRAP_KEY", "CLAVIGER_CA", "CLAVIGER_CONFIG", "CLAVIGER_KEY", "CLAVIGER_SERVER", "CLAVIGER_STORE"];

/// What stands in no file.
pub(super) fn nowhere() -> Source<'static> {
    Source { file: Path::new(""), text: "" }
}

/// The variables of this process that are about Claviger. The only place of the room that reads the environment.
pub fn environment() -> Vec<(String, String)> {
    let all = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let ours = all.filter(|(name, _)| name.starts_with(PREFIX));
    ours.map(|(name, value)| (name, value.to_string_lossy().into_owned())).collect()
}

/// The name of the variable for a dotted key.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// The variables that may be settings, and what is to be said of those that only look like one.
#[derive(Default)]
pub(super) struct Raw {
    /// By name.
    pub(super) overrides: Vec<Override>,
    pub(super) faults: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
}

impl Raw {
    /// Takes out names without a double underscore that are no keys. One that is very like a name that means something is warned of. Names
    /// that are a key's but for an underscore or the case of a letter are faults: two spellings of one key would leave it to chance which
    /// of them counts. `schema` has been asked for every key.
    pub(super) fn of(variables: impl IntoIterator<Item = (String, String)>, schema: &Reader<'_>) -> Self {
        let mut raw = Self::default();
        for over in overrides(variables) {
            let Origin::VariableName(name) = &over.name else { continue };
            let meant = match schema.knows(&over.key) {
                true if variable(&over.key) == *name => {
                    raw.overrides.push(over);
                    continue;
                }
                true => Some(variable(&over.key)),
                false if is_of_a_service(name, &over.text, schema) => continue,
                false if over.key.contains('.') => {
                    raw.overrides.push(over);
                    continue;
                }
                false => schema.known.keys().map(|key| variable(key)).find(|meant| meant.replace("__", "_") == *name),
            };
            let said = |reason, meant| about(nowhere(), &over.name, &over.key, reason, Some(format!("did you mean `{meant}`?")));
            match meant {
                Some(meant) => raw.faults.push(said("the variable's name is not spelt like this", meant)),
                None => raw
                    .warnings
                    .extend(like(name, schema).map(|meant| said("this variable means nothing", meant).weighing(Severity::Warning))),
            }
        }
        raw
    }
}

/// The settings among the variables, by name.
fn overrides(variables: impl IntoIterator<Item = (String, String)>) -> Vec<Override> {
    let mut found: Vec<Override> = variables.into_iter().filter_map(|(name, value)| override_by(name, &value)).collect();
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found
}

fn override_by(name: String, value: &str) -> Option<Override> {
    if OTHERS.contains(&name.as_str()) {
        return None;
    }
    let rest = name.strip_prefix(PREFIX)?;
    let key = rest.replace("__", ".").to_lowercase();
    // A value that came from a file (`$(cat …)` takes the line's end off, a manifest's block text or an env file does not).
    let value = without_line_end(value).to_owned();
    let at = Origin::Variable(name.clone(), value.clone());
    Some(Override { key, text: value, at, name: Origin::VariableName(name) })
}

/// The value of a variable without the ends of lines behind it.
#[must_use]
pub fn without_line_end(value: &str) -> &str {
    value.trim_end_matches(['\n', '\r'])
}

/// Whether Kubernetes sets a variable of this name for a Service: `_SERVICE_HOST`, `_SERVICE_PORT`, `_SERVICE_PORT_NAME`, `_PORT`,
/// `_PORT_80_TCP` and what comes behind that. A Service's name may well hold two dashes, and then there are two underscores.
fn is_of_a_service(name: &str, value: &str, schema: &Reader<'_>) -> bool {
    let rest = name.strip_prefix(PREFIX).unwrap_or(name);
    let of_port = |rest: &str| {
        let mut parts = rest.split('_');
        let number = parts.next().is_some_and(|number| number.parse::<u16>().is_ok());
        let protocol = parts.next().is_some_and(|protocol| matches!(protocol, "TCP" | "UDP" | "SCTP"));
        number && protocol && parts.next().is_none_or(|last| matches!(last, "PROTO" | "PORT" | "ADDR")) && parts.next().is_none()
    };
    if rest.ends_with("_SERVICE_HOST") || rest.ends_with("_SERVICE_PORT") || rest.contains("_SERVICE_PORT_") {
        return true;
    }
    if rest.match_indices("_PORT_").any(|(at, found)| rest.get(at + found.len()..).is_some_and(of_port)) {
        return true;
    }
    // In a section that there is, somebody may have meant a key: what Kubernetes says is told by the value.
    let section = rest.split("__").next().unwrap_or_default().to_lowercase();
    let is_url = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    rest.ends_with("_PORT") && (is_url || !schema.tables.contains(&section))
}

/// The variable that was probably meant. Kubernetes' own do not come near.
fn like(name: &str, schema: &Reader<'_>) -> Option<String> {
    let known = schema.known.keys().map(|key| variable(key)).chain(OTHERS.map(str::to_owned));
    let spelled = |name: &str| name.strip_prefix(PREFIX).unwrap_or(name).replace("__", "_");
    nearest_by(&spelled(name), known, |meant| spelled(meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_named_after_its_key() {
        assert_eq!(variable("token.max_bytes"), "CLAVIGER_TOKEN__MAX_BYTES");
        assert_eq!(variable("drain_timeout"), "CLAVIGER_DRAIN_TIMEOUT");
    }

    #[test]
    fn a_variables_key_is_what_its_name_says() {
        let keys = |name: &str| overrides([(name.to_owned(), String::new())]).into_iter().map(|over| over.key).collect::<Vec<_>>();
        assert_eq!(keys("CLAVIGER_LIMITS__RATE__BURST"), ["limits.rate.burst"]);
        assert_eq!(keys("CLAVIGER_KEY"), Vec::<String>::new());
        assert_eq!(keys("HOME"), Vec::<String>::new());
    }
}
