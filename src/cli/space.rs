//! `claviger space`: where roles hold.

use super::args::value::joined;
use super::failure::Failure;
use super::impact::{Consent, Proposal, Weighed, Weighing};
use super::open_store::OpenStore;
use super::output::{Changed, Output};
use super::place::Place;
use crate::model::{Mutation, ResourceKind, Space, SpaceId, SpaceTree};

#[derive(Debug, clap::Args)]
pub(crate) struct SpaceCommand {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: SpaceVerb,
}

#[derive(Debug, clap::Subcommand)]
enum SpaceVerb {
    /// Make a space
    Create {
        /// Its id, for good: lower-case letters, digits, `-` and `_`
        #[arg(value_name = "ID")]
        id: SpaceId,
        /// The space above it
        #[arg(long, value_name = "SPACE", default_value = "root")]
        parent: SpaceId,
        /// What people call it; else its id
        #[arg(long, value_name = "N")]
        name: Option<String>,
        /// What it is for
        #[arg(long, value_name = "D", default_value = "", hide_default_value = true)]
        description: String,
        /// A label that policies see; can be given several times
        #[arg(long = "label", value_name = "L")]
        labels: Vec<String>,
    },
    /// Every space, each below the one that it stands under
    List,
    /// One space
    Show {
        /// The space
        #[arg(value_name = "ID")]
        id: SpaceId,
    },
    /// Rename, relabel or move a space
    Update(UpdateSpace),
    /// Delete a space that has neither a space below it nor a binding
    Delete {
        /// The space
        #[arg(value_name = "ID")]
        id: SpaceId,
        #[command(flatten)]
        weighing: Weighing,
    },
}

#[derive(Debug, clap::Args)]
struct UpdateSpace {
    /// The space
    #[arg(value_name = "ID")]
    id: SpaceId,
    /// What people call it from now on
    #[arg(long, value_name = "N")]
    name: Option<String>,
    /// What it is for
    #[arg(long, value_name = "D")]
    description: Option<String>,
    /// A label; replaces all that it had, and can be given several times
    #[arg(long = "label", value_name = "L")]
    labels: Vec<String>,
    /// Take every label off
    #[arg(long, conflicts_with = "labels")]
    no_labels: bool,
    /// The space that it stands under from now on, with all below it
    #[arg(long, value_name = "SPACE")]
    parent: Option<SpaceId>,
    #[command(flatten)]
    weighing: Weighing,
}

impl SpaceCommand {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let store = match &self.verb {
            SpaceVerb::Create { .. } => self.place.open(out).await?,
            SpaceVerb::List | SpaceVerb::Show { .. } | SpaceVerb::Update(_) | SpaceVerb::Delete { .. } => self.place.look(out).await?,
        };
        match self.verb {
            SpaceVerb::Create { id, parent, name, description, labels } => {
                let name = name.unwrap_or_else(|| id.to_string());
                let space = Space { id: id.clone(), name, description, parent: Some(parent), labels: each_once(labels) };
                show_changed(&id, Mutation::CreateSpace(space), &store, out).await
            }
            SpaceVerb::List => list(&store, out).await,
            SpaceVerb::Show { id } => {
                let space = find(&id, &store).await?;
                out.record(&space, rows(&space))
            }
            SpaceVerb::Update(update) => update.run(&store, out).await,
            SpaceVerb::Delete { id, weighing } => delete(id, &weighing, &store, out).await,
        }
    }
}

impl UpdateSpace {
    async fn run(self, store: &OpenStore, out: &Output) -> Result<(), Failure> {
        let labels = (self.no_labels || !self.labels.is_empty()).then(|| each_once(self.labels));
        if self.name.is_none() && self.description.is_none() && self.parent.is_none() && labels.is_none() {
            return Err(Failure::usage("nothing to change: say --name, --description, --label, --no-labels or --parent"));
        }
        let before = find(&self.id, store).await?;
        let snapshot = store.snapshot().await?;
        if let Some(parent) = self.parent.as_ref().filter(|parent| !snapshot.spaces.contains(parent)) {
            return Err(store.not_found(ResourceKind::Space, parent.as_str()).await);
        }
        let after = Space {
            name: self.name.clone().unwrap_or(before.name),
            parent: self.parent.clone().or(before.parent),
            labels: labels.clone().unwrap_or(before.labels),
            ..before
        };
        let impact = match self.weighing.weigh(&Proposal::update_space(after, snapshot)?, store, out).await? {
            Consent::Make(impact) => impact,
            Consent::Leave => return Ok(()),
        };
        let id = self.id.clone();
        let update = Mutation::UpdateSpace { id: self.id, name: self.name, description: self.description, labels, parent: self.parent };
        let revision = store.apply(update).await?;
        let space = find(&id, store).await?;
        out.record(&Weighed { changed: Changed::now(&space, revision), impact: impact.as_ref() }, rows(&space))
    }
}

async fn delete(id: SpaceId, weighing: &Weighing, store: &OpenStore, out: &Output) -> Result<(), Failure> {
    let space = find(&id, store).await?;
    let impact = match Proposal::delete_space(&id, store.snapshot().await?) {
        Some(proposal) => match weighing.weigh(&proposal, store, out).await? {
            Consent::Make(impact) => impact,
            Consent::Leave => return Ok(()),
        },
        None => None,
    };
    if impact.is_none() {
        weighing.agree(&format!("delete space {id}?"))?;
    }
    let revision = store.apply(Mutation::DeleteSpace { id }).await?;
    out.record(&Weighed { changed: Changed::gone(&space, revision), impact: impact.as_ref() }, rows(&space))
}

async fn list(store: &OpenStore, out: &Output) -> Result<(), Failure> {
    let snapshot = store.snapshot().await?;
    let spaces: Vec<&Space> = snapshot.spaces.iter().collect();
    let row =
        |(depth, space): (usize, &Space)| vec![format!("{}{}", "  ".repeat(depth), space.id), space.name.clone(), joined(&space.labels)];
    out.list("spaces", &["ID", "NAME", "LABELS"], tree(&snapshot.spaces, &SpaceId::root(), 0).into_iter().map(row), &spaces)
}

/// A space and all below it, each behind the one that it stands under, with how deep it stands.
fn tree<'a>(spaces: &'a SpaceTree, top: &SpaceId, depth: usize) -> Vec<(usize, &'a Space)> {
    let own = spaces.find(top).map(|space| (depth, space));
    own.into_iter().chain(spaces.children(top).flat_map(|child| tree(spaces, child, depth + 1))).collect()
}

async fn show_changed(id: &SpaceId, mutation: Mutation, store: &OpenStore, out: &Output) -> Result<(), Failure> {
    let revision = store.apply(mutation).await?;
    let space = find(id, store).await?;
    out.record(&Changed::now(&space, revision), rows(&space))
}

async fn find(id: &SpaceId, store: &OpenStore) -> Result<Space, Failure> {
    match store.snapshot().await?.spaces.find(id) {
        Some(space) => Ok(space.clone()),
        None => Err(store.not_found(ResourceKind::Space, id.as_str()).await),
    }
}

fn rows(space: &Space) -> Vec<(&'static str, String)> {
    vec![
        ("id", space.id.to_string()),
        ("name", space.name.clone()),
        ("description", space.description.clone()),
        ("parent", space.parent.as_ref().map(SpaceId::to_string).unwrap_or_default()),
        ("labels", joined(&space.labels)),
    ]
}

fn each_once(mut labels: Vec<String>) -> Vec<String> {
    labels.sort();
    labels.dedup();
    labels
}
