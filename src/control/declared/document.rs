//! What files may say, entry for entry: shapes and names of fields, and nothing of whether it makes sense.
//!
//! The same fields stand in [`schema`](super::schema) for editors, and in [`export`](super::export); tests hold the three together.

use std::collections::BTreeSet;

use super::files::Faults;
use super::text::{At, PlacedText, Style};
use super::tree::{self, Node, Value};
use crate::diagnostics::nearest;
use crate::model::{KeyDigest, KeyName};

/// All files together.
#[derive(Default)]
pub(super) struct Document {
    /// As often as it is said.
    pub(super) strategies: Vec<PlacedText>,
    pub(super) spaces: Vec<SpaceEntry>,
    pub(super) roles: Vec<RoleEntry>,
    pub(super) groups: Vec<GroupEntry>,
    pub(super) keys: Vec<KeyEntry>,
    pub(super) bindings: Vec<BindingEntry>,
    pub(super) policies: Vec<PolicyEntry>,
}

pub(super) struct SpaceEntry {
    pub(super) id: PlacedText,
    /// Else the id.
    pub(super) name: Option<PlacedText>,
    pub(super) description: Option<PlacedText>,
    /// Else `root`.
    pub(super) parent: Option<PlacedText>,
    pub(super) labels: Vec<PlacedText>,
}

pub(super) struct RoleEntry {
    pub(super) id: PlacedText,
    /// Else the id.
    pub(super) name: Option<PlacedText>,
    pub(super) description: Option<PlacedText>,
    pub(super) actions: Vec<PlacedText>,
}

pub(super) struct GroupEntry {
    pub(super) name: PlacedText,
    pub(super) description: Option<PlacedText>,
}

/// A key without its secret: whoever reads the file cannot present it.
pub(super) struct KeyEntry {
    pub(super) name: PlacedText,
    /// Needed for a key that is not there yet.
    pub(super) sha256: Option<PlacedText>,
    pub(super) description: Option<PlacedText>,
    pub(super) groups: Vec<PlacedText>,
    /// Else it does not end.
    pub(super) expires: Option<PlacedText>,
    pub(super) disabled: bool,
}

pub(super) struct BindingEntry {
    pub(super) at: At,
    pub(super) key: Option<PlacedText>,
    pub(super) group: Option<PlacedText>,
    pub(super) role: PlacedText,
    pub(super) space: PlacedText,
}

pub(super) struct PolicyEntry {
    pub(super) name: PlacedText,
    /// Else v1 is tried first.
    pub(super) rego: Option<PlacedText>,
    pub(super) source: Option<PlacedText>,
    pub(super) file: Option<PlacedText>,
}

/// One part of a document: what it is called, and what its entries may hold.
pub(super) struct Section {
    pub(super) name: &'static str,
    /// With its article, for messages.
    pub(super) one: &'static str,
    pub(super) fields: &'static [&'static str],
}

pub(super) const SPACES: Section = Section { name: "spaces", one: "a space", fields: &["id", "name", "description", "parent", "labels"] };
pub(super) const ROLES: Section = Section { name: "roles", one: "a role", fields: &["id", "name", "description", "actions"] };
pub(super) const GROUPS: Section = Section { name: "groups", one: "a group", fields: &["name", "description"] };
pub(super) const KEYS: Section =
    Section { name: "keys", one: "a key", fields: &["name", "sha256", "description", "groups", "expires", "disabled"] };
pub(super) const BINDINGS: Section = Section { name: "bindings", one: "a binding", fields: &["key", "group", "role", "space"] };
pub(super) const POLICIES: Section = Section { name: "policies", one: "a policy", fields: &["name", "rego", "source", "file"] };

/// What may stand at the top, beside `$schema`, by which editors find theirs.
pub(super) const TOP: [&str; 8] = ["$schema", "strategy", "spaces", "roles", "groups", "keys", "bindings", "policies"];

