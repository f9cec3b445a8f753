//! What people write into a store, before it is written: no secret, and no name that could be taken for something else.
//!
//! A name, a description or a label is shown in listings, kept in the audit for good, and may stand in every token. A key's text that is
//! pasted into the wrong place would be in all of them. The types of the model do not refuse it, since what a store holds already must load.

use super::error::ACTOR_PREFIX;
use super::{Conflict, Likeness};
use crate::model::{KEY_LENGTH, KEY_PREFIX, KeyId, KeyName, LoginPolicy, Mutation, NewKey, PlainKey, Space, Subject};

/// Refuses a mutation that would write down what must not stand there. No refusal repeats the text.
pub(in crate::store) fn check(mutation: &Mutation) -> Result<(), Conflict> {
    if let Some((what, _)) = texts(mutation).into_iter().find(|(_, text)| holds_key(text)) {
        return Err(Conflict::KeyTextIn(what));
    }
    let Some(name) = named(mutation).map(KeyName::as_str) else { return Ok(()) };
    let lower = name.to_ascii_lowercase();
    if name.starts_with(KEY_PREFIX) {
        Err(Conflict::NameReserved(Likeness::KeyText))
    } else if lower.starts_with(ACTOR_PREFIX) {
        Err(Conflict::NameReserved(Likeness::Actor))
    } else if lower.parse::<KeyId>().is_ok() {
        Err(Conflict::NameReserved(Likeness::Id))
    } else {
        Ok(())
    }
}

/// Whether the text of a key stands somewhere in this one. Its checksum tells it from anything else.
pub(super) fn holds_key(text: &str) -> bool {
    let mut starts = text.match_indices(KEY_PREFIX).filter_map(|(start, _)| text.as_bytes().get(start..start + KEY_LENGTH));
    starts.any(|candidate| PlainKey::presented(candidate).is_some_and(|plain| plain.id().is_some()))
}

/// The name that a key gets.
fn named(mutation: &Mutation) -> Option<&KeyName> {
    match mutation {
        Mutation::Bootstrap(new) | Mutation::CreateKey(new) | Mutation::ImportKey(new) => Some(&new.name),
        Mutation::UpdateKey { name, .. } => name.as_ref(),
        Mutation::RotateKey { .. }
        | Mutation::DisableKey { .. }
        | Mutation::EnableKey { .. }
        | Mutation::RevokeKey { .. }
        | Mutation::CreateSpace(_)
        | Mutation::UpdateSpace { .. }
        | Mutation::DeleteSpace { .. }
        | Mutation::CreateRole { .. }
        | Mutation::UpdateRole { .. }
        | Mutation::DeleteRole { .. }
        | Mutation::CreateGroup { .. }
        | Mutation::UpdateGroup { .. }
        | Mutation::DeleteGroup { .. }
        | Mutation::CreateBinding { .. }
        | Mutation::DeleteBinding { .. }
        | Mutation::CreatePolicy(_)
        | Mutation::UpdatePolicy { .. }
        | Mutation::DeletePolicy { .. }
        | Mutation::SetStrategy(_) => None,
    }
}

/// Every text that the mutation would write, by what it is. Slugs and actions have no room for a key.
fn texts(mutation: &Mutation) -> Vec<(&'static str, &str)> {
    match mutation {
        Mutation::Bootstrap(new) | Mutation::CreateKey(new) | Mutation::ImportKey(new) => {
            let NewKey { id: _, name, description, groups, expires_at: _, digest: _, bindings: _ } = new;
            let groups = groups.iter().map(|group| ("a group's name", group.as_str()));
            [("a key's name", name.as_str()), ("a description", description)].into_iter().chain(groups).collect()
        }
        Mutation::UpdateKey { id: _, name, description, groups, expiry: _ } => {
            let name = name.iter().map(|name| ("a key's name", name.as_str()));
            let groups = groups.iter().flatten().map(|group| ("a group's name", group.as_str()));
            name.chain(described(description.as_deref())).chain(groups).collect()
        }
        Mutation::CreateSpace(Space { id: _, name, description, parent: _, labels }) => {
            let labels = labels.iter().map(|label| ("a label", label.as_str()));
            [("a space's name", name.as_str()), ("a description", description)].into_iter().chain(labels).collect()
        }
        Mutation::UpdateSpace { id: _, name, description, labels, parent: _ } => {
            let name = name.iter().map(|name| ("a space's name", name.as_str()));
            let labels = labels.iter().flatten().map(|label| ("a label", label.as_str()));
            name.chain(described(description.as_deref())).chain(labels).collect()
        }
        Mutation::CreateRole { id: _, name, description, actions: _ } => vec![("a role's name", name), ("a description", description)],
        Mutation::UpdateRole { id: _, name, description, actions: _ } => {
            name.iter().map(|name| ("a role's name", name.as_str())).chain(described(description.as_deref())).collect()
        }
        Mutation::CreateGroup { name, description } | Mutation::UpdateGroup { name, description } => {
            vec![("a group's name", name.as_str()), ("a description", description)]
        }
        Mutation::CreateBinding { id: _, subject: Subject::Group(group), role: _, space: _ } => vec![("a group's name", group.as_str())],
        Mutation::CreatePolicy(LoginPolicy { name, source, rego: _ }) | Mutation::UpdatePolicy { name, source, rego: _ } => {
            vec![("a policy's name", name.as_str()), ("a policy", source)]
        }
        Mutation::CreateBinding { id: _, subject: Subject::Key(_), role: _, space: _ }
        | Mutation::RotateKey { .. }
        | Mutation::DisableKey { .. }
        | Mutation::EnableKey { .. }
        | Mutation::RevokeKey { .. }
        | Mutation::DeleteSpace { .. }
        | Mutation::DeleteRole { .. }
        | Mutation::DeleteGroup { .. }
        | Mutation::DeleteBinding { .. }
        | Mutation::DeletePolicy { .. }
        | Mutation::SetStrategy(_) => Vec::new(),
    }
}

fn described(description: Option<&str>) -> impl Iterator<Item = (&'static str, &str)> {
    description.into_iter().map(|description| ("a description", description))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_wherever_it_stands_and_what_only_looks_like_one_is_not() {
        let plain = PlainKey::generate(KeyId::new(1, 2), &[7; 32]);
        let key = plain.reveal();
        for text in [key.to_owned(), format!("the key of CI: {key}!"), format!("clv_ü clv_{key}")] {
            assert!(holds_key(&text));
        }
        for text in ["", "clv_", "clv_and more", &key[..KEY_LENGTH - 1], &key.replace('_', "-"), &format!("{}x", &key[..KEY_LENGTH - 1])] {
            assert!(!holds_key(text), "{text}");
        }
    }
}
