//! `claviger migrate`: brings a store to this version's schema, ahead of the first start that would.

use std::sync::Arc;

use super::failure::Failure;
use super::open_store::StoreArgs;
use super::output::Output;
use crate::clock::SystemClock;
use crate::store::{self, Inspected};

#[derive(Debug, clap::Args)]
pub(crate) struct MigrateCommand {
    #[command(flatten)]
    place: StoreArgs,
    /// Only say whether it is needed: exit code 1 if it is
    #[arg(long)]
    check: bool,
}

impl MigrateCommand {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let url = self.place.url(out)?;
        let behind = match store::inspect(&url, Arc::new(SystemClock::start())).await? {
            Inspected::Open(store) => {
                store.close().await;
                None
            }
            Inspected::Outdated(why) => Some(why),
        };
        let migrated = match (behind, self.check) {
            (None, _) => false,
            (Some(why), true) => return Err(Failure::refused(why)),
            (Some(_), false) => {
                drop(self.place.look(out).await?);
                true
            }
        };
        let text = if migrated { "migrated" } else { "nothing to do: the store is of this version's schema" };
        out.line(text, &serde_json::json!({ "migrated": migrated }))
    }
}