impl Document {
    /// Whether it says nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        let Self { strategies, spaces, roles, groups, keys, bindings, policies } = self;
        let entries = [spaces.len(), roles.len(), groups.len(), keys.len(), bindings.len(), policies.len()];
        strategies.is_empty() && entries.iter().all(|count| *count == 0)
    }

    /// The keys that it speaks of, as far as they can be keys at all.
    pub(super) fn key_names(&self) -> BTreeSet<KeyName> {
        let of_bindings = self.bindings.iter().filter_map(|binding| binding.key.as_ref());
        self.keys.iter().map(|key| &key.name).chain(of_bindings).filter_map(|text| text.text.parse().ok()).collect()
    }

    /// The digests that it names.
    pub(super) fn digests(&self) -> BTreeSet<KeyDigest> {
        self.keys.iter().filter_map(|key| key.sha256.as_ref()?.text.parse().ok()).collect()
    }

    /// Takes in everything that a file says.
    pub(super) fn take_in(&mut self, text: &str, file: usize, faults: &mut Faults<'_>) {
        for node in tree::read(text, file, faults) {
            // A file of comments alone says nothing, and neither does what follows the last `---`.
            if node.is_null() {
                continue;
            }
            let Some(mut top) = Fields::of(&node, "a file", &TOP, faults) else { continue };
            top.text("$schema", faults);
            self.strategies.extend(top.text("strategy", faults));
            for entry in top.entries(&SPACES, faults) {
                self.spaces.extend(SpaceEntry::read(entry, faults));
            }
            for entry in top.entries(&ROLES, faults) {
                self.roles.extend(RoleEntry::read(entry, faults));
            }
            for entry in top.entries(&GROUPS, faults) {
                self.groups.extend(GroupEntry::read(entry, faults));
            }
            for entry in top.entries(&KEYS, faults) {
                self.keys.extend(KeyEntry::read(entry, faults));
            }
            for entry in top.entries(&BINDINGS, faults) {
                self.bindings.extend(BindingEntry::read(entry, faults));
            }
            for entry in top.entries(&POLICIES, faults) {
                self.policies.extend(PolicyEntry::read(entry, faults));
            }
        }
    }
}

impl SpaceEntry {
    fn read(mut fields: Fields<'_>, faults: &mut Faults<'_>) -> Option<Self> {
        let (name, description) = (fields.text("name", faults), fields.text("description", faults));
        let (parent, labels) = (fields.text("parent", faults), fields.texts("labels", faults));
        Some(Self { id: fields.needed("id", faults)?, name, description, parent, labels })
    }
}

impl RoleEntry {
    fn read(mut fields: Fields<'_>, faults: &mut Faults<'_>) -> Option<Self> {
        let (name, description) = (fields.text("name", faults), fields.text("description", faults));
        let actions = fields.texts("actions", faults);
        Some(Self { id: fields.needed("id", faults)?, name, description, actions })
    }
}

impl GroupEntry {
    fn read(mut fields: Fields<'_>, faults: &mut Faults<'_>) -> Option<Self> {
        let description = fields.text("description", faults);
        Some(Self { name: fields.needed("name", faults)?, description })
    }
}

impl KeyEntry {
    fn read(mut fields: Fields<'_>, faults: &mut Faults<'_>) -> Option<Self> {
        let (sha256, description) = (fields.text("sha256", faults), fields.text("description", faults));
        let (groups, expires) = (fields.texts("groups", faults), fields.text("expires", faults));
        let disabled = fields.truth("disabled", faults);
        Some(Self { name: fields.needed("name", faults)?, sha256, description, groups, expires, disabled })
    }
}

impl BindingEntry {
    fn read(mut fields: Fields<'_>, faults: &mut Faults<'_>) -> Option<Self> {
        let (key, group) = (fields.text("key", faults), fields.text("group", faults));
        let (role, space) = (fields.needed("role", faults), fields.needed("space", faults));
        Some(Self { at: fields.at, key, group, role: role?, space: space? })
    }
}

impl PolicyEntry {
    fn read(mut fields: Fields<'_>, faults: &mut Faults<'_>) -> Option<Self> {
        let (rego, source, file) = (fields.text("rego", faults), fields.text("source", faults), fields.text("file", faults));
        Some(Self { name: fields.needed("name", faults)?, rego, source, file })
    }
}

