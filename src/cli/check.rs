//! `claviger check`: everything that is wrong with a configuration and its policies, in one go, before anything runs on them.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use super::configured::{self, Configured};
use super::failure::Failure;
use super::output::{Format, Output};
use crate::clock::SystemClock;
use crate::config::{Finding, Settings, StoreUrl, Survey, Weight};
use crate::policy::{self, PolicyFault, PolicyLimits, PolicySet, PolicySource};
use crate::store::{self, StoreError};

/// Arguments of `claviger check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    #[command(flatten)]
    configured: Configured,
}

/// What was found.
#[derive(Serialize)]
struct Report {
    ok: bool,
    /// The configuration, if it is a file.
    config: Option<String>,
    /// Policies that were looked at, the store's and the directory's.
    policies: usize,
    faults: Vec<Fault>,
    warnings: Vec<Finding>,
}

/// One fault, of whichever kind.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Fault {
    Configuration(Finding),
    Policy(FaultyPolicy),
    Store { message: String },
}

/// A policy's fault in the words of the configuration's.
#[derive(Serialize)]
struct FaultyPolicy {
    policy: String,
    file: Option<String>,
    /// `None` if the fault has no place.
    line: Option<u32>,
    column: Option<u32>,
    text: Option<String>,
    message: String,
    suggestion: Option<String>,
}

/// The policies that would be in force, and what is wrong with them.
#[derive(Default)]
struct Policies {
    sources: Vec<PolicySource>,
    faults: Vec<PolicyFault>,
    /// What messages call those that are files.
    files: BTreeSet<String>,
    /// Why the store's could not be looked at.
    store: Option<StoreError>,
}

impl Check {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let survey = self.configured.survey();
        let policies = Policies::of(&survey).await;
        let report = self.report(&survey, &policies);
        match out.format() {
            Format::Json => out.line("", &report)?,
            Format::Table => {
                configured::show(&survey.warnings, Weight::Warning);
                configured::show(survey.faults.iter().flatten(), Weight::Fault);
                out.faults(&policies.faults)?;
                if report.ok {
                    out.line(&self.summary(&policies), &report)?;
                }
            }
        }
        let of_policies = match policies.faults.len() {
            0 => None,
            1 => Some("the policies have a fault".to_owned()),
            many => Some(format!("the policies have {many} faults")),
        };
        let of_store = policies.store.as_ref().map(StoreError::to_string);
        let others: Vec<String> = of_policies.into_iter().chain(of_store).collect();
        match &survey.faults {
            Some(faults) => Err(Failure::usage([vec![configured::sentence(faults)], others].concat().join("; "))),
            None if others.is_empty() => Ok(()),
            None => Err(Failure::refused(others.join("; "))),
        }
    }

    fn report(&self, survey: &Survey, policies: &Policies) -> Report {
        let configuration = survey.faults.iter().flatten().cloned().map(Fault::Configuration);
        let of_policies = policies.faults.iter().map(|fault| Fault::Policy(FaultyPolicy::of(fault, &policies.files)));
        let of_store = policies.store.iter().map(|error| Fault::Store { message: error.to_string() });
        let faults: Vec<Fault> = configuration.chain(of_policies).chain(of_store).collect();
        Report {
            ok: faults.is_empty(),
            config: self.configured.file().map(|file| file.display().to_string()),
            policies: policies.sources.len(),
            faults,
            warnings: survey.warnings.clone(),
        }
    }

    fn summary(&self, policies: &Policies) -> String {
        let configuration = match self.configured.file() {
            Some(file) => file.display().to_string(),
            None => "the defaults".to_owned(),
        };
        match policies.sources.len() {
            0 => format!("ok: {configuration}, no policies"),
            1 => format!("ok: {configuration}, 1 policy"),
            many => format!("ok: {configuration}, {many} policies"),
        }
    }
}

impl Policies {
    /// Those of the directory and those of the store, if there is a store already: a check makes none. What cannot be known because
    /// the configuration is wrong about it is left out.
    async fn of(survey: &Survey) -> Self {
        let mut found = Self::default();
        let settings = &survey.settings;
        if is_sound(survey, "policies.") {
            found.read_dir(settings);
        }
        if is_sound(survey, "store.url") {
            found.read_store(settings).await;
        }
        let limits = PolicyLimits { time: settings.policies.time_limit, memory: settings.policies.memory_limit };
        if let Err(faults) = PolicySet::load(&found.sources, limits) {
            found.faults.extend(faults);
        }
        found
    }

    fn read_dir(&mut self, settings: &Settings) {
        match settings.policies.dir.as_deref().map_or(Ok(Vec::new()), policy::read_dir) {
            Ok(sources) => {
                let names = sources.iter().filter_map(|source| source.file.as_ref()).map(|file| file.display().to_string());
                self.files.extend(names);
                self.sources.extend(sources);
            }
            Err(faults) => {
                self.files.extend(faults.iter().map(|fault| fault.policy.clone()));
                self.faults.extend(faults);
            }
        }
    }

    async fn read_store(&mut self, settings: &Settings) {
        let StoreUrl::Sqlite(path) = &settings.store.url;
        if !path.exists() {
            return;
        }
        let opened = store::open(&settings.store.url, settings.login.strategy, Arc::new(SystemClock::start())).await;
        let snapshot = match opened {
            Ok(store) => store.snapshot().await,
            Err(error) => Err(error),
        };
        match snapshot {
            Ok(snapshot) => self.sources.extend(snapshot.policies.iter().map(PolicySource::from)),
            Err(error) => self.store = Some(error),
        }
    }
}

/// Whether what the keys with this prefix say can be relied on.
fn is_sound(survey: &Survey, prefix: &str) -> bool {
    !survey.faults.iter().flatten().any(|fault| fault.key.as_ref().is_none_or(|key| key.starts_with(prefix)))
}

impl FaultyPolicy {
    fn of(fault: &PolicyFault, files: &BTreeSet<String>) -> Self {
        let has_place = fault.line > 0;
        Self {
            policy: fault.policy.clone(),
            file: files.contains(&fault.policy).then(|| fault.policy.clone()),
            line: has_place.then_some(fault.line),
            column: has_place.then_some(fault.column),
            text: has_place.then(|| fault.text.clone()),
            message: fault.reason.clone(),
            suggestion: fault.hint.clone(),
        }
    }
}
