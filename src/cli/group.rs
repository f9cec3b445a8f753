//! `claviger group`: groups that the identity provider asserts.

use serde::Serialize;

use super::args::value::joined;
use super::failure::Failure;
use super::open_store::OpenStore;
use super::output::{Changed, Output};
use super::place::Place;
use crate::model::{Binding, BindingId, Group, GroupName, Mutation, ResourceKind, RoleId, Snapshot, SpaceId};

#[derive(Debug, clap::Args)]
pub(crate) struct GroupCommand {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: GroupVerb,
}

#[derive(Debug, clap::Subcommand)]
enum GroupVerb {
    /// Describe a group before a key or a binding names it
    Create {
        /// As the identity provider spells it; case and blanks count
        #[arg(value_name = "NAME")]
        name: GroupName,
        /// What it is for
        #[arg(long, value_name = "D", default_value = "", hide_default_value = true)]
        description: String,
    },
    /// Every group
    List,
    /// One group
    Show {
        /// The group
        #[arg(value_name = "NAME")]
        name: GroupName,
    },
    /// Change what is said of a group
    Update {
        /// The group
        #[arg(value_name = "NAME")]
        name: GroupName,
        /// What it is for
        #[arg(long, value_name = "D")]
        description: String,
    },
    /// Delete a group that has neither a binding nor a member
    Delete {
        /// The group
        #[arg(value_name = "NAME")]
        name: GroupName,
    },
}

/// A group and what it holds.
#[derive(Serialize)]
struct GroupView {
    name: GroupName,
    description: String,
    bindings: Vec<BoundRole>,
}

#[derive(Serialize)]
struct BoundRole {
    id: BindingId,
    role: RoleId,
    space: SpaceId,
}

impl GroupCommand {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let store = match &self.verb {
            GroupVerb::Create { .. } => self.place.open(out).await?,
            GroupVerb::List | GroupVerb::Show { .. } | GroupVerb::Update { .. } | GroupVerb::Delete { .. } => self.place.look(out).await?,
        };
        match self.verb {
            GroupVerb::Create { name, description } => {
                let create = Mutation::CreateGroup { name: name.clone(), description };
                show_changed(&name, create, &store, out).await
            }
            GroupVerb::List => list(&store, out).await,
            GroupVerb::Show { name } => {
                let view = find(&name, &store).await?;
                out.record(&view, view.rows())
            }
            GroupVerb::Update { name, description } => {
                let update = Mutation::UpdateGroup { name: name.clone(), description };
                show_changed(&name, update, &store, out).await
            }
            GroupVerb::Delete { name } => {
                let view = find(&name, &store).await?;
                let revision = store.apply(Mutation::DeleteGroup { name }).await?;
                out.record(&Changed::gone(&view, revision), view.rows())
            }
        }
    }
}

impl GroupView {
    fn of(group: &Group, snapshot: &Snapshot) -> Self {
        let held = |binding: &Binding| BoundRole { id: binding.id, role: binding.role.clone(), space: binding.space.clone() };
        Self {
            name: group.name.clone(),
            description: group.description.clone(),
            bindings: snapshot.group_bindings.get(&group.name).into_iter().flatten().map(held).collect(),
        }
    }

    fn held(&self) -> String {
        joined(self.bindings.iter().map(|binding| format!("{}@{}", binding.role, binding.space)))
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        vec![("name", self.name.to_string()), ("description", self.description.clone()), ("bindings", self.held())]
    }
}

async fn list(store: &OpenStore, out: &Output) -> Result<(), Failure> {
    let snapshot = store.snapshot().await?;
    let groups: Vec<GroupView> = snapshot.groups.values().map(|group| GroupView::of(group, &snapshot)).collect();
    let row = |group: &GroupView| vec![group.name.to_string(), group.description.clone(), group.held()];
    out.list("groups", &["NAME", "DESCRIPTION", "BINDINGS"], groups.iter().map(row), &groups)
}

async fn show_changed(name: &GroupName, mutation: Mutation, store: &OpenStore, out: &Output) -> Result<(), Failure> {
    let revision = store.apply(mutation).await?;
    let view = find(name, store).await?;
    out.record(&Changed::now(&view, revision), view.rows())
}

/// Says so if no key is in this group, and there is one that is spelled nearly like it: names of groups are matched exactly, and a binding for
/// `Platform` gives nothing to those in `platform`.
pub(crate) async fn remark_on_near_miss(group: &GroupName, store: &OpenStore, out: &Output) -> Result<(), Failure> {
    let snapshot = store.snapshot().await?;
    let keys = store.some_keys().await?;
    let members: Vec<&GroupName> = keys.iter().filter(|key| key.revoked_at.is_none()).flat_map(|key| &key.groups).collect();
    if members.contains(&group) {
        return Ok(());
    }
    let mut known = members.iter().copied().chain(snapshot.groups.keys()).filter(|other| *other != group);
    if let Some(near) = known.find(|other| is_near(group.as_str(), other.as_str())) {
        let count = members.iter().filter(|member| **member == near).count();
        let keys = if count == 1 { "1 key".to_owned() } else { format!("{count} keys") };
        out.note(format_args!("warning: no key is in group {group}; did you mean {near}, which has {keys} in it? Case and blanks count"));
    }
    Ok(())
}

/// Differs in case, blanks, or a letter.
fn is_near(one: &str, other: &str) -> bool {
    let folded = |name: &str| name.chars().filter(|sign| sign.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    let (one, other) = (folded(one), folded(other));
    one == other || (one.len().min(other.len()) > 3 && strsim::osa_distance(&one, &other) <= 1)
}

async fn find(name: &GroupName, store: &OpenStore) -> Result<GroupView, Failure> {
    let snapshot = store.snapshot().await?;
    match snapshot.groups.get(name) {
        Some(group) => Ok(GroupView::of(group, &snapshot)),
        None => Err(store.not_found(ResourceKind::Group, name.as_str()).await),
    }
}
