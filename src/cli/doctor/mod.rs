//! `claviger doctor`: what is wrong with an installation, or will be soon. It looks, asks, and changes nothing.
//!
//! Each check says in one line what it has found, and what to do. One that cannot be made says so: it has neither passed nor failed.

mod configured;
mod finding;
mod keys;
mod machine;
mod network;
mod store;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use self::finding::{Finding, Verdict};
use self::network::Process;
use super::args::config::ConfigArgs;
use super::check::{Policies, is_sound};
use super::failure::Failure;
use super::output::{Format, Output};
use crate::clock::{Clock, SystemClock};

/// Looks at configuration, store, keys, policies, upstream, running process and machine; ends with 1 if something does not work
#[derive(Debug, clap::Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    configured: ConfigArgs,
    /// How long to wait for the upstream, and for the process
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = super::args::value::span)]
    timeout: Duration,
}

/// What was found.
#[derive(Serialize)]
struct Diagnosis<'a> {
    /// Whether nothing has failed.
    ok: bool,
    checks: &'a [Finding],
}

impl Doctor {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let findings = self.findings().await;
        let failed = findings.iter().filter(|finding| finding.result == Verdict::Failed).count();
        match out.format() {
            Format::Json => out.line("", &Diagnosis { ok: failed == 0, checks: &findings })?,
            Format::Table => out.text(&findings.iter().map(Finding::lines).collect::<Vec<_>>().join("\n"))?,
        }
        match failed {
            0 => Ok(()),
            1 => Err(Failure::refused("1 check has failed")),
            many => Err(Failure::refused(format_args!("{many} checks have failed"))),
        }
    }

    /// All of them. What the configuration is wrong about is not looked at: nobody knows where it is.
    async fn findings(&self) -> Vec<Finding> {
        let survey = self.configured.survey();
        let settings = &survey.settings;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let now = clock.now().wall;
        let file = self.configured.file();

        let mut findings = configured::configuration(&survey, file.as_deref());
        let policies = Policies::of(&survey).await;
        findings.extend(configured::policies(&policies));

        let unsound = |check: &'static str| Finding::skipped(check, "the configuration is wrong about where it is");
        let (looked, of_store) =
            if is_sound(&survey, "store.url") { store::look(&settings.store.url, clock).await } else { (None, unsound("store")) };
        findings.push(of_store);
        match &looked {
            Some(looked) => {
                findings.extend(looked.policies_count(policies.sources.len()));
                findings.push(looked.audit().await);
            }
            None => findings.push(Finding::skipped("audit", "the store cannot be read")),
        }

        let upstreams = if is_sound(&survey, "upstream.") {
            network::upstreams(settings, now, self.timeout).await
        } else {
            vec![network::Upstream::unknown(unsound("upstream"))]
        };
        let date = upstreams.iter().find_map(|upstream| upstream.date);
        findings.push(store::clock(looked.as_ref(), date, now, settings.token.backdate).await);
        findings.extend(upstreams.into_iter().map(|upstream| upstream.finding));
        if is_sound(&survey, "upstream.") {
            findings.extend(network::walk_around(settings, self.timeout).await);
        }

        let mut process =
            if is_sound(&survey, "ops.") { Process::at(&settings.ops, self.timeout).await } else { Process::unknown(unsound("process")) };
        findings.extend(process.finding());
        if is_sound(&survey, "token.") {
            let signing = keys::Signing::of(&settings.token, now);
            findings.push(process.jwks(signing.current.as_deref()));
            findings.extend(signing.findings);
        } else {
            findings.push(unsound("jwks"));
            findings.push(unsound("signing-keys"));
        }
        findings.extend(keys::api_keys(looked.as_ref().map(|looked| &looked.store), now).await);

        findings.extend(machine::permissions(settings, file.as_deref()));
        findings.push(machine::disk(settings));
        findings.push(machine::descriptors(settings, process.open_files()));
        if let Some(looked) = looked {
            looked.store.close().await;
        }
        findings
    }
}
