//! `claviger store copy`: a whole store into another database.

use std::sync::Arc;

use serde::Serialize;

use super::failure::Failure;
use super::output::Output;
use crate::clock::SystemClock;
use crate::config::StoreUrl;
use crate::model::Revision;
use crate::store;

/// `claviger store …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum StoreCommand {
    /// Copy a whole store into another database, such as from SQLite into PostgreSQL
    ///
    /// Everything comes along as it is: keys, revisions, the audit with its hashes, what files declare. What is changed meanwhile does not:
    /// stop whoever changes the first store before, and have them use the second one afterwards. At the end, all of the copy is read, and
    /// compared with its audit.
    Copy(CopyCommand),
}

#[derive(Debug, clap::Args)]
pub(crate) struct CopyCommand {
    /// The store that is copied: `sqlite://PATH` or `postgres://USER@HOST/DATABASE`
    #[arg(value_name = "FROM")]
    from: String,
    /// The store that becomes the copy: it is made if it is not there, and must hold nothing
    #[arg(value_name = "TO")]
    to: String,
}

/// A copy as JSON has it.
#[derive(Serialize)]
struct CopyView {
    from: String,
    to: String,
    revision: Revision,
    entries: u64,
    rows: u64,
    head: Option<String>,
}

impl StoreCommand {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        match self {
            Self::Copy(command) => command.run(out).await,
        }
    }
}

impl CopyCommand {
    async fn run(self, out: &Output) -> Result<(), Failure> {
        let (from, to) = (StoreUrl::parse(&self.from).map_err(Failure::usage)?, StoreUrl::parse(&self.to).map_err(Failure::usage)?);
        if let Some(path) = from.file()
            && !path.exists()
        {
            return Err(Failure::refused(format_args!("there is no store at {from}")));
        }
        let copied = store::copy(&from, &to, Arc::new(SystemClock::start())).await?;
        let found = copied.verified;
        if let Some(fault) = found.faults.first() {
            let all = found.faults.len();
            let advice = "see whether `claviger audit verify` says the same of the first store";
            return Err(Failure::refused(format_args!("{to} has been made, but does not fit its audit ({all} faults): {fault}; {advice}")));
        }
        let head = found.head.map(|(id, hash)| format!("{id}:{hash}"));
        let view = CopyView {
            from: from.to_string(),
            to: to.to_string(),
            revision: copied.revision,
            entries: found.entries,
            rows: found.rows,
            head: head.clone(),
        };
        let rows = [
            ("from", from.to_string()),
            ("to", to.to_string()),
            ("revision", copied.revision.to_string()),
            ("entries", found.entries.to_string()),
            ("rows", found.rows.to_string()),
            ("head", head.unwrap_or_default()),
        ];
        out.record(&view, rows)
    }
}
