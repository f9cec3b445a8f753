//! Roles and groups.

use std::collections::BTreeMap;

use super::document::{GroupEntry, RoleEntry};
use super::planner::{Planner, listed, or};
use super::step::FieldChange;
use super::text::At;
use crate::model::{ActionPattern, GroupName, Mutation, Resource, ResourceKind, RoleId};

pub(super) fn plan(planner: &mut Planner<'_, '_>, entries: &[RoleEntry]) -> BTreeMap<RoleId, At> {
    let mut named = BTreeMap::new();
    for entry in entries {
        let id: Option<RoleId> = planner.name(&entry.id, &mut named);
        let actions: Option<Vec<ActionPattern>> = planner.words(&entry.actions);
        if entry.actions.is_empty() {
            planner.faults.add(&entry.id.at, format!("role {} needs at least one of `actions`", entry.id.text));
        }
        let (Some(id), Some(actions)) = (id, actions) else { continue };
        let name = or(entry.name.as_ref(), id.as_str());
        let description = or(entry.description.as_ref(), "");
        let about = (ResourceKind::Role, id.to_string());
        match planner.current.snapshot.roles.get(&id) {
            None => {
                let fields = vec![
                    FieldChange::between("name", "", Some(name.as_str()).filter(|name| *name != id.as_str()).unwrap_or_default()),
                    FieldChange::between("description", "", &description),
                    FieldChange::between("actions", "", &listed(&actions)),
                ];
                planner.declared.insert(Resource::Role(id.clone()));
                planner.create(entry.id.at, about, fields, vec![Mutation::CreateRole { id, name, description, actions }]);
            }
            Some(before) if before.system => {
                planner.faults.add(&entry.id.at, format!("role {id} belongs to the system: it can be bound, and not declared"));
            }
            Some(before) => {
                let fields = vec![
                    FieldChange::between("name", &before.name, &name),
                    FieldChange::between("description", &before.description, &description),
                    FieldChange::between("actions", &listed(&before.actions), &listed(&actions)),
                ];
                planner.declared.insert(Resource::Role(id.clone()));
                planner.update(entry.id.at, about, fields, || {
                    vec![Mutation::UpdateRole { id, name: Some(name), description: Some(description), actions: Some(actions) }]
                });
            }
        }
    }
    named
}

pub(super) fn groups(planner: &mut Planner<'_, '_>, entries: &[GroupEntry]) {
    let mut named = BTreeMap::new();
    for entry in entries {
        let Some(name): Option<GroupName> = planner.name(&entry.name, &mut named) else { continue };
        planner.declared.insert(Resource::Group(name.clone()));
        let description = or(entry.description.as_ref(), "");
        let about = (ResourceKind::Group, name.to_string());
        match planner.current.snapshot.groups.get(&name) {
            None => {
                let fields = vec![FieldChange::between("description", "", &description)];
                planner.create(entry.name.at, about, fields, vec![Mutation::CreateGroup { name, description }]);
            }
            Some(before) => {
                let fields = vec![FieldChange::between("description", &before.description, &description)];
                planner.update(entry.name.at, about, fields, || vec![Mutation::UpdateGroup { name, description }]);
            }
        }
    }
}
