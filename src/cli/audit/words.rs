//! What an audit entry says, in words: names instead of ids, and of before and after only what is not the same.

use std::collections::HashMap;

use serde_json::Value;

use crate::model::{AuditEntry, AuditNote, KeyId, KeyName};

/// The longest text that is shown: a description could bury the rest.
const WIDEST: usize = 60;

/// The number of the change, if it was one.
pub(crate) fn revision(entry: &AuditEntry) -> String {
    entry.revision.map_or_else(|| "-".to_owned(), |revision| revision.to_string())
}

/// The key that the binding in this entry is of.
pub(crate) fn key_bound(entry: &AuditEntry) -> Option<KeyId> {
    thing(entry)?.get("subject")?.get("key")?.as_str()?.parse().ok()
}

/// What it happened to, as people call it: a key by its name, a binding by whom it is for.
pub(crate) fn resource(entry: &AuditEntry, names: &HashMap<KeyId, KeyName>) -> String {
    if let Some(id) = key_bound(entry) {
        return names.get(&id).map_or_else(|| id.to_string(), ToString::to_string);
    }
    let Some(thing) = thing(entry) else { return entry.resource.clone() };
    let group = thing.get("subject").and_then(|subject| subject.get("group")).and_then(Value::as_str);
    let key = thing.get("secrets").and_then(|_| thing.get("name")).and_then(Value::as_str);
    group.or(key).map_or_else(|| entry.resource.clone(), str::to_owned)
}

/// The thing as it is now; as it was, if it is gone.
fn thing(entry: &AuditEntry) -> Option<&Value> {
    entry.after.as_ref().or(entry.before.as_ref())
}

/// What has changed, or else what happened.
pub(crate) fn change(entry: &AuditEntry) -> String {
    if let Some(code) = &entry.refused {
        return format!("refused: {code}");
    }
    if entry.action == AuditNote::SIGN_IN {
        return format!("from {}, for the first time", entry.remote_ip.as_deref().unwrap_or("this machine"));
    }
    if entry.action == AuditNote::SESSION_BEGIN {
        return format!("signed in to the console from {}", entry.remote_ip.as_deref().unwrap_or("this machine"));
    }
    if entry.action == AuditNote::SESSION_END {
        return "a session of the console ended".to_owned();
    }
    if entry.action == AuditNote::SAMPLES_CLEARED
        && let Some(cleared) = entry.after.as_ref().and_then(|after| after.get("cleared"))
    {
        return format!("{cleared} given up");
    }
    if let Some(attempts) = entry.after.as_ref().and_then(|after| after.get("attempts")) {
        return format!("{attempts} more, not kept one by one");
    }
    let (before, after) = (entry.before.as_ref().unwrap_or(&Value::Null), entry.after.as_ref().unwrap_or(&Value::Null));
    if let (Value::String(was), Value::String(is)) = (before, after) {
        return changed(was, is);
    }
    if let Some(said) = binding(entry) {
        return said;
    }
    if after.is_null() {
        return String::new();
    }
    let said = FIELDS.into_iter().filter_map(|(field, say)| {
        let (was, is) = (before.get(field).unwrap_or(&Value::Null), after.get(field).unwrap_or(&Value::Null));
        (was != is).then(|| say(was, is))
    });
    said.filter(|said| !said.is_empty()).collect::<Vec<_>>().join("; ")
}

/// A binding says all that it is.
fn binding(entry: &AuditEntry) -> Option<String> {
    let thing = thing(entry)?;
    thing.get("subject")?;
    let held = held(thing)?;
    Some(if entry.after.is_some() { format!("gets {held}") } else { format!("loses {held}") })
}

/// `deployer in production`.
fn held(binding: &Value) -> Option<String> {
    Some(format!("{} in {}", binding.get("role")?.as_str()?, binding.get("space")?.as_str()?))
}

type Say = fn(&Value, &Value) -> String;

/// What is told of each field if it has changed, or if the thing is new and it says something. What no line is for (when it was made, its
/// id) stands in the other columns.
const FIELDS: [(&str, Say); 15] = [
    ("name", |was, is| if was.is_null() { String::new() } else { format!("renamed from {} to {}", short(was), short(is)) }),
    (
        "parent",
        |was, is| if was.is_null() { format!("under {}", short(is)) } else { format!("moved from {} to {}", short(was), short(is)) },
    ),
    ("revoked_at", |_, is| if is.is_null() { "no longer revoked".to_owned() } else { "revoked".to_owned() }),
    ("disabled_at", |_, is| if is.is_null() { "enabled".to_owned() } else { "disabled".to_owned() }),
    ("expires_at", |_, is| if is.is_null() { "never expires".to_owned() } else { format!("expires {}", short(is)) }),
    ("secrets", secrets),
    ("groups", |was, is| listed("groups", &texts(was), &texts(is))),
    ("bindings", |was, is| listed("roles", &roles(was), &roles(is))),
    ("actions", |was, is| listed("actions", &texts(was), &texts(is))),
    ("labels", |was, is| listed("labels", &texts(was), &texts(is))),
    ("description", description),
    ("state", |was, is| if was.is_null() { short(is) } else { changed(&short(was), &short(is)) }),
    ("source", |was, is| if was.is_null() { lines(is) } else { changed(&lines(was), &lines(is)) }),
    ("revision", |_, is| format!("everything as revision {} has left it", short(is))),
    ("rego", |was, is| format!("Rego: {}", changed(&short(was), &short(is)))),
];

