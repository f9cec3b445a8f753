//! `claviger policy simulate`: what a policy would say, because of which of its lines, and what that would change.
//!
//! Nothing is saved. The policies in force are those of the store and of the configured directory.

use std::collections::BTreeSet;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use super::question::{Asked, Question};
use super::view::{self, DecisionView, PolicyAnswer};
use super::{RegoArg, sample};
use crate::cli::args::input_file;
use crate::cli::args::value::{joined, time_text};
use crate::cli::failure::Failure;
use crate::cli::impact::Tally;
use crate::cli::open_store::OpenStore;
use crate::cli::output::{Format, Output};
use crate::exchange::{Difference, Explainer, WhatIf};
use crate::model::{KeyId, KeyName, PolicyName, SampleId};
use crate::policy::{HeldRule, PolicySource};

#[derive(Debug, clap::Args)]
pub(crate) struct Simulate {
    /// A file with the Rego module, `-` for stdin
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// The policy in force that it would replace; else the one that is named as the file is, if there is one
    #[arg(long, value_name = "NAME")]
    name: Option<PolicyName>,
    /// Which Rego it is written in: v0, v1, or auto (v1 is tried first)
    #[arg(long, value_name = "VERSION", default_value = "auto")]
    rego: RegoArg,
    #[command(flatten)]
    asked: Asked,
}

/// What was found, as JSON.
#[derive(Serialize)]
struct SimulationReport {
    policy: PolicyName,
    /// Whether a policy of this name is in force.
    replaces: bool,
    /// Of everything that was kept, if it was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<SimulationSummary>,
    simulations: Vec<Simulation>,
}

#[derive(Serialize)]
struct SimulationSummary {
    samples: usize,
    keys: usize,
    /// Samples that would be answered otherwise.
    changed: usize,
    #[serde(flatten)]
    tally: Tally,
}

#[derive(Serialize)]
struct Simulation {
    #[serde(skip_serializing_if = "Option::is_none")]
    sample: Option<SampleId>,
    /// How the sample was answered when it was taken.
    #[serde(skip)]
    answered: Option<String>,
    key: SimulatedKey,
    groups: Vec<String>,
    ip: std::net::IpAddr,
    at: Timestamp,
    /// What the policy says by itself.
    result: PolicyAnswer,
    trace: Vec<HeldRule>,
    before: DecisionView,
    after: DecisionView,
    difference: Difference,
}

#[derive(Serialize)]
struct SimulatedKey {
    id: KeyId,
    name: KeyName,
}

impl Simulate {
    pub(crate) async fn run(self, store: &OpenStore, out: &Output) -> Result<(), Failure> {
        let source = self.source()?;
        let before = store.explainer(out).await?;
        let after = match before.what_if(&WhatIf::Put(source.clone())) {
            Ok(after) => after,
            Err(faults) => return Err(out.refused_for(&faults)?),
        };
        let mut report = SimulationReport {
            replaces: before.sources().iter().any(|other| other.name == source.name),
            policy: source.name.clone(),
            summary: None,
            simulations: Vec::new(),
        };
        for question in self.asked.questions(store, out).await? {
            report.simulations.push(simulated(&question, &before, &after, &source.name).await?);
        }
        if self.asked.is_of_all_samples() {
            report.summary = Some(SimulationSummary::of(&report.simulations));
        }
        report.show(out)
    }

    fn source(&self) -> Result<PolicySource, Failure> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => super::named_as(&self.file).map_err(|error| Failure::usage(format_args!("{error}: say --name")))?,
        };
        let text = input_file::text(&self.file)?;
        Ok(PolicySource { name, file: Some(self.file.clone()), text: text.into(), rego: self.rego.version() })
    }
}

