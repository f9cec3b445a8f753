//! What is to be known of each kind of change before it is made: one place for all, so that another kind is one entry here.
//!
//! What it *does* is the store's (`src/store/apply/`), and what it takes to be let make it is `control`'s.

use super::binding::Subject;
use super::id::{GroupName, KeyName, PolicyName, SpaceId};
use super::mutation::{Mutation, NewKey};
use super::policy::{LoginPolicy, RegoVersion};
use super::resource::Resource;
use super::space::Space;

/// A name, a description, or whatever else people write, and what it is.
type Text<'m> = (&'static str, &'m str);

/// What is to be known of a change.
struct Particulars<'m> {
    action: &'static str,
    resource: Resource,
    takes_away: bool,
    spaces: Vec<SpaceId>,
    puts_in_force: Option<(&'m PolicyName, &'m str, Option<RegoVersion>)>,
    names_key: Option<&'m KeyName>,
    texts: Vec<Text<'m>>,
}

impl Mutation {
    /// What it does, as the audit has it: `binding.create`.
    #[must_use]
    pub fn action(&self) -> &'static str {
        self.particulars().action
    }

    /// What it is about.
    #[must_use]
    pub fn resource(&self) -> Resource {
        self.particulars().resource
    }

    /// Whether what it is about is gone once it is made.
    #[must_use]
    pub fn takes_away(&self) -> bool {
        self.particulars().takes_away
    }

    /// The spaces whose people may want to know of it, as far as it names them.
    #[must_use]
    pub fn spaces(&self) -> Vec<SpaceId> {
        self.particulars().spaces
    }

    /// The login policy that it puts in force.
    #[must_use]
    pub fn policy(&self) -> Option<LoginPolicy> {
        let (name, source, rego) = self.particulars().puts_in_force?;
        Some(LoginPolicy { name: name.clone(), source: source.into(), rego })
    }

    /// The name that a key gets by it.
    #[must_use]
    pub fn key_name(&self) -> Option<&KeyName> {
        self.particulars().names_key
    }

    /// Everything in it that people have written, and what each is.
    #[must_use]
    pub fn texts(&self) -> Vec<(&'static str, &str)> {
        self.particulars().texts
    }

    fn particulars(&self) -> Particulars<'_> {
        match self {
            Self::Bootstrap(new) => Particulars::of_new_key("key.bootstrap", new),
            Self::CreateKey(new) => Particulars::of_new_key("key.create", new),
            Self::ImportKey(new) => Particulars::of_new_key("key.import", new),
            Self::UpdateKey { id, name, description, groups, expiry: _ } => Particulars {
                names_key: name.as_ref(),
                ..Particulars::of("key.update", Resource::Key(*id))
                    .text("a key's name", name.as_ref().map(KeyName::as_str))
                    .text("a description", description.as_deref())
                    .text("a group's name", groups.iter().flatten().map(GroupName::as_str))
            },
            Self::RotateKey { id, .. } => Particulars::of("key.rotate", Resource::Key(*id)),
            Self::DisableKey { id } => Particulars::of("key.disable", Resource::Key(*id)),
            Self::EnableKey { id } => Particulars::of("key.enable", Resource::Key(*id)),
            Self::RevokeKey { id } => Particulars::of("key.revoke", Resource::Key(*id)).taken_away(),
            Self::CreateSpace(Space { id, name, description, parent, labels }) => {
                Particulars::of("space.create", Resource::Space(id.clone()))
                    .known_in(parent)
                    .text("a space's name", [name.as_str()])
                    .text("a description", [description.as_str()])
                    .text("a label", labels.iter().map(String::as_str))
            }
            Self::UpdateSpace { id, name, description, labels, parent } => Particulars::of("space.update", Resource::Space(id.clone()))
                .known_in(parent.iter().chain([id]))
                .text("a space's name", name.as_deref())
                .text("a description", description.as_deref())
                .text("a label", labels.iter().flatten().map(String::as_str)),
            Self::DeleteSpace { id } => Particulars::of("space.delete", Resource::Space(id.clone())).taken_away().known_in([id]),
            Self::CreateRole { id, name, description, actions: _ } => Particulars::of("role.create", Resource::Role(id.clone()))
                .text("a role's name", [name.as_str()])
                .text("a description", [description.as_str()]),
            Self::UpdateRole { id, name, description, actions: _ } => Particulars::of("role.update", Resource::Role(id.clone()))
                .text("a role's name", name.as_deref())
                .text("a description", description.as_deref()),
            Self::DeleteRole { id } => Particulars::of("role.delete", Resource::Role(id.clone())).taken_away(),
            Self::CreateGroup { name, description } => Particulars::of("group.create", Resource::Group(name.clone()))
                .text("a group's name", [name.as_str()])
                .text("a description", [description.as_str()]),
            Self::UpdateGroup { name, description } => Particulars::of("group.update", Resource::Group(name.clone()))
                .text("a group's name", [name.as_str()])
                .text("a description", [description.as_str()]),
            Self::DeleteGroup { name } => Particulars::of("group.delete", Resource::Group(name.clone())).taken_away(),
            Self::CreateBinding { id, subject, role: _, space } => {
                let group = match subject {
                    Subject::Key(_) => None,
                    Subject::Group(group) => Some(group.as_str()),
                };
                Particulars::of("binding.create", Resource::Binding(*id)).known_in([space]).text("a group's name", group)
            }
            Self::DeleteBinding { id } => Particulars::of("binding.delete", Resource::Binding(*id)).taken_away(),
            Self::CreatePolicy(LoginPolicy { name, source, rego }) => Particulars::of_policy("policy.create", name, source, *rego),
            Self::UpdatePolicy { name, source, rego } => Particulars::of_policy("policy.update", name, source, *rego),
            Self::DeletePolicy { name } => Particulars::of("policy.delete", Resource::Policy(name.clone())).taken_away(),
            Self::SetStrategy(_) => Particulars::of("strategy.set", Resource::Strategy),
        }
    }
}

impl<'m> Particulars<'m> {
    fn of(action: &'static str, resource: Resource) -> Self {
        let (spaces, texts) = (Vec::new(), Vec::new());
        Self { action, resource, takes_away: false, spaces, puts_in_force: None, names_key: None, texts }
    }

    fn of_new_key(action: &'static str, new: &'m NewKey) -> Self {
        let NewKey { id, name, description, groups, expires_at: _, digest: _, bindings: _ } = new;
        let particulars = Self::of(action, Resource::Key(*id))
            .text("a key's name", [name.as_str()])
            .text("a description", [description.as_str()])
            .text("a group's name", groups.iter().map(GroupName::as_str));
        Self { names_key: Some(name), ..particulars }
    }

    fn of_policy(action: &'static str, name: &'m PolicyName, source: &'m str, rego: Option<RegoVersion>) -> Self {
        let particulars =
            Self::of(action, Resource::Policy(name.clone())).text("a policy's name", [name.as_str()]).text("a policy", [source]);
        Self { puts_in_force: Some((name, source, rego)), ..particulars }
    }

    fn taken_away(self) -> Self {
        Self { takes_away: true, ..self }
    }

    fn known_in<'s>(mut self, spaces: impl IntoIterator<Item = &'s SpaceId>) -> Self {
        self.spaces.extend(spaces.into_iter().cloned());
        self
    }

    fn text(mut self, what: &'static str, texts: impl IntoIterator<Item = &'m str>) -> Self {
        self.texts.extend(texts.into_iter().map(|text| (what, text)));
        self
    }
}
