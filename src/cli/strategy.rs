//! `claviger strategy`: which sources of roles count.

use serde::Serialize;

use super::failure::Failure;
use super::impact::{Consent, Proposal, Weighed, Weighing};
use super::output::{Changed, Output};
use super::place::Place;
use crate::exchange::WhatIf;
use crate::model::{Mutation, ResourceKind, Strategy};

#[derive(Debug, clap::Args)]
pub(crate) struct StrategyCommand {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: Option<StrategyVerb>,
}

#[derive(Debug, clap::Subcommand)]
enum StrategyVerb {
    /// The strategy in force (this is also what no word at all does)
    Show,
    /// Put another strategy into force
    Set {
        /// combined (bindings, groups and policies), user-management (bindings and groups), or login-policies (policies alone)
        #[arg(value_name = "NAME")]
        strategy: Strategy,
        #[command(flatten)]
        weighing: Weighing,
    },
}

#[derive(Serialize)]
struct StrategyView {
    strategy: Strategy,
}

impl StrategyCommand {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let verb = self.verb.unwrap_or(StrategyVerb::Show);
        let store = match verb {
            StrategyVerb::Show => self.place.look(out).await?,
            StrategyVerb::Set { .. } => self.place.open(out).await?,
        };
        store.shows(ResourceKind::Strategy).await?;
        match verb {
            StrategyVerb::Show => {
                let strategy = store.snapshot().await?.strategy;
                out.line(strategy.as_str(), &StrategyView { strategy })
            }
            StrategyVerb::Set { strategy, weighing } => {
                let impact = match weighing.weigh(&Proposal::of_policies(WhatIf::Strategy(strategy)), &store, out).await? {
                    Consent::Make(impact) => impact,
                    Consent::Leave => return Ok(()),
                };
                let revision = store.apply(Mutation::SetStrategy(strategy)).await?;
                let view = StrategyView { strategy };
                let changed = Changed::now(&view, revision);
                out.line(strategy.as_str(), &Weighed { changed, impact: impact.as_ref() })
            }
        }
    }
}
