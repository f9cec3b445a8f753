//! `claviger replicas`: which processes serve from a store, and what is in force in each.

use super::failure::Failure;
use super::output::Output;
use super::place::Place;
use crate::control::{Gone, ReplicaView};

/// A replica that has not been seen for 15 seconds is not live: it has ended, hangs, or is cut off from the store.
#[derive(Debug, clap::Args)]
pub(crate) struct Replicas {
    #[command(flatten)]
    place: Place,
    /// Also those that were seen within the last day and are not there any more
    #[arg(long)]
    all: bool,
}

impl Replicas {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let store = self.place.look(out).await?;
        let gone = if self.all { Gone::Shown } else { Gone::LeftOut };
        let replicas = ReplicaView::of(&store.replicas().await?, gone);
        let row = |replica: &ReplicaView| {
            vec![
                replica.name.to_string(),
                replica.version.clone(),
                if replica.live { "live" } else { "gone" }.to_owned(),
                replica.applied_revision.to_string(),
                behind(replica),
                format!("{:.0}", replica.started_at),
                format!("{:.0}", replica.last_seen_at),
            ]
        };
        let headers = ["NAME", "VERSION", "STATE", "APPLIED", "BEHIND", "STARTED", "SEEN"];
        out.list("replicas", &headers, replicas.iter().map(row), &replicas)
    }
}

/// `3 for 1.2s`: so many changes, for so long.
fn behind(replica: &ReplicaView) -> String {
    match replica.lag_revisions {
        0 => "0".to_owned(),
        changes => format!("{changes} for {:.1}s", replica.lag_seconds),
    }
}
