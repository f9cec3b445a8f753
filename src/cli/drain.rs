//! `claviger drain`: what a `preStop` hook asks the process beside it.

use std::time::Duration;

use http::Method;
use serde::Serialize;

use super::args::config::ConfigArgs;
use super::ask::{Scheme, ask};
use super::failure::Failure;
use super::healthcheck::reachable;
use super::output::Output;
use crate::config::show_duration;

/// Have the process on this machine drain: not ready at once, new connections for `drain_delay`, then none, and the end
#[derive(Debug, clap::Args)]
#[command(long_about = "Has the process on this machine begin what SIGTERM begins, and does not wait for its end.\n\nFor a sidecar, \
                        which gets SIGTERM only when the containers beside it have gone: as its preStop hook. The signal that comes then \
                        cuts off nothing.")]
pub(crate) struct Drain {
    #[command(flatten)]
    configured: ConfigArgs,
    /// How long to wait for an answer
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = super::args::value::span)]
    timeout: Duration,
}

#[derive(Serialize)]
struct Draining {
    draining: bool,
    url: String,
}

impl Drain {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        // Whatever else is wrong with them: a process that ends must not be kept from it.
        let ops = self.configured.survey().settings.ops;
        let (listen, scheme) = (ops.listen, Scheme::of(&ops.tls));
        let mut last = Failure::refused(format_args!("nobody answers at {listen}"));
        for address in reachable(listen) {
            let url = format!("{}://{address}/drain", scheme.as_str());
            match tokio::time::timeout(self.timeout, ask(Method::POST, scheme, &address.to_string(), "/drain")).await {
                Ok(Ok(answer)) if answer.status().is_success() => return out.line("draining", &Draining { draining: true, url }),
                Ok(Ok(answer)) => {
                    return Err(Failure::refused(format_args!("{url} answers {}: {}", answer.status(), answer.body().trim())));
                }
                Ok(Err(error)) => last = Failure::refused(format_args!("no answer from {url}: {error:#}")),
                Err(_) => last = Failure::refused(format_args!("no answer from {url} within {}", show_duration(self.timeout))),
            }
        }
        Err(last)
    }
}
