//! `claviger policy`: login policies in Rego.
//!
//! Nothing is saved that does not load: a policy is checked together with all that it will be in force with, before the store hears
//! of it.

mod count;
mod eval;
mod junit;
pub(crate) mod question;
mod sample;
mod simulate;
mod test;
pub(crate) mod view;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;

use crate::cli::args::input_file;
use crate::cli::failure::Failure;
use crate::cli::impact::{Consent, Proposal, Weighed, Weighing};
use crate::cli::open_store::OpenStore;
use crate::cli::output::{self, Changed, Format, Output};
use crate::cli::place::Place;
use crate::exchange::WhatIf;
use crate::model::{LoginPolicy, Mutation, PolicyName, RegoVersion, ResourceKind};
use crate::policy::{self, PolicyFault, PolicySource};

#[derive(Debug, clap::Args)]
pub(crate) struct PolicyCommand {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: PolicyVerb,
}

#[derive(Debug, clap::Subcommand)]
enum PolicyVerb {
    /// Put a new login policy into force; `update` replaces one that is there
    Create {
        /// What it is called
        #[arg(value_name = "NAME")]
        name: PolicyName,
        #[command(flatten)]
        module: ModuleFile,
        #[command(flatten)]
        weighing: Weighing,
    },
    /// Every login policy: those of the store, and those of the configured directory
    List,
    /// One login policy, with its text
    Show {
        /// The policy
        #[arg(value_name = "NAME")]
        name: PolicyName,
    },
    /// Replace a login policy's text
    Update {
        /// The policy
        #[arg(value_name = "NAME")]
        name: PolicyName,
        #[command(flatten)]
        module: ModuleFile,
        #[command(flatten)]
        weighing: Weighing,
    },
    /// Take a login policy out of force
    Delete {
        /// The policy
        #[arg(value_name = "NAME")]
        name: PolicyName,
        #[command(flatten)]
        weighing: Weighing,
    },
    /// What a policy in a file would say, and what it would change; nothing is saved
    Simulate(simulate::Simulate),
    /// What policies in files say of `input` documents, just as they are written; nothing else is looked at
    Eval(eval::Eval),
    /// Requests that policies wanted kept: `sample` held for them
    Sample(sample::SampleCommand),
    /// Run the tests of policies in files
    Test(test::Test),
}

#[derive(Debug, clap::Args)]
struct ModuleFile {
    /// A file with the Rego module, `-` for stdin
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// Which Rego it is written in: v0, v1, or auto (v1 is tried first); an update that does not say leaves it
    #[arg(long, value_name = "VERSION")]
    rego: Option<RegoArg>,
}

/// `--rego`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RegoArg {
    Auto,
    Is(RegoVersion),
}

/// A policy that is in force now, and what is odd about it.
#[derive(Serialize)]
struct SavedPolicy<'a> {
    #[serde(flatten)]
    changed: Changed<'a, LoginPolicy>,
    warnings: Vec<PolicyFault>,
}

/// A policy without its text, for lists.
#[derive(Serialize)]
struct PolicyLine<'a> {
    name: &'a PolicyName,
    from: KeptIn,
    /// `None`: it is the store's.
    file: Option<&'a Path>,
    rego: Option<RegoVersion>,
    lines: usize,
}

/// A policy with its text, and where it lives.
#[derive(Serialize)]
struct PolicyView {
    #[serde(flatten)]
    policy: LoginPolicy,
    from: KeptIn,
    file: Option<PathBuf>,
}

/// Where a policy lives.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum KeptIn {
    Store,
    File,
}

impl FromStr for RegoArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            _ => text.parse().map(Self::Is).map_err(|_| "it is v0, v1 or auto".to_owned()),
        }
    }
}

impl RegoArg {
    fn version(self) -> Option<RegoVersion> {
        match self {
            Self::Auto => None,
            Self::Is(version) => Some(version),
        }
    }
}

