//! One role, as all its pages begin.

use std::sync::Arc;

use maud::{Markup, html};

use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::version::versioned;
use crate::console::visit::Seen;
use crate::control::{BindingsFound, Operation};
use crate::model::{BindingId, Resource, Revision, Role, RoleId, Snapshot};
use crate::store::BindingFilter;

/// A role, the last change of it, and what was there then.
pub(super) struct ShownRole {
    pub(super) role: Role,
    pub(super) at: Revision,
    pub(super) snapshot: Arc<Snapshot>,
}

impl ShownRole {
    /// Reads it, if whoever looks may see roles.
    pub(super) async fn read(visit: &Seen, id: &RoleId) -> Result<Self, Refusal> {
        visit.needs(Operation::ViewRoles)?;
        let resource = Resource::Role(id.clone());
        let (at, snapshot) = versioned(visit, &resource).await?;
        let role = snapshot.roles.get(id).cloned().ok_or_else(|| Refusal::not_found(format!("there is no {resource}")))?;
        Ok(Self { role, at, snapshot })
    }

    /// Its own page.
    pub(super) fn page(&self) -> String {
        parts::role_page(&self.role.id)
    }

    /// What its other pages begin with.
    pub(super) fn path(&self) -> String {
        format!("/roles/{}", self.role.id)
    }

    pub(super) fn way(&self) -> Markup {
        html! { p { a href="/roles" { "Roles" } " / " a href=(self.page()) { code { (self.role.id) } } } }
    }

    /// Who holds it: bindings of keys and of groups.
    pub(super) async fn bindings(&self, visit: &Seen, after: Option<BindingId>, limit: u32) -> Result<BindingsFound, Refusal> {
        let wanted = BindingFilter { after, limit, role: Some(self.role.id.clone()), ..BindingFilter::default() };
        Ok(visit.control().bindings_found(&wanted, u32::MAX).await?)
    }
}
