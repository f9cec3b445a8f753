//! `claviger audit`: who changed what, when; who tried to and was refused; from where keys have come that manage.
//!
//! Newest first, as one looks for what has just happened; followed, oldest first, as one reads a log.

mod export;
mod filters;
mod verify;
pub(crate) mod words;

use std::time::Duration;

use self::filters::Filters;
use super::args::value;
use super::failure::Failure;
use super::open_store::OpenStore;
use super::output::{Format, Output};
use super::place::Place;
use crate::model::{AuditEntry, AuditId};

/// How many entries are shown if nothing is said.
const USUAL: usize = 50;
/// A hint that something has changed may get lost; this long at most it is waited for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    filters: Filters,
    /// At most so many, the newest [default: 50, or all if --since is given]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Go on with what happens from now on, until interrupted: oldest first; as JSON, one entry a line
    #[arg(long, short)]
    follow: bool,
    #[command(subcommand)]
    verb: Option<AuditVerb>,
}

#[derive(Debug, clap::Subcommand)]
enum AuditVerb {
    /// See whether the audit is as it was written, and the store as the audit says
    Verify(verify::Verify),
    /// Write the audit as JSON, one entry a line, oldest first
    Export(export::ExportAudit),
}

impl Audit {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let Self { place, filters, limit, follow, verb } = self;
        if verb.is_some() && (filters != Filters::default() || limit.is_some() || follow) {
            return Err(Failure::usage("what is wanted stands behind the word: `claviger audit export --since 24h`"));
        }
        match verb {
            Some(AuditVerb::Verify(verify)) => return verify.run(&place, out).await,
            Some(AuditVerb::Export(export)) => return export.run(&place, out).await,
            None => {}
        }
        let store = place.look(out).await?;
        let limit = limit.unwrap_or(if filters.has_beginning() { usize::MAX } else { USUAL });
        let mut wanted = filters.query(&store).await?;
        let mut entries = store.audit(limit, &wanted).await?;
        if !follow {
            return out.list("audit entries", &HEADERS, rows(&entries, &store).await?, &entries);
        }
        let mut seen = AuditId::default();
        loop {
            entries.reverse();
            for (entry, row) in entries.iter().zip(rows(&entries, &store).await?) {
                match out.format() {
                    Format::Json => out.json_line(entry)?,
                    Format::Table => out.line(&row.join("  "), entry)?,
                }
                seen = seen.max(entry.id);
            }
            // An interrupt ends the process; there is nothing to put in order first.
            tokio::select! {
                _ = tokio::time::timeout(LOOK_AGAIN, store.woken()) => {}
                () = out.no_longer_read() => return Ok(()),
            }
            if !out.is_read() {
                return Ok(());
            }
            wanted.newer_than = Some(seen);
            entries = store.audit(usize::MAX, &wanted).await?;
        }
    }
}

const HEADERS: [&str; 6] = ["REVISION", "AT", "ACTOR", "ACTION", "RESOURCE", "WHAT"];

/// The entries as rows, with names where the audit has ids.
async fn rows(entries: &[AuditEntry], store: &OpenStore) -> Result<Vec<Vec<String>>, Failure> {
    let names = store.key_names(entries.iter().filter_map(words::key_bound)).await?;
    let row = |entry: &AuditEntry| {
        vec![
            words::revision(entry),
            value::time_text(Some(entry.at)),
            entry.actor.clone(),
            entry.action.clone(),
            words::resource(entry, &names),
            words::change(entry),
        ]
    };
    Ok(entries.iter().map(row).collect())
}