impl PolicyCommand {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let place = &self.place;
        match self.verb {
            PolicyVerb::Create { name, module, weighing } => {
                let store = place.open(out).await?;
                store.shows(ResourceKind::Policy).await?;
                create(name, &module, &weighing, &store, out).await
            }
            PolicyVerb::List => list(&shown(place, out).await?, out).await,
            PolicyVerb::Show { name } => show(&name, &shown(place, out).await?, out).await,
            PolicyVerb::Update { name, module, weighing } => update(name, &module, &weighing, &shown(place, out).await?, out).await,
            PolicyVerb::Delete { name, weighing } => delete(name, &weighing, &shown(place, out).await?, out).await,
            PolicyVerb::Simulate(command) => command.run(&place.open(out).await?, out).await,
            PolicyVerb::Eval(command) => command.run(place.store()?, out),
            PolicyVerb::Sample(command) => command.run(&place.open(out).await?, out).await,
            PolicyVerb::Test(command) => command.run(place.store()?, out),
        }
    }
}

/// A store that is there, to somebody who may see its policies.
async fn shown(place: &Place, out: &Output) -> Result<OpenStore, Failure> {
    let store = place.look(out).await?;
    store.shows(ResourceKind::Policy).await?;
    Ok(store)
}

async fn create(name: PolicyName, module: &ModuleFile, weighing: &Weighing, store: &OpenStore, out: &Output) -> Result<(), Failure> {
    // Else a dry run would weigh what the store is going to refuse.
    if store.snapshot().await?.policies.iter().any(|policy| policy.name == name) {
        return Err(Failure::refused(format_args!("policy {name} exists already; `policy update {name}` replaces it")));
    }
    let policy = LoginPolicy { name, source: module.read()?, rego: module.rego.and_then(RegoArg::version) };
    let warnings = check(&policy, store, out).await?;
    let change = Proposal::of_policies(WhatIf::Put(PolicySource::from(&policy)));
    show_changed(&policy.name, Mutation::CreatePolicy(policy.clone()), &change, warnings, weighing, store, out).await
}

async fn update(name: PolicyName, module: &ModuleFile, weighing: &Weighing, store: &OpenStore, out: &Output) -> Result<(), Failure> {
    let before = changeable(&name, store, out).await?;
    let policy = LoginPolicy { name, source: module.read()?, rego: module.rego.map_or(before.rego, RegoArg::version) };
    let warnings = check(&policy, store, out).await?;
    let change = Proposal::of_policies(WhatIf::Put(PolicySource::from(&policy)));
    let update = Mutation::UpdatePolicy { name: policy.name.clone(), source: policy.source.clone(), rego: policy.rego };
    show_changed(&policy.name, update, &change, warnings, weighing, store, out).await
}

async fn delete(name: PolicyName, weighing: &Weighing, store: &OpenStore, out: &Output) -> Result<(), Failure> {
    let policy = changeable(&name, store, out).await?;
    let impact = match weighing.weigh(&Proposal::of_policies(WhatIf::Delete(name.clone())), store, out).await? {
        Consent::Make(impact) => impact,
        Consent::Leave => return Ok(()),
    };
    let revision = store.apply(Mutation::DeletePolicy { name }).await?;
    out.record(&Weighed { changed: Changed::gone(&policy, revision), impact: impact.as_ref() }, rows(&policy))
}

/// The name of the policy that a file holds.
fn named_as(file: &Path) -> Result<PolicyName, Failure> {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let stem = if stem == "-" { "stdin" } else { stem };
    stem.parse().map_err(Failure::usage)
}

impl ModuleFile {
    fn read(&self) -> Result<Box<str>, Failure> {
        input_file::text(&self.file).map(String::into_boxed_str)
    }
}

/// Reviews everything that would be in force, the configured directory's policies too, with `new` in the place of a policy of that name.
/// Answers with what is odd about `new`; what is odd about the others was told when they were saved.
async fn check(new: &LoginPolicy, store: &OpenStore, out: &Output) -> Result<Vec<PolicyFault>, Failure> {
    let snapshot = store.snapshot().await?;
    let others = snapshot.policies.iter().filter(|policy| policy.name != new.name);
    let settings = store.settings(out).await?.policies;
    let of_dir = store.policy_files(out).await?;
    let sources: Vec<PolicySource> = others.chain([new]).map(PolicySource::from).chain(of_dir).collect();
    let vocabulary = store.vocabulary(&snapshot).await?;
    let mut findings = policy::review(&sources, &settings, &vocabulary);
    findings.retain(|finding| finding.is_error() || finding.policy == new.name.as_str());
    if findings.iter().any(PolicyFault::is_error) {
        return Err(out.refused_for(&findings)?);
    }
    Ok(findings)
}

