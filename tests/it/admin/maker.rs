//! What tests make at an admin API for themselves alone, each thing under a name of its own.

use std::cell::Cell;

use serde_json::{Value, json};

use super::client::Api;

/// Whoever makes it.
pub(crate) struct Maker {
    pub(crate) root: Api,
    /// How many names it has given.
    pub(super) count: Cell<usize>,
}

impl Maker {
    pub(crate) fn new(root: Api) -> Self {
        Self { root, count: Cell::new(0) }
    }

    pub(crate) fn fresh(&self, what: &str) -> String {
        self.count.set(self.count.get() + 1);
        format!("{what}-{}", self.count.get())
    }

    pub(crate) fn space(&self, parent: &str) -> String {
        let id = self.fresh("space");
        self.root.made("/spaces", &json!({ "id": id, "parent": parent }));
        id
    }

    pub(crate) fn role(&self) -> String {
        let id = self.fresh("role");
        self.root.made("/roles", &json!({ "id": id, "actions": ["run:read"] }));
        id
    }

    pub(crate) fn group(&self) -> String {
        let name = self.fresh("group");
        self.root.made("/groups", &json!({ "name": name }));
        name
    }

    /// A binding that lets them read there.
    pub(crate) fn bound(&self, subject: &Value, space: &str) -> String {
        let made = self.root.made("/bindings", &json!({ "subject": subject, "role": "space-reader", "space": space }));
        made["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn policy(&self, source: &str) -> String {
        let name = self.fresh("policy");
        self.root.made("/policies", &json!({ "name": name, "source": source }));
        name
    }

    /// One that stands so, if there is one.
    pub(crate) fn signing_key_that_is(&self, state: &str) -> Option<String> {
        let keys = self.root.get("/signing-keys").json();
        let found = keys["items"].as_array().unwrap().iter().find(|key| key["state"] == state)?;
        Some(found["kid"].as_str().unwrap().to_owned())
    }

    /// One that waits to sign.
    pub(crate) fn next_signing_key(&self) -> String {
        self.signing_key_that_is("next").unwrap_or_else(|| self.root.made("/signing-keys", &json!({}))["kid"].as_str().unwrap().to_owned())
    }
}