fn description(was: &Value, is: &Value) -> String {
    match is.as_str() {
        Some("") if was.is_null() => String::new(),
        Some("") => "no description".to_owned(),
        Some(_) | None => format!("description: {}", short(is)),
    }
}

/// A rotation: the list begins with the newest.
fn secrets(was: &Value, is: &Value) -> String {
    let (Some(was), Some(is)) = (was.as_array(), is.as_array()) else { return String::new() };
    match (was.is_empty(), is.as_slice()) {
        (false, [_, old, ..]) => format!("new secret, the old one ends {}", short(old.get("ends_at").unwrap_or(&Value::Null))),
        (false, [_]) => "new secret".to_owned(),
        (false, []) | (true, _) => String::new(),
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().map(short).collect()
}

fn roles(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(held).collect()
}

/// `groups: +platform, -on-call`.
fn listed(what: &str, was: &[String], is: &[String]) -> String {
    let come = is.iter().filter(|item| !was.contains(item)).map(|item| format!("+{item}"));
    let gone = was.iter().filter(|item| !is.contains(item)).map(|item| format!("-{item}"));
    let all: Vec<String> = come.chain(gone).collect();
    if all.is_empty() { String::new() } else { format!("{what}: {}", all.join(", ")) }
}

fn lines(text: &Value) -> String {
    match text.as_str().unwrap_or_default().lines().count() {
        1 => "1 line".to_owned(),
        many => format!("{many} lines"),
    }
}

fn changed(was: &str, is: &str) -> String {
    if was == is { format!("{is}, not the same") } else { format!("{was} → {is}") }
}

fn short(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    match text.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(before: Option<Value>, after: Option<Value>) -> AuditEntry {
        let text = String::new;
        AuditEntry {
            id: crate::model::AuditId(1),
            revision: Some(crate::model::Revision(1)),
            at: jiff::Timestamp::UNIX_EPOCH,
            actor: text(),
            remote_ip: None,
            action: text(),
            resource: "01hv".to_owned(),
            before,
            after,
            request_id: None,
            refused: None,
            hash: crate::model::EntryHash::NONE,
        }
    }

    #[test]
    fn what_changed_is_said_in_words_and_what_stayed_as_it_was_is_not() {
        let key = |name: &str, disabled: Option<&str>, groups: &[&str], secrets: Value| json!({ "id": "01hv", "name": name, "description": "", "disabled_at": disabled, "groups": groups, "secrets": secrets, "bindings": [] });
        let one = json!([{ "ends_at": null }]);
        let two = json!([{ "ends_at": null }, { "ends_at": "noon" }]);
        let ci = || key("ci", None, &["a"], one.clone());

        let said = |before, after| change(&entry(before, after));
        assert_eq!(said(Some(ci()), Some(key("ci", Some("noon"), &["a"], one.clone()))), "disabled");
        assert_eq!(said(Some(key("ci", Some("noon"), &["a"], one.clone())), Some(ci())), "enabled");
        assert_eq!(said(Some(ci()), Some(key("cd", None, &["b"], one.clone()))), "renamed from ci to cd; groups: +b, -a");
        assert_eq!(said(Some(ci()), Some(key("ci", None, &["a"], two))), "new secret, the old one ends noon");
        assert_eq!(said(None, Some(ci())), "groups: +a");
        assert_eq!(said(Some(ci()), None), "");
        assert_eq!(said(Some(json!("combined")), Some(json!("user-management"))), "combined → user-management");
        let policy = |source: &str| Some(json!({ "name": "p", "source": source, "rego": null }));
        assert_eq!(said(policy("a"), policy("b\nc")), "1 line → 2 lines");
        assert_eq!(said(policy("a"), policy("b")), "1 line, not the same");
    }

    #[test]
    fn a_key_is_called_by_its_name_and_a_binding_by_whom_it_is_for() {
        let id: KeyId = "01aryz6s41041061050r3gg28a".parse().unwrap();
        let names = HashMap::from([(id, "ci".parse().unwrap())]);
        let binding = |subject| Some(json!({ "id": "01hv", "subject": subject, "role": "deployer", "space": "production" }));

        let of_key = entry(None, binding(json!({ "key": id })));
        assert_eq!((resource(&of_key, &names), change(&of_key)), ("ci".to_owned(), "gets deployer in production".to_owned()));
        let of_group = entry(binding(json!({ "group": "platform" })), None);
        assert_eq!((resource(&of_group, &names), change(&of_group)), ("platform".to_owned(), "loses deployer in production".to_owned()));
        assert_eq!(resource(&entry(None, Some(json!({ "name": "ci", "secrets": [] }))), &names), "ci");
        assert_eq!(resource(&entry(None, Some(json!({ "name": "Production", "labels": [] }))), &names), "01hv");
    }
}