async fn simulated(question: &Question, before: &Explainer, after: &Explainer, policy: &PolicyName) -> Result<Simulation, Failure> {
    let (key, origin) = (&question.key, question.origin());
    let (was, would) = (before.explain(key, &origin).await, after.explain(key, &origin).await);
    let trace = after.trace_of(policy, key, &origin).ok_or_else(|| Failure::refused("the policy cannot be evaluated"))?;
    Ok(Simulation {
        sample: question.sample.as_ref().map(|kept| kept.id),
        answered: question.sample.as_ref().map(|kept| sample::answer_text(&kept.sample.answer)),
        key: SimulatedKey { id: key.id, name: key.name.clone() },
        groups: key.groups.iter().map(ToString::to_string).collect(),
        ip: question.address,
        at: question.at,
        result: PolicyAnswer::of(&trace),
        trace: trace.steps,
        before: DecisionView::of(&was),
        after: DecisionView::of(&would),
        difference: Difference::between(&was, &would),
    })
}

impl SimulationSummary {
    fn of(simulations: &[Simulation]) -> Self {
        let keys: BTreeSet<KeyId> = simulations.iter().map(|simulation| simulation.key.id).collect();
        let mut summary = Self { samples: simulations.len(), keys: keys.len(), changed: 0, tally: Tally::default() };
        for simulation in simulations.iter().filter(|simulation| simulation.changes()) {
            summary.changed += 1;
            summary.tally.take_in(&simulation.difference);
        }
        summary
    }
}

impl Simulation {
    fn changes(&self) -> bool {
        !self.difference.is_none()
    }
}

impl SimulationReport {
    fn show(&self, out: &Output) -> Result<(), Failure> {
        match (out.format(), &self.summary) {
            (Format::Json, _) => out.line("", self),
            (Format::Table, Some(summary)) => self.show_changed(summary, out),
            (Format::Table, None) => self.simulations.iter().try_for_each(|one| self.show_one(one, out)),
        }
    }

    fn policy(&self) -> String {
        if self.replaces { format!("{} (instead of the one in force)", self.policy) } else { format!("{} (new)", self.policy) }
    }

    fn show_changed(&self, summary: &SimulationSummary, out: &Output) -> Result<(), Failure> {
        let SimulationSummary { samples, keys, changed, tally } = summary;
        let head = [
            ("policy", self.policy()),
            ("samples", format!("{samples}, of {keys} {}", if *keys == 1 { "key" } else { "keys" })),
            ("changed", format!("{changed}: {}", tally.summary())),
        ];
        out.record(self, head)?;
        let row = |simulation: &Simulation| {
            vec![
                simulation.sample.as_ref().map(ToString::to_string).unwrap_or_default(),
                simulation.key.name.to_string(),
                simulation.ip.to_string(),
                time_text(Some(simulation.at)),
                simulation.before.label(),
                simulation.after.label(),
                view::describe(&simulation.difference),
            ]
        };
        let changed = self.simulations.iter().filter(|simulation| simulation.changes());
        out.list(
            "samples that are answered otherwise",
            &["SAMPLE", "KEY", "FROM", "AT", "NOW", "THEN", "DIFFERENCE"],
            changed.map(row),
            self,
        )
    }

    fn show_one(&self, one: &Simulation, out: &Output) -> Result<(), Failure> {
        let sample = one.sample.iter().zip(&one.answered).map(|(id, answered)| ("sample", format!("{id} (it was answered: {answered})")));
        let head = [
            ("key", format!("{} ({})", one.key.name, one.key.id)),
            ("groups", joined(&one.groups)),
            ("from", one.ip.to_string()),
            ("at", time_text(Some(one.at))),
        ];
        let says = one.result.lines().into_iter().enumerate().map(|(number, said)| (if number == 0 { "says" } else { "" }, said));
        let end = [("now", one.before.label()), ("then", one.after.label()), ("difference", view::describe(&one.difference))];
        out.record(self, [("policy", self.policy())].into_iter().chain(sample).chain(head).chain(says).chain(end))?;
        let row = |step: &HeldRule| vec![step.line.to_string(), view::head(step), view::short(&step.value)];
        out.list("rules that hold", &["LINE", "RULE THAT HOLDS", "VALUE"], one.trace.iter().map(row), self)
    }
}
