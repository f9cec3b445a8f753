//! What files may say, as a JSON schema: for editors, which complete and underline while somebody writes.
//!
//! It says less than a plan does: what is there and what is not, only a store knows.

use serde_json::{Value, json};

/// The schema of a file, JSON Schema 2020-12.
#[must_use]
pub fn schema() -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let slug = |description: &str| json!({ "type": "string", "description": description, "pattern": "^[a-z0-9][a-z0-9_-]{0,63}$" });
    let name =
        |description: &str, longest: u32| json!({ "type": "string", "description": description, "minLength": 1, "maxLength": longest });
    let names = |description: &str, item: Value| json!({ "type": "array", "description": description, "items": item });
    let action = json!({ "type": "string", "pattern": "^(\\*:\\*|[a-z0-9-]+:(\\*|[a-z0-9-]+))$" });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Access, as `claviger apply` reads it",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "$schema": text("Where an editor finds this schema"),
            "strategy": {
                "description": "Which sources of roles count; left as it is if it is not said",
                "enum": ["combined", "user-management", "login-policies"],
            },
            "spaces": {
                "type": "array",
                "description": "Where roles hold: a tree under `root`",
                "items": entry(&["id"], &json!({
                    "id": slug("Unique and unchangeable; of `root` only description and labels can be said"),
                    "name": text("For people; else the id"),
                    "description": text("What it is for"),
                    "parent": slug("The space above it; else `root`"),
                    "labels": names("Visible to policies", json!({ "type": "string" })),
                })),
            },
            "roles": {
                "type": "array",
                "description": "Named sets of actions; those of the system are there already",
                "items": entry(&["id", "actions"], &json!({
                    "id": slug("Unique and unchangeable"),
                    "name": text("For people; else the id"),
                    "description": text("What it is for"),
                    "actions": { "type": "array", "description": "What it allows: `run:trigger`, `run:*`, `*:*`", "minItems": 1, "items": action },
                })),
            },
            "groups": {
                "type": "array",
                "description": "Groups of the identity provider that are to be described; those that keys and bindings name need not be",
                "items": entry(&["name"], &json!({
                    "name": name("As the identity provider spells it; case and blanks count", 256),
                    "description": text("What it is for"),
                })),
            },
            "keys": {
                "type": "array",
                "description": "API keys, without their secrets",
                "items": entry(&["name"], &json!({
                    "name": name("Unique among the keys that are not revoked", 128),
                    "sha256": {
                        "type": "string",
                        "description": "SHA-256 of the key's text, as `claviger key generate -o json` prints it; not needed for a key that is there",
                        "pattern": "^[0-9a-fA-F]{64}$",
                    },
                    "description": text("What it is for"),
                    "groups": names("The groups that it is a member of", name("A group", 256)),
                    "expires": {
                        "type": "string",
                        "description": "When it stops working, with the offset from UTC; else it does not end",
                        "format": "date-time",
                        "examples": ["2027-01-31T12:00:00Z"],
                    },
                    "disabled": { "type": "boolean", "description": "Whether it is switched off" },
                })),
            },
            "bindings": {
                "type": "array",
                "description": "Which key or group holds which role in which space",
                "items": one_of(&["key", "group"], entry(&["role", "space"], &json!({
                    "key": name("Who: a key, by its name", 128),
                    "group": name("Who: every member of a group", 256),
                    "role": slug("Which role"),
                    "space": slug("Where, and in every space below it"),
                }))),
            },
            "policies": {
                "type": "array",
                "description": "Login policies in Rego",
                "items": one_of(&["source", "file"], entry(&["name"], &json!({
                    "name": name("Unique", 128),
                    "rego": { "description": "Which Rego it is written in; else v1 is tried first", "enum": ["v0", "v1"] },
                    "source": text("The module itself"),
                    "file": text("A file with the module, from where this file is"),
                }))),
            },
        },
    })
}

fn entry(required: &[&str], properties: &Value) -> Value {
    json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
}

/// The same with exactly one of these fields.
fn one_of(fields: &[&str], mut entry: Value) -> Value {
    let alternatives: Vec<Value> = fields.iter().map(|field| json!({ "required": [field] })).collect();
    if let Some(object) = entry.as_object_mut() {
        object.insert("oneOf".to_owned(), alternatives.into());
    }
    entry
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::document::{BINDINGS, GROUPS, KEYS, POLICIES, ROLES, SPACES, TOP};
    use super::*;

    fn names(properties: &Value) -> BTreeSet<&str> {
        properties["properties"].as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn the_schema_has_the_fields_that_are_read() {
        let schema = schema();
        assert_eq!(names(&schema), TOP.into_iter().collect());
        for section in [SPACES, ROLES, GROUPS, KEYS, BINDINGS, POLICIES] {
            let entry = &schema["properties"][section.name]["items"];
            assert_eq!(names(entry), section.fields.iter().copied().collect(), "{}", section.name);
        }
    }
}
