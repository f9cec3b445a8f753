//! `claviger role`: named sets of actions.

use super::args::value::joined;
use super::failure::Failure;
use super::impact::{Consent, Proposal, Weighed, Weighing};
use super::open_store::OpenStore;
use super::output::{Changed, Output};
use super::place::Place;
use crate::model::{ActionPattern, Mutation, ResourceKind, Role, RoleId};

#[derive(Debug, clap::Args)]
pub(crate) struct RoleCommand {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: RoleVerb,
}

#[derive(Debug, clap::Subcommand)]
enum RoleVerb {
    /// Make a role
    Create {
        /// Its id, for good: lower-case letters, digits, `-` and `_`
        #[arg(value_name = "ID")]
        id: RoleId,
        /// What it allows: `run:trigger`, `run:*` or `*:*`; can be given several times
        #[arg(long = "action", value_name = "ACTION", required = true)]
        actions: Vec<ActionPattern>,
        /// What people call it; else its id
        #[arg(long, value_name = "N")]
        name: Option<String>,
        /// What it is for
        #[arg(long, value_name = "D", default_value = "", hide_default_value = true)]
        description: String,
    },
    /// Every role
    List,
    /// One role
    Show {
        /// The role
        #[arg(value_name = "ID")]
        id: RoleId,
    },
    /// Change what a role is called or allows
    Update {
        /// The role
        #[arg(value_name = "ID")]
        id: RoleId,
        /// What it allows; replaces all that it allowed, and can be given several times
        #[arg(long = "action", value_name = "ACTION")]
        actions: Vec<ActionPattern>,
        /// What people call it from now on
        #[arg(long, value_name = "N")]
        name: Option<String>,
        /// What it is for
        #[arg(long, value_name = "D")]
        description: Option<String>,
        #[command(flatten)]
        weighing: Weighing,
    },
    /// Delete a role that is bound nowhere
    Delete {
        /// The role
        #[arg(value_name = "ID")]
        id: RoleId,
        #[command(flatten)]
        weighing: Weighing,
    },
}

impl RoleCommand {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let store = match &self.verb {
            RoleVerb::Create { .. } => self.place.open(out).await?,
            RoleVerb::List | RoleVerb::Show { .. } | RoleVerb::Update { .. } | RoleVerb::Delete { .. } => self.place.look(out).await?,
        };
        match self.verb {
            RoleVerb::Create { id, actions, name, description } => {
                let name = name.unwrap_or_else(|| id.to_string());
                let create = Mutation::CreateRole { id: id.clone(), name, description, actions: each_once(actions) };
                show_changed(&id, create, &store, out).await
            }
            RoleVerb::List => list(&store, out).await,
            RoleVerb::Show { id } => {
                let role = find(&id, &store).await?;
                out.record(&role, rows(&role))
            }
            RoleVerb::Update { id, actions, name, description, weighing } => {
                let actions = (!actions.is_empty()).then(|| each_once(actions));
                if actions.is_none() && name.is_none() && description.is_none() {
                    return Err(Failure::usage("nothing to change: say --action, --name or --description"));
                }
                let before = find(&id, &store).await?;
                let holders = match weighing.weigh_role(&before.id, &store, out).await? {
                    Consent::Make(holders) => holders,
                    Consent::Leave => return Ok(()),
                };
                let revision = store.apply(Mutation::UpdateRole { id: id.clone(), name, description, actions }).await?;
                let role = find(&id, &store).await?;
                out.record(&Weighed { changed: Changed::now(&role, revision), impact: holders.as_ref() }, rows(&role))
            }
            RoleVerb::Delete { id, weighing } => {
                let role = find(&id, &store).await?;
                let proposal = Proposal::delete_role(&id, store.snapshot().await?);
                let impact = match weighing.weigh(&proposal, &store, out).await? {
                    Consent::Make(impact) => impact,
                    Consent::Leave => return Ok(()),
                };
                let revision = store.apply(Mutation::DeleteRole { id }).await?;
                out.record(&Weighed { changed: Changed::gone(&role, revision), impact: impact.as_ref() }, rows(&role))
            }
        }
    }
}

async fn list(store: &OpenStore, out: &Output) -> Result<(), Failure> {
    let snapshot = store.snapshot().await?;
    let roles: Vec<&Role> = snapshot.roles.values().collect();
    let row = |role: &&Role| vec![role.id.to_string(), role.name.clone(), kind(role).to_owned(), joined(&role.actions)];
    out.list("roles", &["ID", "NAME", "KIND", "ACTIONS"], roles.iter().map(row), &roles)
}

async fn show_changed(id: &RoleId, mutation: Mutation, store: &OpenStore, out: &Output) -> Result<(), Failure> {
    let revision = store.apply(mutation).await?;
    let role = find(id, store).await?;
    out.record(&Changed::now(&role, revision), rows(&role))
}

async fn find(id: &RoleId, store: &OpenStore) -> Result<Role, Failure> {
    match store.snapshot().await?.roles.get(id) {
        Some(role) => Ok(role.clone()),
        None => Err(store.not_found(ResourceKind::Role, id.as_str()).await),
    }
}

fn rows(role: &Role) -> Vec<(&'static str, String)> {
    vec![
        ("id", role.id.to_string()),
        ("name", role.name.clone()),
        ("description", role.description.clone()),
        ("kind", kind(role).to_owned()),
        ("actions", joined(&role.actions)),
    ]
}

fn kind(role: &Role) -> &'static str {
    if role.system { "system" } else { "custom" }
}

fn each_once(mut actions: Vec<ActionPattern>) -> Vec<ActionPattern> {
    actions.sort();
    actions.dedup();
    actions
}
