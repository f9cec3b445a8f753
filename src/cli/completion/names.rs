//! Names that stand in the store, for arguments that take one.
//!
//! What an argument takes is told by what the help calls its value. The store is looked at and never made, migrated or waited for, and whatever
//! goes wrong is silence: a line that is being typed is no place for messages.

use std::ffi::OsString;
use std::sync::Arc;

use clap::{Arg, Command, Parser};
use clap_complete::{ArgValueCandidates, CompletionCandidate};

use crate::cli::place::Place;
use crate::store::{Page, Store};

/// How many keys are read.
const KEYS_MAX: u32 = 1_000;

/// What an argument takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NameKind {
    Key,
    Space,
    Role,
    Group,
    Policy,
    RoleAtSpace,
    OneOf(&'static [&'static str]),
}

/// Lets every argument that takes a name complete it.
pub(super) fn complete(command: Command) -> Command {
    command.mut_subcommands(|noun| {
        let name = noun.get_name().to_owned();
        with_names(noun, &name, "")
    })
}

fn with_names(command: Command, noun: &str, verb: &str) -> Command {
    command
        .mut_args(|arg| match NameKind::of(noun, verb, &arg) {
            Some(kind) => arg.add(ArgValueCandidates::new(move || candidates(kind))),
            None => arg,
        })
        .mut_subcommands(|inner| {
            let name = inner.get_name().to_owned();
            with_names(inner, noun, &name)
        })
}

impl NameKind {
    fn of(noun: &str, verb: &str, arg: &Arg) -> Option<Self> {
        let called = arg.get_value_names().and_then(|names| names.first()).map(clap::builder::Str::as_str)?;
        // What is made has no name that is there already.
        let is_there = verb != "create";
        match (noun, called) {
            (_, "NAME_OR_ID") => Some(Self::Key),
            (_, "S" | "SPACE") => Some(Self::Space),
            (_, "R") => Some(Self::Role),
            (_, "G") => Some(Self::Group),
            (_, "ROLE@SPACE") => Some(Self::RoleAtSpace),
            ("space", "ID") if is_there => Some(Self::Space),
            ("role", "ID") if is_there => Some(Self::Role),
            ("group", "NAME") if is_there => Some(Self::Group),
            ("policy", "NAME") if is_there => Some(Self::Policy),
            ("strategy", "NAME") => Some(Self::OneOf(&["combined", "user-management", "login-policies"])),
            ("policy", "VERSION") => Some(Self::OneOf(&["v0", "v1", "auto"])),
            _ => None,
        }
    }
}

fn candidates(kind: NameKind) -> Vec<CompletionCandidate> {
    if let NameKind::OneOf(words) = kind {
        return words.iter().map(CompletionCandidate::new).collect();
    }
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return Vec::new() };
    runtime.block_on(async {
        let Some(store) = place(std::env::args_os()).glance().await else { return Vec::new() };
        let found = read(kind, &store).await;
        store.close().await;
        found.unwrap_or_default()
    })
}

async fn read(kind: NameKind, store: &Arc<dyn Store>) -> Option<Vec<CompletionCandidate>> {
    if kind == NameKind::Key {
        let keys = store.keys(&Page { after: None, limit: KEYS_MAX, query: None }).await.ok()?;
        return Some(
            keys.into_iter().filter(|key| key.revoked_at.is_none()).map(|key| named(key.name.as_str(), &key.description)).collect(),
        );
    }
    let snapshot = store.snapshot().await.ok()?;
    Some(match kind {
        NameKind::Space => snapshot.spaces.iter().map(|space| named(space.id.as_str(), &space.name)).collect(),
        NameKind::Role => snapshot.roles.values().map(|role| named(role.id.as_str(), &role.name)).collect(),
        NameKind::Group => snapshot.groups.values().map(|group| named(group.name.as_str(), &group.description)).collect(),
        NameKind::Policy => snapshot.policies.iter().map(|policy| named(policy.name.as_str(), "")).collect(),
        NameKind::RoleAtSpace => {
            let roles = snapshot.roles.keys();
            roles.flat_map(|role| snapshot.spaces.iter().map(move |space| named(&format!("{role}@{}", space.id), ""))).collect()
        }
        NameKind::Key | NameKind::OneOf(_) => Vec::new(),
    })
}

fn named(name: &str, about: &str) -> CompletionCandidate {
    CompletionCandidate::new(name).help((!about.is_empty() && about != name).then(|| crate::diagnostics::escaped(about).into()))
}

/// Where the store is, as far as the line that is being typed says so.
fn place(words: impl Iterator<Item = OsString>) -> Place {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        place: Place,
    }
    let mut said = vec![OsString::from("claviger")];
    let mut words = words.peekable();
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--store" | "--config" | "--server" | "--profile") => said.extend([Some(word), words.next()].into_iter().flatten()),
            Some(text) if ["--store=", "--config=", "--server=", "--profile="].iter().any(|flag| text.starts_with(flag)) => said.push(word),
            Some(_) | None => {}
        }
    }
    Line::try_parse_from(said).map(|line| line.place).unwrap_or_default()
}
