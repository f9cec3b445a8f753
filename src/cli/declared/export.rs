//! `claviger export`: who has access, as a file that `apply` takes.

use crate::cli::failure::Failure;
use crate::cli::output::{Format, Output};
use crate::cli::place::Place;
use crate::control::declared::export;
use crate::model::ResourceKind;

#[derive(Debug, clap::Args)]
pub(crate) struct Export {
    #[command(flatten)]
    place: Place,
}

impl Export {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let store = self.place.look(out).await?;
        // Whoever does not see policies does not see the digests of keys either.
        store.shows(ResourceKind::Policy).await?;
        let exported = export(store.as_management()).await?;
        match out.format() {
            Format::Json => out.line("", &exported),
            Format::Table => out.raw(exported.to_yaml().as_bytes()),
        }
    }
}
