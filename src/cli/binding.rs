//! `claviger binding`: which key or group holds which role in which space.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;

use super::args::value::{RoleAtSpace, joined, time_text};
use super::failure::Failure;
use super::group::remark_on_near_miss;
use super::impact::{Consent, Proposal, Weighed, Weighing};
use super::open_store::OpenStore;
use super::output::{Changed, Output};
use super::place::Place;
use crate::control;
use crate::model::{Binding, BindingId, GroupName, KeyId, KeyName, Mutation, ResourceKind, RoleId, SpaceId, Subject};

#[derive(Debug, clap::Args)]
pub(crate) struct BindingCommand {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: BindingVerb,
}

#[derive(Debug, clap::Subcommand)]
enum BindingVerb {
    /// Bind a role to a key or a group in a space and all below it
    Create(CreateBinding),
    /// Every binding, or those of a key, a group, a role, a space
    List(ListBindings),
    /// One binding
    Show {
        /// The binding
        #[arg(value_name = "ID")]
        id: BindingId,
    },
    /// Unbind: one binding by its id, or by what it says
    Delete(DeleteBinding),
}

#[derive(Debug, clap::Args)]
struct DeleteBinding {
    /// The binding; else --role, --space, and --key or --group say which
    #[arg(value_name = "ID", conflicts_with_all = ["key", "group", "role", "space"], required_unless_present_all = ["role", "space"])]
    id: Option<BindingId>,
    /// The key that holds the role
    #[arg(long, value_name = "NAME_OR_ID", conflicts_with = "group")]
    key: Option<String>,
    /// The group that holds the role
    #[arg(long, value_name = "G")]
    group: Option<GroupName>,
    /// The role
    #[arg(long, value_name = "R", requires = "space")]
    role: Option<RoleId>,
    /// Where it is bound
    #[arg(long, value_name = "S", requires = "role")]
    space: Option<SpaceId>,
    #[command(flatten)]
    weighing: Weighing,
}

#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("subject").required(true).args(["key", "group"])))]
struct CreateBinding {
    /// The key that gets the role
    #[arg(long, value_name = "NAME_OR_ID")]
    key: Option<String>,
    /// The group that gets the role
    #[arg(long, value_name = "G")]
    group: Option<GroupName>,
    /// The role
    #[arg(long, value_name = "R")]
    role: RoleId,
    /// Where it holds
    #[arg(long, value_name = "S")]
    space: SpaceId,
    #[command(flatten)]
    weighing: Weighing,
}

#[derive(Debug, clap::Args)]
struct ListBindings {
    /// Only those of this key itself
    #[arg(long, value_name = "NAME_OR_ID", conflicts_with = "group")]
    key: Option<String>,
    /// Only those of this group
    #[arg(long, value_name = "G")]
    group: Option<GroupName>,
    /// Only those of this role
    #[arg(long, value_name = "R")]
    role: Option<RoleId>,
    /// Only those in this very space
    #[arg(long, value_name = "S")]
    space: Option<SpaceId>,
}

/// A binding as JSON has it.
#[derive(Serialize)]
struct BindingView {
    id: BindingId,
    subject: SubjectView,
    role: RoleId,
    space: SpaceId,
    created_at: Timestamp,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum SubjectView {
    /// The name is absent only if the key went away between two reads.
    Key {
        id: KeyId,
        name: Option<KeyName>,
    },
    Group {
        name: GroupName,
    },
}

impl BindingCommand {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let store = match &self.verb {
            BindingVerb::Create(create) if !create.weighing.is_dry_run() => self.place.open(out).await?,
            BindingVerb::Create(_) | BindingVerb::List(_) | BindingVerb::Show { .. } | BindingVerb::Delete(_) => {
                self.place.look(out).await?
            }
        };
        match self.verb {
            BindingVerb::Create(create) => create.run(&store, out).await,
            BindingVerb::List(list) => list.run(&store, out).await,
            BindingVerb::Show { id } => {
                let view = view(store.binding(id).await?, &store).await?;
                out.record(&view, view.rows())
            }
            BindingVerb::Delete(delete) => delete.run(&store, out).await,
        }
    }
}

impl CreateBinding {
    async fn run(self, store: &OpenStore, out: &Output) -> Result<(), Failure> {
        let subject = subject(self.key.as_deref(), self.group, store).await?;
        if let Some(right) = (RoleAtSpace { role: self.role.clone(), space: self.space.clone() }).swapped(&store.snapshot().await?) {
            let RoleAtSpace { role, space } = right;
            return Err(Failure::usage(format_args!("role and space are swapped; write --role {role} --space {space}")));
        }
        if let Subject::Group(group) = &subject {
            remark_on_near_miss(group, store, out).await?;
        }
        let id = control::binding_id(store.now())?;
        let binding = Binding { id, subject, role: self.role, space: self.space, created_at: store.now() };
        let impact = match self.weighing.weigh(&Proposal::bind(&binding, store).await?, store, out).await? {
            Consent::Make(impact) => impact,
            Consent::Leave => return Ok(()),
        };
        let Binding { subject, role, space, .. } = binding;
        let revision = store.apply(Mutation::CreateBinding { id, subject, role, space }).await?;
        let view = view(store.binding(id).await?, store).await?;
        out.record(&Weighed { changed: Changed::now(&view, revision), impact: impact.as_ref() }, view.rows())
    }
}

