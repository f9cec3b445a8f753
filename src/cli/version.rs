//! `claviger version`.

use serde::Serialize;

use super::failure::Failure;
use super::output::{Format, Output};

/// The commit that this was built from, if the build said so.
const REVISION: Option<&str> = option_env!("CLAVIGER_REVISION");

#[derive(Debug, clap::Args)]
pub(crate) struct Version {}

#[derive(Serialize)]
struct Build {
    version: &'static str,
    revision: Option<&'static str>,
}

impl Version {
    #[expect(clippy::unused_async, reason = "every command runs alike")]
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let build = Build { version: env!("CARGO_PKG_VERSION"), revision: REVISION };
        match (out.format(), build.revision) {
            (Format::Table, Some(revision)) => out.line(&format!("claviger {} ({revision})", build.version), &build),
            (Format::Table | Format::Json, _) => out.line(&format!("claviger {}", build.version), &build),
        }
    }
}
