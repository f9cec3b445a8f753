//! Roles that are assigned and taken away again, wherever somebody sees who holds them: on the pages of keys, spaces, roles and groups.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::fields::{Faults, Fields};
use super::forms::{Field, Form};
use super::parts;
use super::refusal::Refusal;
use super::version::gone;
use super::visit::Seen;
use crate::control::{ControlError, Made, Operation, binding_id};
use crate::model::{Binding, BindingId, GroupName, KeyId, KeyName, Mutation, Resource, RoleId, SpaceId, Subject, SystemRole};

/// What the keys are called that these bindings are about.
pub(super) async fn names(visit: &Seen, bindings: &[Binding]) -> Result<BTreeMap<KeyId, KeyName>, Refusal> {
    let keys = bindings.iter().filter_map(|binding| match binding.subject {
        Subject::Key(id) => Some(id),
        Subject::Group(_) => None,
    });
    Ok(visit.control().store().names_of(&keys.collect()).await?)
}

/// Who it is, and the way there.
pub(super) fn subject(subject: &Subject, names: &BTreeMap<KeyId, KeyName>) -> Markup {
    html! {
        @match subject {
            Subject::Key(id) => { "key " @match names.get(id) { Some(name) => (parts::key_link(*id, name.as_str())), None => (parts::key_link(*id, &id.to_string())) } }
            Subject::Group(name) => { "group " (parts::group(name.as_str())) }
        }
    }
}

/// Who it is, for a label.
pub(super) fn subject_text(subject: &Subject, names: &BTreeMap<KeyId, KeyName>) -> String {
    match subject {
        Subject::Key(id) => names.get(id).map_or_else(|| format!("key {id}"), |name| format!("key {name}")),
        Subject::Group(name) => format!("group {name}"),
    }
}

/// A button that takes this away, for those who may.
pub(super) fn unassign(visit: &Seen, action: &str, id: BindingId, space: &SpaceId, what: &str) -> Markup {
    html! {
        @if visit.may_in(Operation::Unbind, space) {
            form method="post" action=(action) {
                (visit.csrf())
                input type="hidden" name="binding" value=(id);
                button class="second" aria-label={ "Unassign " (what) } { "Unassign" }
            }
        }
    }
}

/// Which role.
pub(super) fn role_field(visit: &Seen, form: Form<'_>, only_in: Option<&SpaceId>) -> Markup {
    let replica = SystemRole::Replica.id();
    // A role that is bound on root alone is not offered anywhere else.
    let fits = |id: &RoleId| *id != replica || only_in.is_none_or(SpaceId::is_root);
    let roles = visit.standing.snapshot().roles.values().filter(|role| fits(&role.id));
    form.pick(Field::needed("role", "Role", ""), roles.map(|role| (role.id.as_str(), format!("{} ({})", role.name, role.id))))
}

/// Where: only where it would be let happen.
pub(super) fn space_field(visit: &Seen, form: Form<'_>) -> Markup {
    let spaces = visit.standing.snapshot().spaces.iter().filter(|space| visit.may_in(Operation::Bind, &space.id));
    let spaces = spaces.map(|space| (space.id.as_str(), format!("{} ({})", space.name, space.id)));
    form.pick(Field::needed("space", "Space", "The role holds there and in all spaces below"), spaces)
}

/// Whether there is any space where they may assign something.
pub(super) fn assigns_somewhere(visit: &Seen) -> bool {
    visit.standing.is_root_admin() || visit.standing.administers().next().is_some()
}

/// Who is to hold it.
pub(super) fn subject_fields(form: Form<'_>) -> Markup {
    html! {
        (form.choice(Field::needed("subject_kind", "To a key or to a group", ""), [("key", "A key"), ("group", "A group")]))
        (form.text(Field::needed("subject", "Which one", "A key by its name or id; a group as the identity provider spells it"), 256))
    }
}

/// Who is to hold it; what is wrong with that is noted.
pub(super) async fn subject_of(visit: &Seen, fields: &Fields, faults: &mut Faults) -> Result<Option<Subject>, Refusal> {
    if fields.text("subject_kind") == "group" {
        let raw = fields.raw("subject").parse::<GroupName>().ok();
        // Blanks count in a group's name; somebody who has typed one too many does not mean another group.
        let as_spelled = raw.filter(|name| visit.standing.snapshot().groups.contains_key(name));
        return Ok(as_spelled.or_else(|| fields.parsed::<GroupName>("subject", faults)).map(Subject::Group));
    }
    let key = visit.control().key_called(fields.text("subject")).await?;
    if key.is_none() {
        faults.note("subject", "there is no key of that name or id");
    }
    Ok(key.map(|key| Subject::Key(key.id)))
}

/// Assigns the role.
pub(super) async fn assign(visit: &Seen, subject: Subject, role: RoleId, space: SpaceId) -> Result<Made, ControlError> {
    let id = binding_id(visit.control().now())?;
    visit.change(Mutation::CreateBinding { id, subject, role, space }, None).await
}

/// Takes away what the form names, if it is one of those that the page is about: what stands in a form is what is done.
pub(super) async fn take_away(visit: &Seen, fields: &Fields, is_of_page: impl Fn(&Binding) -> bool + Send) -> Result<Made, Refusal> {
    visit.wants(Operation::Unbind)?;
    let not_found = || Refusal::not_found("there is no such binding here, or not any more");
    let id: BindingId = fields.text("binding").parse().map_err(|_| not_found())?;
    match visit.control().store().binding(id).await? {
        Some(found) if is_of_page(&found) => {}
        Some(_) => return Err(not_found()),
        // Nothing of a binding changes but that it is there: a page that still has it is told who has taken it away.
        None => return Err(Refusal::not_found(gone(visit, &Resource::Binding(id)).await)),
    }
    let at = visit.control().store().revision_of(&Resource::Binding(id)).await?;
    Ok(visit.change(Mutation::DeleteBinding { id }, at).await?)
}
