//! One group, as all its pages begin.

use std::sync::Arc;

use maud::{Markup, html};

use crate::console::fields::Fields;
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::version::versioned;
use crate::console::visit::Seen;
use crate::control::Operation;
use crate::model::{Binding, Group, GroupName, Resource, Revision, Snapshot};

/// A group, the last change of it, and what was there then.
pub(super) struct ShownGroup {
    pub(super) group: Group,
    pub(super) at: Revision,
    pub(super) snapshot: Arc<Snapshot>,
}

/// What an address or a form names: letter by letter, as blanks count.
pub(super) fn called(fields: &Fields) -> Result<GroupName, Refusal> {
    fields.raw("name").parse().map_err(|_| Refusal::not_found("there is no such group"))
}

/// Where something of a group is.
pub(super) fn address(page: &str, name: &GroupName) -> String {
    parts::address(&format!("/groups/{page}"), [("name", name.as_str())])
}

impl ShownGroup {
    /// Reads it, if whoever looks may see groups.
    pub(super) async fn read(visit: &Seen, name: &GroupName) -> Result<Self, Refusal> {
        visit.needs(Operation::ViewGroups)?;
        let resource = Resource::Group(name.clone());
        let (at, snapshot) = versioned(visit, &resource).await?;
        let group = snapshot.groups.get(name).cloned().ok_or_else(|| Refusal::not_found(format!("there is no {resource}")))?;
        Ok(Self { group, at, snapshot })
    }

    /// Its own page.
    pub(super) fn page(&self) -> String {
        address("of", &self.group.name)
    }

    /// Where somebody comes to after a change.
    pub(super) fn page_after(&self, revision: Revision) -> String {
        format!("{}&saved={revision}", self.page())
    }

    /// What it holds, the oldest first.
    pub(super) fn bindings(&self) -> &[Binding] {
        self.snapshot.group_bindings.get(&self.group.name).map(Vec::as_slice).unwrap_or_default()
    }

    /// What makes a form one of this group.
    pub(super) fn named(&self) -> Markup {
        html! { input type="hidden" name="name" value=(self.group.name); }
    }

    pub(super) fn way(&self) -> Markup {
        html! { p { a href="/groups" { "Groups" } " / " a href=(self.page()) { (self.group.name) } } }
    }
}
