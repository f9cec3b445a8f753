//! Many keys at once, in one transaction: all of them, or none.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::make::KeyTerms;
use super::view::KeyView;
use crate::cli::args::input_file;
use crate::cli::failure::Failure;
use crate::cli::open_store::OpenStore;
use crate::cli::output::{self, Output, Progress};
use crate::control;
use crate::model::{KeyDigest, KeyId, KeyName, KeyRecord, Mutation, PlainKey};

/// What one transaction takes; a server refuses more.
const MOST: usize = 10_000;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum BulkVerb {
    /// Make a key for each name of a list, all on the same terms, and print their texts, once
    Create {
        #[command(flatten)]
        list: KeyList,
        #[command(flatten)]
        terms: KeyTerms,
    },
    /// Take every key of a list back for good
    Revoke {
        #[command(flatten)]
        list: KeyList,
        /// Do not ask before they are revoked (nobody is asked who does not sit at a terminal)
        #[arg(long, short)]
        yes: bool,
    },
    /// Switch every key of a list off
    Disable {
        #[command(flatten)]
        list: KeyList,
    },
    /// Switch every key of a list on again
    Enable {
        #[command(flatten)]
        list: KeyList,
    },
}

/// Keys, a line each.
#[derive(Debug, clap::Args)]
pub(crate) struct KeyList {
    /// A file with the keys, a name or an id on each line, `-` for stdin; what stands behind a `#` is left out
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
}

#[derive(Serialize)]
struct MadeKey<'a> {
    id: KeyId,
    name: &'a KeyName,
    key: &'a str,
}

impl BulkVerb {
    pub(crate) async fn run(self, store: &OpenStore, out: &Output) -> Result<(), Failure> {
        match self {
            Self::Create { list, terms } => create(&list, terms, store, out).await,
            Self::Revoke { list, yes } => {
                let keys = found(&list.from, store).await?;
                let still = keys.iter().filter(|key| key.revoked_at.is_none()).count();
                if !yes && still > 0 {
                    output::agree(&format!("revoke {still} keys for good?"))?;
                }
                change(keys, Deed::Revoke, store, out).await
            }
            Self::Disable { list } => change(found(&list.from, store).await?, Deed::Disable, store, out).await,
            Self::Enable { list } => change(found(&list.from, store).await?, Deed::Enable, store, out).await,
        }
    }
}

async fn create(list: &KeyList, terms: KeyTerms, store: &OpenStore, out: &Output) -> Result<(), Failure> {
    let names: Vec<KeyName> = lines(&list.from)?.into_iter().map(|line| line.parse().map_err(Failure::usage)).collect::<Result<_, _>>()?;
    let (terms, now) = (terms.checked(store, out).await?, store.now());
    let mut made: Vec<(KeyId, PlainKey)> = Vec::with_capacity(names.len());
    let mut mutations = Vec::with_capacity(names.len());
    for name in &names {
        let id = control::key_id(now)?;
        let plain = control::plain_key(id)?;
        mutations.push(Mutation::CreateKey(terms.new_key(id, name.clone(), KeyDigest::of(&plain), now)?));
        made.push((id, plain));
    }
    store.make_all(mutations, |index| names.get(index).map(ToString::to_string)).await?;
    let shown: Vec<MadeKey> = names.iter().zip(&made).map(|(name, (id, plain))| MadeKey { id: *id, name, key: plain.reveal() }).collect();
    let rows = shown.iter().map(|made| vec![made.name.to_string(), made.id.to_string(), made.key.to_owned()]);
    let written = out.list("keys", &["NAME", "ID", "KEY"], rows, &shown);
    let why = match written {
        Ok(()) if out.is_read() => {
            out.note("The keys are shown this once; only their digests are kept.");
            return Ok(());
        }
        Ok(()) => "nobody reads stdout".to_owned(),
        Err(failure) => failure.to_string(),
    };
    Err(Failure::refused(format_args!(
        "the keys are made, but their texts could not be shown and are lost: {why}; `claviger key bulk revoke` with the same list ends them"
    )))
}

/// What is done to each key of a list.
#[derive(Clone, Copy)]
enum Deed {
    Revoke,
    Disable,
    Enable,
}

impl Deed {
    fn mutation(self, id: KeyId) -> Mutation {
        match self {
            Self::Revoke => Mutation::RevokeKey { id },
            Self::Disable => Mutation::DisableKey { id },
            Self::Enable => Mutation::EnableKey { id },
        }
    }

    /// As the store leaves the key.
    fn done(self, key: KeyRecord, at: Timestamp) -> KeyRecord {
        match self {
            Self::Revoke => KeyRecord { revoked_at: key.revoked_at.or(Some(at)), ..key },
            Self::Disable => KeyRecord { disabled_at: key.disabled_at.or(Some(at)), ..key },
            Self::Enable => KeyRecord { disabled_at: None, ..key },
        }
    }
}

async fn change(keys: Vec<KeyRecord>, deed: Deed, store: &OpenStore, out: &Output) -> Result<(), Failure> {
    let mutations = keys.iter().map(|key| deed.mutation(key.id)).collect();
    let last = store.make_all(mutations, |index| keys.get(index).map(|key| key.name.to_string())).await?;
    let at = last.map_or(store.now(), |last| last.at);
    let changed: Vec<KeyView> = keys.into_iter().map(|key| KeyView::of(deed.done(key, at), store.now())).collect();
    let row = |key: &KeyView| vec![key.name().to_string(), key.id().to_string(), key.state().as_str().to_owned()];
    out.list("keys", &["NAME", "ID", "STATE"], changed.iter().map(row), &changed)
}

/// The keys of a list. What is not there is told of all that are not, and nothing is changed.
async fn found(from: &Path, store: &OpenStore) -> Result<Vec<KeyRecord>, Failure> {
    let called = lines(from)?;
    let mut progress = Progress::of("keys", u64::try_from(called.len()).unwrap_or(u64::MAX));
    let (mut keys, mut faults, mut seen) = (Vec::with_capacity(called.len()), Vec::new(), BTreeSet::new());
    for (done, called) in (0_u64..).zip(&called) {
        progress.at(done);
        match store.key(called).await {
            Ok(key) if !seen.insert(key.id) => faults.push(format!("key {called} is named twice")),
            Ok(key) => keys.push(key),
            Err(failure) => faults.push(failure.to_string()),
        }
    }
    drop(progress);
    if faults.is_empty() { Ok(keys) } else { Err(Failure::refused(format_args!("nothing was changed: {}", faults.join("; ")))) }
}

/// The lines of a list that say something, each once.
fn lines(from: &Path) -> Result<Vec<String>, Failure> {
    let text = input_file::text(from)?;
    let lines = text.lines().map(|line| line.split_once(" #").map_or(line, |(said, _)| said).trim());
    let lines: Vec<String> = lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect();
    if lines.is_empty() {
        return Err(Failure::usage(format_args!("{}: there is no key in it", from.display())));
    }
    if lines.len() > MOST {
        return Err(Failure::usage(format_args!("{}: it names {} keys, and {MOST} can be changed at once", from.display(), lines.len())));
    }
    Ok(lines)
}
