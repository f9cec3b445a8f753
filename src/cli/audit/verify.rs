//! `claviger audit verify`: whether somebody has changed the audit, or the store beside it.

use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::output::{Format, Output, Progress};
use crate::cli::place::Place;
use crate::model::{AuditId, EntryHash};
use crate::store::AuditQuery;

#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// What an earlier run has printed as the head, as often as you like: that this entry is still the same
    #[arg(long = "expect", value_name = "ID:HASH")]
    kept: Vec<Kept>,
}

/// The hash of an entry, kept elsewhere.
#[derive(Clone, Copy, Debug)]
struct Kept {
    id: AuditId,
    hash: EntryHash,
}

impl std::str::FromStr for Kept {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || "it must be the number of an entry, a colon, and its hash, as `audit verify` prints them".to_owned();
        let (id, hash) = text.split_once(':').ok_or_else(form)?;
        Ok(Self { id: AuditId(id.parse().map_err(|_| form())?), hash: hash.parse().map_err(|_| form())? })
    }
}

/// What was found, for programs.
#[derive(Serialize)]
struct VerifiedView {
    entries: u64,
    first: Option<AuditId>,
    given_up: Option<AuditId>,
    head: Option<String>,
    rows: u64,
    faults: Vec<String>,
}

impl Verify {
    pub(super) async fn run(self, place: &Place, out: &Output) -> Result<(), Failure> {
        let store = place.look(out).await?;
        let kept: Vec<_> = self.kept.iter().map(|kept| (kept.id, kept.hash)).collect();
        let last = store.audit_page(&AuditQuery { limit: 1, ..AuditQuery::default() }).await?.pop();
        let mut progress = Progress::of("entries", last.map_or(0, |entry| entry.id.0));
        let found = store.verify_audit(&kept, |id| progress.at(id.0)).await?;
        drop(progress);
        let view = VerifiedView {
            entries: found.entries,
            first: found.first,
            given_up: found.given_up,
            head: found.head.map(|(id, hash)| format!("{id}:{hash}")),
            rows: found.rows,
            faults: found.faults.iter().map(ToString::to_string).collect(),
        };
        let number = |id: Option<AuditId>| id.map(|id| id.to_string()).unwrap_or_default();
        let rows = [
            ("entries", view.entries.to_string()),
            ("first", number(view.first)),
            ("given up", number(view.given_up)),
            ("head", view.head.clone().unwrap_or_default()),
            ("rows", view.rows.to_string()),
        ];
        // A head that does not follow from what is before it is not one to keep.
        if view.faults.is_empty() || out.format() == Format::Json {
            out.record(&view, rows)?;
        }
        for fault in &view.faults {
            out.note(fault);
        }
        match view.faults.as_slice() {
            [] => Ok(()),
            [fault] => Err(Failure::refused(format_args!("not all is as it was written: {fault}"))),
            [fault, more @ ..] => {
                Err(Failure::refused(format_args!("not all is as it was written: {fault}, and {} more faults", more.len())))
            }
        }
    }
}