impl DeleteBinding {
    async fn run(self, store: &OpenStore, out: &Output) -> Result<(), Failure> {
        let binding = match (self.id, self.role, self.space) {
            (Some(id), _, _) => store.binding(id).await?,
            (None, Some(role), Some(space)) => {
                let subject = subject(self.key.as_deref(), self.group, store).await?;
                bound(&subject, &role, &space, store).await?
            }
            (None, _, _) => return Err(Failure::usage("which binding? Say its ID, or --role R, --space S and --key K or --group G")),
        };
        let id = binding.id;
        let impact = match self.weighing.weigh(&Proposal::unbind(&binding, store).await?, store, out).await? {
            Consent::Make(impact) => impact,
            Consent::Leave => return Ok(()),
        };
        let view = view(binding, store).await?;
        let revision = store.apply(Mutation::DeleteBinding { id }).await?;
        out.record(&Weighed { changed: Changed::gone(&view, revision), impact: impact.as_ref() }, view.rows())
    }
}

impl ListBindings {
    async fn run(self, store: &OpenStore, out: &Output) -> Result<(), Failure> {
        self.check(store, out).await?;
        let subject = match (&self.key, self.group) {
            (Some(called), _) => Some(Subject::Key(store.key(called).await?.id)),
            (None, group) => group.map(Subject::Group),
        };
        let mut bindings = store.bindings().await?;
        bindings.retain(|binding| {
            subject.as_ref().is_none_or(|subject| binding.subject == *subject)
                && self.role.as_ref().is_none_or(|role| binding.role == *role)
                && self.space.as_ref().is_none_or(|space| binding.space == *space)
        });
        let names = store.key_names(bindings.iter().filter_map(key_of)).await?;
        let views: Vec<BindingView> = bindings.into_iter().map(|binding| BindingView::of(binding, &names)).collect();
        let row = |view: &BindingView| {
            let (kind, name) = view.subject.words();
            vec![
                view.id.to_string(),
                kind.to_owned(),
                name,
                view.role.to_string(),
                view.space.to_string(),
                time_text(Some(view.created_at)),
            ]
        };
        out.list("bindings", &["ID", "KIND", "SUBJECT", "ROLE", "SPACE", "CREATED"], views.iter().map(row), &views)
    }
}

impl ListBindings {
    /// A role or space that is not there is a slip of the finger, which must not look as if nobody held anything.
    async fn check(&self, store: &OpenStore, out: &Output) -> Result<(), Failure> {
        let snapshot = store.snapshot().await?;
        if let Some(role) = self.role.as_ref().filter(|role| !snapshot.roles.contains_key(*role)) {
            return Err(store.not_found(ResourceKind::Role, role.as_str()).await);
        }
        if let Some(space) = self.space.as_ref().filter(|space| snapshot.spaces.find(space).is_none()) {
            return Err(store.not_found(ResourceKind::Space, space.as_str()).await);
        }
        match &self.group {
            Some(group) => store.remark_on_group(group, out).await,
            None => Ok(()),
        }
    }
}

impl BindingView {
    fn of(binding: Binding, names: &HashMap<KeyId, KeyName>) -> Self {
        let subject = match binding.subject {
            Subject::Key(id) => SubjectView::Key { id, name: names.get(&id).cloned() },
            Subject::Group(name) => SubjectView::Group { name },
        };
        Self { id: binding.id, subject, role: binding.role, space: binding.space, created_at: binding.created_at }
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let (kind, name) = self.subject.words();
        vec![
            ("id", self.id.to_string()),
            (kind, name),
            ("role", self.role.to_string()),
            ("space", self.space.to_string()),
            ("created", time_text(Some(self.created_at))),
        ]
    }
}

impl SubjectView {
    fn words(&self) -> (&'static str, String) {
        match self {
            Self::Key { name: Some(name), .. } => ("key", name.to_string()),
            Self::Key { id, name: None } => ("key", id.to_string()),
            Self::Group { name } => ("group", name.to_string()),
        }
    }
}

/// Whom a binding is for.
async fn subject(key: Option<&str>, group: Option<GroupName>, store: &OpenStore) -> Result<Subject, Failure> {
    match (key, group) {
        (Some(called), _) => Ok(Subject::Key(store.key(called).await?.id)),
        (None, Some(group)) => Ok(Subject::Group(group)),
        (None, None) => Err(Failure::usage("who? Say --key NAME_OR_ID or --group G")),
    }
}

/// The binding that says this. If there is none, a binding of the same subject that holds the role elsewhere, or another role there, is what
/// was meant more often than not.
async fn bound(subject: &Subject, role: &RoleId, space: &SpaceId, store: &OpenStore) -> Result<Binding, Failure> {
    let mut bindings = store.bindings().await?;
    bindings.retain(|binding| binding.subject == *subject);
    if let Some(binding) = bindings.iter().find(|binding| binding.role == *role && binding.space == *space) {
        return Ok(binding.clone());
    }
    let who = match subject {
        Subject::Key(id) => format!("key {}", store.key_by_id(*id).await?.name),
        Subject::Group(name) => format!("group {name}"),
    };
    let others = joined(bindings.iter().map(|binding| format!("{}@{}", binding.role, binding.space)));
    let holds = if others.is_empty() { "it has no binding".to_owned() } else { format!("it has {others}") };
    Err(Failure::refused(format_args!("{who} has no binding {role}@{space}; {holds}")))
}

async fn view(binding: Binding, store: &OpenStore) -> Result<BindingView, Failure> {
    let names = store.key_names(key_of(&binding)).await?;
    Ok(BindingView::of(binding, &names))
}

fn key_of(binding: &Binding) -> Option<KeyId> {
    match &binding.subject {
        Subject::Key(id) => Some(*id),
        Subject::Group(_) => None,
    }
}
