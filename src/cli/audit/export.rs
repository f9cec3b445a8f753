//! `claviger audit export`: the audit for other programs, as it is read: one page at a time, whatever its length.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::filters::Filters;
use crate::cli::failure::Failure;
use crate::cli::open_store::OpenStore;
use crate::cli::output::{Output, Progress};
use crate::cli::place::Place;
use crate::model::AuditEntry;
use crate::store::{AuditOrder, AuditQuery};

/// How many entries are read at a time. One may be as long as two policies.
const PAGE: u32 = 100;

#[derive(Debug, clap::Args)]
pub(super) struct ExportAudit {
    /// Where to: a file that is not there yet; stdout if none is named, or `-`
    #[arg(value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    filters: Filters,
}

impl ExportAudit {
    pub(super) async fn run(self, place: &Place, out: &Output) -> Result<(), Failure> {
        let store = place.look(out).await?;
        let wanted = AuditQuery { order: AuditOrder::OldestFirst, limit: PAGE, ..self.filters.query(&store).await? };
        let Some(path) = self.to.filter(|path| path.as_os_str() != "-") else {
            // On the terminal that the entries go to, a bar would be in their way.
            let bar = if io::stdout().is_terminal() { Bar::Hide } else { Bar::Show };
            return each(&store, wanted, bar, |entry| {
                out.json_line(entry)?;
                Ok(out.is_read())
            })
            .await
            .map(drop);
        };
        let failed = |error: io::Error| Failure::refused(format_args!("{}: {error}", path.display()));
        let mut file = io::BufWriter::new(OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?);
        let written = each(&store, wanted, Bar::Show, |entry| {
            serde_json::to_writer(&mut file, entry).map_err(io::Error::from).and_then(|()| file.write_all(b"\n")).map_err(failed)?;
            Ok(true)
        })
        .await;
        let written = match written.and_then(|count| file.flush().and_then(|()| file.get_ref().sync_all()).map(|()| count).map_err(failed))
        {
            Ok(count) => count,
            Err(failure) => {
                give_up(&path);
                return Err(failure);
            }
        };
        out.note(format_args!("{written} entries written to {}", path.display()));
        Ok(())
    }
}

/// Whether it is shown how far the reading is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bar {
    Show,
    Hide,
}

/// Hands over each entry as long as somebody wants them; how many.
async fn each(
    store: &OpenStore,
    mut wanted: AuditQuery,
    bar: Bar,
    mut take: impl FnMut(&AuditEntry) -> Result<bool, Failure>,
) -> Result<u64, Failure> {
    let newest = AuditQuery { order: AuditOrder::NewestFirst, limit: 1, ..wanted.clone() };
    let Some(last) = store.audit_page(&newest).await?.pop() else { return Ok(0) };
    let (mut count, mut progress) = (0, None);
    loop {
        let page = store.audit_page(&wanted).await?;
        let Some(end) = page.last() else { return Ok(count) };
        wanted.newer_than = Some(end.id);
        for entry in &page {
            if bar == Bar::Show {
                let first = entry.id.0;
                let total = last.id.0.saturating_sub(first) + 1;
                let (begun, shown) = progress.get_or_insert_with(|| (first, Progress::of("entries", total)));
                shown.at(first - *begun + 1);
            }
            if !take(entry)? {
                return Ok(count);
            }
            count += 1;
        }
    }
}

/// Half of an audit is worse than none.
fn give_up(path: &Path) {
    if let Err(error) = std::fs::remove_file(path) {
        tracing::debug!(%error, file = %path.display(), "an unfinished export could not be removed");
    }
}
