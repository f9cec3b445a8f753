//! What earlier files declared and these do not: taken away, what is bound before what it is bound in.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::planner::Planner;
use crate::model::{Binding, Mutation, PolicyName, Resource, ResourceKind, SpaceId, Subject};

/// What is managed and stands in no file any more.
pub(super) fn undeclared(planner: &Planner<'_, '_>) -> BTreeSet<Resource> {
    planner.current.managed.difference(&planner.declared).cloned().collect()
}

/// How people call it.
pub(super) fn called(planner: &Planner<'_, '_>, resource: &Resource) -> (ResourceKind, String) {
    let name = match resource {
        Resource::Key(id) => planner.current.key_name(*id),
        Resource::Binding(id) => planner.current.bindings.get(id).map_or_else(|| id.to_string(), |binding| said(planner, binding)),
        Resource::Space(_) | Resource::Role(_) | Resource::Group(_) | Resource::Policy(_) | Resource::Strategy => resource.id(),
    };
    (resource.kind(), name)
}

/// The policies among them.
pub(super) fn policies(undeclared: &BTreeSet<Resource>) -> Vec<PolicyName> {
    let policies = undeclared.iter().filter_map(|resource| match resource {
        Resource::Policy(name) => Some(name.clone()),
        Resource::Key(_) | Resource::Space(_) | Resource::Role(_) | Resource::Group(_) | Resource::Binding(_) | Resource::Strategy => None,
    });
    policies.collect()
}

pub(super) fn plan(planner: &mut Planner<'_, '_>, undeclared: &BTreeSet<Resource>) {
    let mut in_order: Vec<(u8, Reverse<usize>, &Resource)> =
        undeclared.iter().map(|resource| (turn(resource.kind()), Reverse(depth(planner, resource)), resource)).collect();
    in_order.sort();
    for (_, _, resource) in in_order {
        let mutation = match resource {
            Resource::Key(id) => Mutation::RevokeKey { id: *id },
            Resource::Space(id) => Mutation::DeleteSpace { id: id.clone() },
            Resource::Role(id) => Mutation::DeleteRole { id: id.clone() },
            Resource::Group(name) => Mutation::DeleteGroup { name: name.clone() },
            Resource::Binding(id) => Mutation::DeleteBinding { id: *id },
            Resource::Policy(name) => Mutation::DeletePolicy { name: name.clone() },
            // There always is one.
            Resource::Strategy => continue,
        };
        let about = called(planner, resource);
        planner.delete(about, mutation);
    }
}

fn turn(kind: ResourceKind) -> u8 {
    match kind {
        ResourceKind::Binding => 0,
        ResourceKind::Policy => 1,
        ResourceKind::Key => 2,
        ResourceKind::Group => 3,
        ResourceKind::Role => 4,
        ResourceKind::Space | ResourceKind::Strategy => 5,
    }
}

/// How far a space stands from the root.
fn depth(planner: &Planner<'_, '_>, resource: &Resource) -> usize {
    let above = |id: &SpaceId| planner.current.snapshot.spaces.path_to_root(id).count();
    match resource {
        Resource::Space(id) => above(id),
        Resource::Key(_) | Resource::Role(_) | Resource::Group(_) | Resource::Binding(_) | Resource::Policy(_) | Resource::Strategy => 0,
    }
}

fn said(planner: &Planner<'_, '_>, binding: &Binding) -> String {
    let who = match &binding.subject {
        Subject::Key(id) => format!("key {}", planner.current.key_name(*id)),
        Subject::Group(group) => format!("group {group}"),
    };
    format!("of {who}: {}@{}", binding.role, binding.space)
}
