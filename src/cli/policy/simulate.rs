//! `claviger policy simulate`: what a policy would say, because of which of its lines, and what that would change.
//!
//! Nothing is saved. The policies in force are those of the store and of the configured directory.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use super::Dialect;
use super::question::{Asked, Question};
use super::shown::{self, Decided, Said};
use crate::cli::failure::Failure;
use crate::cli::open_store::OpenStore;
use crate::cli::output::{Format, Output};
use crate::cli::value::{joined, shown as shown_time};
use crate::exchange::{Difference, Explainer, WhatIf};
use crate::model::{KeyId, KeyName, PolicyName};
use crate::policy::{PolicySource, Step};

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
    rego: Dialect,
    #[command(flatten)]
    asked: Asked,
}

/// What was found, as JSON.
#[derive(Serialize)]
struct Report {
    policy: PolicyName,
    /// Whether a policy of this name is in force.
    replaces: bool,
    simulations: Vec<Simulation>,
}

#[derive(Serialize)]
struct Simulation {
    key: Key,
    groups: Vec<String>,
    ip: std::net::IpAddr,
    at: Timestamp,
    /// What the policy says by itself.
    result: Said,
    trace: Vec<Step>,
    before: Decided,
    after: Decided,
    difference: Difference,
}

#[derive(Serialize)]
struct Key {
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
        let mut report = Report {
            replaces: before.sources().iter().any(|other| other.name == source.name),
            policy: source.name.clone(),
            simulations: Vec::new(),
        };
        for question in self.asked.questions(store, out).await? {
            report.simulations.push(simulated(&question, &before, &after, &source.name).await?);
        }
        report.show(out)
    }

    fn source(&self) -> Result<PolicySource, Failure> {
        let name = if let Some(name) = &self.name {
            name.clone()
        } else {
            let stem = self.file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let stem = if stem == "-" { "stdin" } else { stem };
            stem.parse().map_err(|error| Failure::usage(format_args!("{error}: say --name")))?
        };
        let text = super::read(&self.file)?;
        Ok(PolicySource { name, file: Some(self.file.clone()), text: text.into(), rego: self.rego.version() })
    }
}

async fn simulated(question: &Question, before: &Explainer, after: &Explainer, policy: &PolicyName) -> Result<Simulation, Failure> {
    let (key, origin) = (&question.key, question.origin());
    let (was, would) = (before.explain(key, &origin).await, after.explain(key, &origin).await);
    let trace = after.trace_of(policy, key, &origin).ok_or_else(|| Failure::refused("the policy cannot be evaluated"))?;
    Ok(Simulation {
        key: Key { id: key.id, name: key.name.clone() },
        groups: key.groups.iter().map(ToString::to_string).collect(),
        ip: question.address,
        at: question.at,
        result: Said::of(&trace),
        trace: trace.steps,
        before: Decided::of(&was),
        after: Decided::of(&would),
        difference: Difference::between(&was, &would),
    })
}

impl Report {
    fn show(&self, out: &Output) -> Result<(), Failure> {
        match (out.format(), self.simulations.as_slice()) {
            (Format::Json, _) => out.line("", self),
            (Format::Table, [one]) => self.show_one(one, out),
            (Format::Table, many) => {
                let row = |simulation: &Simulation| {
                    vec![
                        simulation.key.name.to_string(),
                        simulation.ip.to_string(),
                        shown_time(Some(simulation.at)),
                        simulation.before.told(),
                        simulation.after.told(),
                        shown::told(&simulation.difference),
                    ]
                };
                out.list(&["KEY", "FROM", "AT", "NOW", "THEN", "DIFFERENCE"], many.iter().map(row), self)
            }
        }
    }

    fn show_one(&self, one: &Simulation, out: &Output) -> Result<(), Failure> {
        let policy =
            if self.replaces { format!("{} (instead of the one in force)", self.policy) } else { format!("{} (new)", self.policy) };
        let head = [
            ("policy", policy),
            ("key", format!("{} ({})", one.key.name, one.key.id)),
            ("groups", joined(&one.groups)),
            ("from", one.ip.to_string()),
            ("at", shown_time(Some(one.at))),
        ];
        let says = one.result.told().into_iter().enumerate().map(|(number, said)| (if number == 0 { "says" } else { "" }, said));
        let end = [("now", one.before.told()), ("then", one.after.told()), ("difference", shown::told(&one.difference))];
        out.record(self, head.into_iter().chain(says).chain(end))?;
        let row = |step: &Step| vec![step.line.to_string(), shown::head(step), shown::short(&step.value)];
        out.list(&["LINE", "RULE THAT HOLDS", "VALUE"], one.trace.iter().map(row), self)
    }
}
