//! Changes as `/changes` takes them.

use serde_json::{Map, Value, json};

use crate::model::{Expiry, Mutation, NewKey, Resource};

/// A change, by what it does.
pub(super) fn change(mutation: &Mutation) -> Value {
    let about = match mutation {
        Mutation::Bootstrap(key) | Mutation::CreateKey(key) | Mutation::ImportKey(key) => new_key(key),
        Mutation::UpdateKey { id, name, description, groups, expiry } => {
            let mut set = said([("name", json!(name)), ("description", json!(description)), ("groups", json!(groups))]);
            match expiry {
                Some(Expiry::At(end)) => _ = set.insert("expires_at".to_owned(), json!(end)),
                Some(Expiry::Never) => _ = set.insert("expires_at".to_owned(), Value::Null),
                None => {}
            }
            json!({ "id": id, "set": set })
        }
        Mutation::RotateKey { id, digest, old_ends_at } => json!({ "id": id, "sha256": digest.to_hex(), "old_ends_at": old_ends_at }),
        Mutation::DisableKey { id } | Mutation::EnableKey { id } | Mutation::RevokeKey { id } => json!({ "id": id }),
        Mutation::CreateSpace(space) => {
            let mut about = said([("parent", json!(space.parent))]);
            for (name, value) in [("id", json!(space.id)), ("name", json!(space.name)), ("labels", json!(space.labels))] {
                about.insert(name.to_owned(), value);
            }
            about.insert("description".to_owned(), json!(space.description));
            about.into()
        }
        Mutation::UpdateSpace { id, name, description, labels, parent } => {
            let set = [("name", json!(name)), ("description", json!(description)), ("labels", json!(labels)), ("parent", json!(parent))];
            json!({ "id": id, "set": said(set) })
        }
        Mutation::DeleteSpace { id } => json!({ "id": id }),
        Mutation::CreateRole { id, name, description, actions } => {
            json!({ "id": id, "name": name, "description": description, "actions": actions })
        }
        Mutation::UpdateRole { id, name, description, actions } => {
            json!({ "id": id, "set": said([("name", json!(name)), ("description", json!(description)), ("actions", json!(actions))]) })
        }
        Mutation::DeleteRole { id } => json!({ "id": id }),
        Mutation::CreateGroup { name, description } => json!({ "name": name, "description": description }),
        Mutation::UpdateGroup { name, description } => json!({ "id": name, "set": { "description": description } }),
        Mutation::DeleteGroup { name } => json!({ "id": name }),
        Mutation::CreateBinding { id, subject, role, space } => json!({ "id": id, "subject": subject, "role": role, "space": space }),
        Mutation::DeleteBinding { id } => json!({ "id": id }),
        Mutation::CreatePolicy(policy) => json!({ "name": policy.name, "source": policy.source, "rego": policy.rego }),
        Mutation::UpdatePolicy { name, source, rego } => json!({ "id": name, "set": { "source": source, "rego": rego } }),
        Mutation::DeletePolicy { name } => json!({ "id": name }),
        Mutation::SetStrategy(strategy) => json!({ "strategy": strategy }),
    };
    json!({ mutation.action(): about })
}

/// A thing that there is.
pub(super) fn thing(resource: &Resource) -> Value {
    json!({ "kind": resource.kind().to_string(), "id": resource.id() })
}

fn new_key(key: &NewKey) -> Value {
    let NewKey { id, name, description, groups, expires_at, digest, bindings } = key;
    let bindings: Vec<Value> = bindings.iter().map(|(id, role, space)| json!({ "id": id, "role": role, "space": space })).collect();
    json!({
        "id": id, "name": name, "description": description, "groups": groups, "expires_at": expires_at, "sha256": digest.to_hex(),
        "bindings": bindings
    })
}

/// What is left as it is, is left out.
fn said<const MANY: usize>(fields: [(&str, Value); MANY]) -> Map<String, Value> {
    fields.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.to_owned(), value)).collect()
}