/// A mapping whose fields are known and stand there once.
struct Fields<'n> {
    at: At,
    what: &'static str,
    values: Vec<(&'n str, &'n Node)>,
}

impl<'n> Fields<'n> {
    fn of(node: &'n Node, what: &'static str, known: &[&'static str], faults: &mut Faults<'_>) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            faults.add(&node.at, format!("{what} is written as fields, such as `{}: …`", known.get(1).unwrap_or(&"name")));
            return None;
        };
        let mut values: Vec<(&'n str, &'n Node)> = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let Value::Text(name) = &key.value else {
                faults.add(&key.at, "a field's name is a text");
                continue;
            };
            let name = name.text.as_str();
            if !known.contains(&name) {
                let suggestion = nearest(name, known).map(|near| format!("did you mean `{near}`?"));
                let told = suggestion.or_else(|| Some(format!("it may have {}", known.join(", "))));
                faults.add_with(&key.at, format!("{what} has no field `{name}`"), told);
            } else if values.iter().any(|(seen, _)| *seen == name) {
                faults.add(&key.at, format!("the field `{name}` stands here twice"));
            } else {
                values.push((name, value));
            }
        }
        Some(Self { at: node.at, what, values })
    }

    fn take(&mut self, name: &str) -> Option<&'n Node> {
        let at = self.values.iter().position(|(field, _)| *field == name)?;
        // A field without a value is as if it were not there.
        Some(self.values.swap_remove(at).1).filter(|node| !node.is_null())
    }

    fn text(&mut self, name: &str, faults: &mut Faults<'_>) -> Option<PlacedText> {
        let node = self.take(name)?;
        text(node, &format!("`{name}`"), faults)
    }

    fn needed(&mut self, name: &str, faults: &mut Faults<'_>) -> Option<PlacedText> {
        let Some(node) = self.take(name) else {
            faults.add(&self.at, format!("{} needs the field `{name}`", self.what));
            return None;
        };
        text(node, &format!("`{name}`"), faults)
    }

    fn texts(&mut self, name: &str, faults: &mut Faults<'_>) -> Vec<PlacedText> {
        let Some(node) = self.take(name) else { return Vec::new() };
        let Value::List(items) = &node.value else {
            faults.add(&node.at, format!("`{name}` is a list: write `{name}: [one, other]`"));
            return Vec::new();
        };
        items.iter().filter_map(|item| text(item, &format!("what stands in `{name}`"), faults)).collect()
    }

    fn truth(&mut self, name: &str, faults: &mut Faults<'_>) -> bool {
        let Some(node) = self.take(name) else { return false };
        match &node.value {
            Value::Text(PlacedText { text, style: Style::Plain, .. }) if text == "true" => true,
            Value::Text(PlacedText { text, style: Style::Plain, .. }) if text == "false" => false,
            Value::Text(_) | Value::List(_) | Value::Map(_) => {
                faults.add(&node.at, format!("`{name}` is true or false"));
                false
            }
        }
    }

    /// The entries of a part.
    fn entries(&mut self, section: &Section, faults: &mut Faults<'_>) -> Vec<Fields<'n>> {
        let Section { name, one, fields } = *section;
        let Some(node) = self.take(name) else { return Vec::new() };
        let Value::List(items) = &node.value else {
            faults.add(&node.at, format!("`{name}` is a list: each entry begins with `- `"));
            return Vec::new();
        };
        items.iter().filter_map(|item| Fields::of(item, one, fields, faults)).collect()
    }
}

fn text(node: &Node, what: &str, faults: &mut Faults<'_>) -> Option<PlacedText> {
    match &node.value {
        Value::Text(text) => match text.other_kind() {
            None => Some(text.clone()),
            Some(kind) => {
                let quoted = format!("write \"{}\"", text.text);
                faults.add_with(&node.at, format!("{what} is a text, and this is {kind}"), Some(quoted));
                None
            }
        },
        Value::List(_) | Value::Map(_) => {
            faults.add(&node.at, format!("{what} is a single text"));
            None
        }
    }
}
