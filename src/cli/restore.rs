//! `claviger restore`: makes the store what a copy is, whether or not a server runs on it.

use std::path::PathBuf;
use std::sync::Arc;

use super::audit::words;
use super::failure::Failure;
use super::open_store::StoreArgs;
use super::operator;
use super::output::Output;
use crate::clock::SystemClock;
use crate::model::{Actor, Cause, Revision};
use crate::store::{self, AuditQuery, Conflict, StoreError, Undo};

/// How many of the changes that would be undone are told.
const TOLD: usize = 20;

#[derive(Debug, clap::Args)]
pub(crate) struct RestoreCommand {
    #[command(flatten)]
    place: StoreArgs,
    /// What `claviger backup` has made
    #[arg(value_name = "FILE")]
    from: PathBuf,
    /// Undo what was changed since; keys that were revoked since work again
    #[arg(long)]
    undo_changes: bool,
}

impl RestoreCommand {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let url = self.place.url(out)?;
        let cause = Cause::local(Actor::Operator(operator::name()?));
        let undo = if self.undo_changes { Undo::All } else { Undo::Nothing };
        match store::restore(&url, &self.from, &cause, undo, Arc::new(SystemClock::start())).await {
            Ok(restored) => {
                let rows = [
                    ("revision", restored.revision.to_string()),
                    ("copied", restored.copied.to_string()),
                    ("undone", restored.undone.to_string()),
                ];
                let view = serde_json::json!({
                    "revision": restored.revision, "copied": restored.copied, "undone": restored.undone,
                });
                out.record(&view, rows)
            }
            Err(StoreError::Conflict(conflict @ Conflict::WouldUndo { since, .. })) => {
                self.tell(since, out).await?;
                Err(Failure::refused(format_args!("{conflict}; --undo-changes does that")))
            }
            Err(StoreError::Conflict(conflict @ Conflict::OtherStore { .. })) => {
                Err(Failure::refused(format_args!("{conflict}; --undo-changes does that")))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What would be undone: nobody should find out afterwards that a key which was revoked works again.
    async fn tell(&self, since: Revision, out: &Output) -> Result<(), Failure> {
        let store = self.place.look(out).await?;
        let entries = store.audit(TOLD, &AuditQuery { changed_after: Some(since), ..AuditQuery::default() }).await?;
        let names = store.key_names(entries.iter().filter_map(words::key_bound)).await?;
        for entry in &entries {
            let (what, change) = (words::resource(entry, &names), words::change(entry));
            out.note(format_args!("{} {:.0} {} {what} {change}", words::revision(entry), entry.at, entry.action));
        }
        Ok(())
    }
}
