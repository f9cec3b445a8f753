//! `claviger strategy`: which sources of roles count.

use serde::Serialize;

use super::failure::Failure;
use super::open_store::Place;
use super::output::{Changed, Output};
use super::policy::impact::{Verdict, Weighed, Weighing};
use crate::exchange::WhatIf;
use crate::model::{Mutation, Strategy};

#[derive(Debug, clap::Args)]
pub(crate) struct StrategyCommand {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
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
        let verb = self.verb.unwrap_or(Verb::Show);
        let store = match verb {
            Verb::Show => self.place.look(out).await?,
            Verb::Set { .. } => self.place.open(out).await?,
        };
        match verb {
            Verb::Show => {
                let strategy = store.snapshot().await?.strategy;
                out.line(strategy.as_str(), &StrategyView { strategy })
            }
            Verb::Set { strategy, weighing } => {
                let impact = match weighing.weigh(&WhatIf::Strategy(strategy), &store, out).await? {
                    Verdict::Make(impact) => impact,
                    Verdict::Leave => return Ok(()),
                };
                let change = store.apply(Mutation::SetStrategy(strategy)).await?;
                let view = StrategyView { strategy };
                let changed = Changed::now(&view, change.revision);
                out.line(strategy.as_str(), &Weighed { changed, impact: impact.as_ref() })
            }
        }
    }
}
