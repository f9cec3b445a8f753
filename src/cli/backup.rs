//! `claviger backup`: a copy of the store, made while everybody goes on.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::failure::Failure;
use super::open_store::StoreArgs;
use super::output::Output;
use crate::config::StoreUrl;
use crate::model::Revision;
use crate::store;

#[derive(Debug, clap::Args)]
pub(crate) struct BackupCommand {
    #[command(flatten)]
    place: StoreArgs,
    /// Where to: a file that is not there yet, or `-` for stdout
    #[arg(value_name = "FILE")]
    to: PathBuf,
}

/// A copy as JSON has it.
#[derive(Serialize)]
struct BackupView<'a> {
    file: &'a Path,
    revision: Revision,
    keys: u64,
}

impl BackupCommand {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let url = self.place.url(out)?;
        if self.to.as_os_str() == "-" {
            return to_stdout(&url, out).await;
        }
        let made = store::backup(&url, &self.to).await?;
        let view = BackupView { file: &self.to, revision: made.revision, keys: made.keys };
        let rows = [("file", self.to.display().to_string()), ("revision", made.revision.to_string()), ("keys", made.keys.to_string())];
        out.record(&view, rows)
    }
}

/// The copy is a file first, beside the store: in an image there may be no other place to write to.
async fn to_stdout(url: &StoreUrl, out: &Output) -> Result<(), Failure> {
    if io::stdout().is_terminal() {
        return Err(Failure::usage("a copy of a store is nothing for a terminal: redirect it, or name a file"));
    }
    let Some(path) = url.file() else { return Ok(store::backup(url, Path::new("-")).await.map(drop)?) };
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".backup-{}", std::process::id()));
    let copy = PathBuf::from(name);
    let made = store::backup(url, &copy).await?;
    let opened = std::fs::File::open(&copy);
    // Open, it can be read without its name, and nothing is left behind however this ends.
    let removed = std::fs::remove_file(&copy);
    let failed = |error: io::Error| Failure::refused(format_args!("{}: {error}", copy.display()));
    let mut file = opened.map_err(failed)?;
    removed.map_err(failed)?;
    io::copy(&mut file, &mut io::stdout().lock()).map_err(|error| Failure::refused(format_args!("the copy cannot be written: {error}")))?;
    out.note(format_args!("copied revision {} with {} keys", made.revision, made.keys));
    Ok(())
}
