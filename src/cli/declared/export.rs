//! `claviger export`: who has access, as a file that `apply` takes.

use crate::cli::failure::Failure;
use crate::cli::open_store::StoreArgs;
use crate::cli::output::{Format, Output};
use crate::control::declared::export;

#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    #[command(flatten)]
    place: StoreArgs,
}

impl Export {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let store = self.place.look(out).await?;
        let exported = export(store.as_store()).await?;
        match out.format() {
            Format::Json => out.line("", &exported),
            Format::Table => out.raw(exported.to_yaml().as_bytes()),
        }
    }
}
