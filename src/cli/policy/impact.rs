//! Who would feel a change of the policies or of the strategy, told before it is made.
//!
//! Every key that works is asked about twice, as it is and as it would be. Where a key comes from is not known, so all are asked about at one
//! address and at this moment, and both are said. The requests that policies wanted kept are asked about too, each at its own address and
//! time. A difference that shows elsewhere still, or at another hour, is `policy simulate`'s to find.

use std::io::{self, IsTerminal, Write as _};
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::question::NOWHERE;
use super::sample_impact::SampleImpact;
use super::tally::Tally;
use super::view;
use crate::cli::args::value::span;
use crate::cli::failure::Failure;
use crate::cli::open_store::OpenStore;
use crate::cli::output::Output;
use crate::clock::{Clock, Moment, SystemClock};
use crate::exchange::{Difference, Explainer, Origin, WhatIf};
use crate::model::{KeyId, KeyName, KeyRecord, KeyState};

/// Keys that are named without being asked for all of them.
const NAMED: usize = 20;
/// Keys between two signs of life.
const PROGRESS: usize = 10_000;

/// How a change is weighed.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Weighing {
    /// Tell what the change would make of every key, and do not make it
    #[arg(long)]
    dry_run: bool,
    /// Do not ask before keys are cut off (nobody is asked who does not sit at a terminal)
    #[arg(long, short)]
    yes: bool,
    /// Name every key that the change touches, not only the first twenty
    #[arg(long, short)]
    verbose: bool,
    /// The client's address that keys are asked about at; else 127.0.0.1
    #[arg(long, value_name = "ADDR")]
    ip: Option<IpAddr>,
    /// How long keys are looked at; what was not reached is said
    #[arg(long, value_name = "SPAN", value_parser = span, default_value = "30s")]
    look_for: Duration,
}

/// What a change comes to.
#[derive(Serialize)]
pub(crate) struct Impact {
    /// Keys that work and were asked about.
    looked_at: usize,
    /// Whether those were all.
    complete: bool,
    ip: IpAddr,
    at: Timestamp,
    #[serde(flatten)]
    tally: Tally,
    keys: Vec<TouchedKey>,
    /// The same for the requests that are kept.
    samples: SampleImpact,
}

/// A key for which something would be different.
#[derive(Serialize)]
struct TouchedKey {
    id: KeyId,
    name: KeyName,
    difference: Difference,
}

/// What was found of a change, beside what it has left.
#[derive(Serialize)]
pub(crate) struct Weighed<'a, T> {
    #[serde(flatten)]
    pub(crate) changed: T,
    /// Stands there only if some key is touched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) impact: Option<&'a Impact>,
}

/// Whether the change is to be made.
pub(crate) enum Consent {
    /// It is; what it comes to, if that could be told and is anything.
    Make(Option<Impact>),
    /// It is not, and all has been said.
    Leave,
}

#[derive(Serialize)]
struct DryRun<'a> {
    dry_run: bool,
    impact: &'a Impact,
}

impl Weighing {
    /// Tells what a change comes to, and asks whether to make it where that is to be asked.
    pub(crate) async fn weigh(&self, change: &WhatIf, store: &OpenStore, out: &Output) -> Result<Consent, Failure> {
        let impact = match sides(change, store, out).await {
            Some((before, after)) => self.compare(&before, &after, store, out).await?,
            // What is in force does not load: the change may be what mends it.
            None if self.dry_run => return Err(Failure::refused("what it would change cannot be told")),
            None => {
                out.note("what it changes cannot be told: what is in force now does not load");
                return Ok(Consent::Make(None));
            }
        };
        if self.dry_run {
            self.tell(&impact, out);
            out.line("nothing was changed", &DryRun { dry_run: true, impact: &impact })?;
            return Ok(Consent::Leave);
        }
        if impact.keys.is_empty() && impact.samples.requests.is_empty() && impact.complete {
            return Ok(Consent::Make(None));
        }
        self.tell(&impact, out);
        if impact.cuts_off() && !self.yes && io::stdin().is_terminal() && io::stderr().is_terminal() && !agreed()? {
            return Err(Failure::refused("nothing was changed"));
        }
        Ok(Consent::Make(Some(impact)))
    }

    async fn compare(&self, before: &Explainer, after: &Explainer, store: &OpenStore, out: &Output) -> Result<Impact, Failure> {
        let (clock, at) = (SystemClock::start(), store.now());
        let ip = self.ip.map_or(NOWHERE, |ip| ip.to_canonical());
        let origin = Origin { address: Some(ip), at: Moment { wall: at, monotonic: Duration::ZERO } };
        let samples = SampleImpact::compare(before, after, store, out, || clock.monotonic() <= self.look_for).await?;
        let mut impact = Impact { looked_at: 0, complete: true, ip, at, tally: Tally::default(), keys: Vec::new(), samples };
        let mut last = None;
        'pages: loop {
            let page = store.keys_after(last).await?;
            let Some(end) = page.last().map(|key| key.id) else { break };
            last = Some(end);
            for key in page.iter().filter(|key| key.state_at(at) == KeyState::Active) {
                if clock.monotonic() > self.look_for {
                    impact.complete = false;
                    break 'pages;
                }
                impact.take_in(key, before, after, &origin).await;
                if impact.looked_at.is_multiple_of(PROGRESS) && io::stderr().is_terminal() {
                    out.note(format_args!("looked at {} keys so far", impact.looked_at));
                }
            }
        }
        Ok(impact)
    }

    /// On stderr: what is written to stdout is the change itself.
    fn tell(&self, impact: &Impact, out: &Output) {
        let Impact { looked_at, ip, at, tally, keys, complete, samples } = impact;
        let rest = if *complete { "" } else { ", and there was no time for the rest" };
        out.note(format_args!(
            "touches {} of {looked_at} keys that work: {} (asked about at {ip}, {at:.0}{rest})",
            keys.len(),
            tally.summary()
        ));
        let most = if self.verbose { usize::MAX } else { NAMED };
        for key in keys.iter().take(most) {
            out.note(format_args!("  {}: {}", key.name, view::describe(&key.difference)));
        }
        if keys.len() > most {
            out.note(format_args!("  and {} more; -v names them", keys.len() - most));
        }
        samples.tell(most, out);
    }
}

impl Impact {
    fn cuts_off(&self) -> bool {
        self.tally.cut_off > 0 || self.samples.tally.cut_off > 0
    }

    async fn take_in(&mut self, key: &KeyRecord, before: &Explainer, after: &Explainer, origin: &Origin) {
        let (was, would) = tokio::join!(before.explain(key, origin), after.explain(key, origin));
        let difference = Difference::between(&was, &would);
        self.looked_at += 1;
        if difference.is_none() {
            return;
        }
        self.tally.take_in(&difference);
        self.keys.push(TouchedKey { id: key.id, name: key.name.clone(), difference });
    }
}

/// As it is, and as it would be; `None` if either cannot be loaded.
async fn sides(change: &WhatIf, store: &OpenStore, out: &Output) -> Option<(Explainer, Explainer)> {
    let before = store.explainer(out).await.ok()?;
    let after = before.what_if(change).ok()?;
    Some((before, after))
}

fn agreed() -> Result<bool, Failure> {
    let failed = |error: io::Error| Failure::refused(format_args!("nothing was changed: cannot ask: {error}"));
    let mut stderr = io::stderr().lock();
    write!(stderr, "cut them off? [y/N] ").and_then(|()| stderr.flush()).map_err(failed)?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
