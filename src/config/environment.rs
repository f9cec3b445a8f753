//! The environment's say: `CLAVIGER_TOKEN__TTL=30s` sets `token.ttl`.
//!
//! A double underscore stands for the dot. A Service named `claviger` makes Kubernetes set variables like `CLAVIGER_PORT` or
//! `CLAVIGER_SERVICE_HOST` in every pod, so a name without a double underscore that is no key is left alone, unless it is a key's
//! name but for the second underscore, which is a fault, or very like one, which is worth a warning.

use super::reader::{Complaint, Override, Reader};
use super::value::Origin;

const PREFIX: &str = "CLAVIGER_";

/// Variables that say something else than a setting.
const OTHERS: [&str; 5] = ["CLAVIGER_BOOTSTRAP_KEY", "CLAVIGER_CONFIG", "CLAVIGER_KEY", "CLAVIGER_SERVER", "CLAVIGER_STORE"];

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

/// The settings among the variables, by name.
pub(super) fn overrides(variables: impl IntoIterator<Item = (String, String)>) -> Vec<Override> {
    let mut found: Vec<Override> = variables.into_iter().filter_map(|(name, value)| override_by(name, value)).collect();
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found
}

fn override_by(name: String, value: String) -> Option<Override> {
    if OTHERS.contains(&name.as_str()) {
        return None;
    }
    let rest = name.strip_prefix(PREFIX)?;
    let key = rest.replace("__", ".").to_lowercase();
    let at = Origin::Variable(name.clone(), value.clone());
    Some(Override { key, text: value, at, name: Origin::VariableName(name) })
}

/// What is to be said of variables that are no settings.
#[derive(Default)]
pub(super) struct Sifted {
    pub(super) faults: Vec<Complaint>,
    pub(super) warnings: Vec<Complaint>,
}

/// Takes out what only looks like a setting: names without a double underscore that are no keys. One that is very like a name that means
/// something is warned of. Names that are a key's but for an
/// underscore or the case of a letter are faults: two spellings of one key would leave it to chance which of them counts. `schema` has
/// been asked for every key.
pub(super) fn sift(overrides: &mut Vec<Override>, schema: &Reader<'_>) -> Sifted {
    let mut sifted = Sifted::default();
    let complaint = |over: &Override, message: &str, meant: &str| Complaint {
        at: over.name.clone(),
        key: over.key.clone(),
        message: message.to_owned(),
        suggestion: Some(format!("did you mean `{meant}`?")),
    };
    overrides.retain(|over| {
        let Origin::VariableName(name) = &over.name else { return true };
        let meant = match schema.knows(&over.key) {
            true if variable(&over.key) == *name => return true,
            true => Some(variable(&over.key)),
            false if over.key.contains('.') => return true,
            false => schema.known.keys().map(|key| variable(key)).find(|meant| meant.replace("__", "_") == *name),
        };
        match meant {
            Some(meant) => sifted.faults.push(complaint(over, "the variable's name is not spelt like this", &meant)),
            None => sifted.warnings.extend(like(name, schema).map(|meant| complaint(over, "this variable means nothing", &meant))),
        }
        false
    });
    sifted
}

/// The variable that was probably meant: at most two characters differ, and at most a third. Kubernetes' own do not come near.
fn like(name: &str, schema: &Reader<'_>) -> Option<String> {
    let known = schema.known.keys().map(|key| variable(key)).chain(OTHERS.map(str::to_owned));
    let folded = |name: &str| name.strip_prefix(PREFIX).unwrap_or(name).replace("__", "_");
    let written = folded(name);
    let allowed = (written.chars().count() / 3).clamp(1, 2);
    let scored = known.map(|meant| (strsim::damerau_levenshtein(&written, &folded(&meant)), meant));
    scored.filter(|(distance, _)| *distance <= allowed).min_by_key(|(distance, _)| *distance).map(|(_, meant)| meant)
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