async fn list(store: &OpenStore, out: &Output) -> Result<(), Failure> {
    let snapshot = store.snapshot().await?;
    let of_dir = store.policy_files(out).await?;
    let sources: Vec<PolicySource> = snapshot.policies.iter().map(PolicySource::from).chain(of_dir).collect();
    let listed: Vec<PolicyLine> = sources.iter().map(PolicyLine::of).collect();
    let row = |policy: &PolicyLine| {
        let from = policy.file.map_or_else(|| "store".to_owned(), |file| file.display().to_string());
        vec![policy.name.to_string(), from, spelled(policy.rego).to_owned(), policy.lines.to_string()]
    };
    out.list("policies", &["NAME", "FROM", "REGO", "LINES"], listed.iter().map(row), &listed)
}

async fn show(name: &PolicyName, store: &OpenStore, out: &Output) -> Result<(), Failure> {
    let shown = match in_store(name, store).await? {
        Some(policy) => PolicyView { policy, from: KeptIn::Store, file: None },
        None => match in_dir(name, store, out).await? {
            Some(PolicySource { name, file, text, rego }) => {
                PolicyView { policy: LoginPolicy { name, source: text.as_ref().into(), rego }, from: KeptIn::File, file }
            }
            None => return Err(store.not_found(ResourceKind::Policy, name.as_str()).await),
        },
    };
    let file = shown.file.iter().map(|file| ("file", file.display().to_string()));
    out.record(&shown, file.chain(rows(&shown.policy)))
}

impl<'a> PolicyLine<'a> {
    fn of(policy: &'a PolicySource) -> Self {
        let file = policy.file.as_deref();
        let from = if file.is_some() { KeptIn::File } else { KeptIn::Store };
        Self { name: &policy.name, from, file, rego: policy.rego, lines: policy.text.lines().count() }
    }
}

async fn show_changed(
    name: &PolicyName,
    mutation: Mutation,
    change: &Proposal,
    warnings: Vec<PolicyFault>,
    weighing: &Weighing,
    store: &OpenStore,
    out: &Output,
) -> Result<(), Failure> {
    if out.format() == Format::Table {
        output::show_policies(&warnings);
    }
    let impact = match weighing.weigh(change, store, out).await? {
        Consent::Make(impact) => impact,
        Consent::Leave => return Ok(()),
    };
    let revision = store.apply(mutation).await?;
    let policy = find(name, store).await?;
    let changed = SavedPolicy { changed: Changed::now(&policy, revision), warnings };
    out.record(&Weighed { changed, impact: impact.as_ref() }, rows(&policy))
}

async fn find(name: &PolicyName, store: &OpenStore) -> Result<LoginPolicy, Failure> {
    match in_store(name, store).await? {
        Some(policy) => Ok(policy),
        None => Err(store.not_found(ResourceKind::Policy, name.as_str()).await),
    }
}

/// The store's policy that is to be changed. Of the directory's, it is said where they are changed.
async fn changeable(name: &PolicyName, store: &OpenStore, out: &Output) -> Result<LoginPolicy, Failure> {
    if let Some(policy) = in_store(name, store).await? {
        return Ok(policy);
    }
    match in_dir(name, store, out).await?.and_then(|source| source.file) {
        Some(file) => Err(Failure::refused(format_args!("policy {name} is a file, and is changed there: {}", file.display()))),
        None => Err(store.not_found(ResourceKind::Policy, name.as_str()).await),
    }
}

async fn in_store(name: &PolicyName, store: &OpenStore) -> Result<Option<LoginPolicy>, Failure> {
    Ok(store.snapshot().await?.policies.into_iter().find(|policy| policy.name == *name))
}

/// The configured directory's policy of this name.
async fn in_dir(name: &PolicyName, store: &OpenStore, out: &Output) -> Result<Option<PolicySource>, Failure> {
    Ok(store.policy_files(out).await?.into_iter().find(|source| source.name == *name))
}

fn rows(policy: &LoginPolicy) -> Vec<(&'static str, String)> {
    let head = [("name", policy.name.to_string()), ("rego", spelled(policy.rego).to_owned())];
    let text = policy.source.lines().enumerate().map(|(number, line)| {
        let label = if number == 0 { "source" } else { "" };
        (label, line.replace('\t', "    "))
    });
    head.into_iter().chain(text).collect()
}

fn spelled(rego: Option<RegoVersion>) -> &'static str {
    rego.map_or("auto", RegoVersion::as_str)
}
