//! Who would feel a change, told before it is made.
//!
//! Every key that works and that the change can concern is asked about twice, as it is and as it would be. Where a key comes from is not known, so all are asked about at one
//! address and at this moment, and both are said. The requests that policies wanted kept are asked about too, each at its own address and
//! time. A difference that shows elsewhere still, or at another hour, is `policy simulate`'s to find.

mod proposal;
mod samples;
mod tally;

use std::io::{self, IsTerminal};
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

pub(crate) use self::proposal::Proposal;
use self::samples::SampleImpact;
pub(crate) use self::tally::Tally;
use crate::cli::args::value::{joined, span};
use crate::cli::failure::Failure;
use crate::cli::open_store::OpenStore;
use crate::cli::output::{self, Output};
use crate::cli::policy::question::NOWHERE;
use crate::cli::policy::view;
use crate::clock::{Clock, Moment, SystemClock};
use crate::exchange::{Difference, Explainer, Origin, WhatIf};
use crate::model::{KeyId, KeyName, KeyRecord, KeyState, RoleId};

/// Keys that are named without being asked for all of them.
const NAMED: usize = 20;
/// How long keys are looked at where nobody says how long.
const LOOK_FOR: Duration = Duration::from_secs(30);
/// Keys between two signs of life.
const PROGRESS: usize = 10_000;

/// How a change is weighed.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Weighing {
    /// Tell what the change would make of every key, and do not make it
    #[arg(long)]
    dry_run: bool,
    /// Do not ask before keys are cut off or something is deleted (nobody is asked who does not sit at a terminal)
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

/// The keys that hold a role. What a role allows is the upstream's to judge, so that no answer is different: only whom it concerns can be told.
#[derive(Serialize)]
pub(crate) struct Holders {
    looked_at: usize,
    complete: bool,
    ip: IpAddr,
    at: Timestamp,
    keys: Vec<KeyName>,
}

/// What was found of a change, beside what it has left.
#[derive(Serialize)]
pub(crate) struct Weighed<'a, T, I = Impact> {
    #[serde(flatten)]
    pub(crate) changed: T,
    /// Stands there only if some key is touched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) impact: Option<&'a I>,
}

/// Whether the change is to be made.
pub(crate) enum Consent<I = Impact> {
    /// It is; what it comes to, if that could be told and is anything.
    Make(Option<I>),
    /// It is not, and all has been said.
    Leave,
}

#[derive(Serialize)]
struct DryRun<'a, I> {
    dry_run: bool,
    impact: &'a I,
}

/// Tells what a plan of many changes comes to, as it is told of a single one; `None` if it touches nobody, or that cannot be told.
pub(crate) async fn foresee(change: &Proposal, store: &OpenStore, out: &Output) -> Result<Option<Impact>, Failure> {
    let weighing = Weighing { dry_run: true, yes: true, verbose: false, ip: None, look_for: LOOK_FOR };
    let Some((before, after)) = sides(change, store, out).await else {
        out.note(format_args!("whom it touches cannot be told: {}", store.unexplained()));
        return Ok(None);
    };
    let impact = weighing.compare(change, &before, &after, store, out).await?;
    if impact.keys.is_empty() && impact.samples.requests.is_empty() && impact.complete {
        return Ok(None);
    }
    weighing.tell(&impact, out);
    Ok(Some(impact))
}

impl Weighing {
    /// Tells what a change comes to, and asks whether to make it where that is to be asked.
    pub(crate) async fn weigh(&self, change: &Proposal, store: &OpenStore, out: &Output) -> Result<Consent, Failure> {
        let impact = match sides(change, store, out).await {
            Some((before, after)) => self.compare(change, &before, &after, store, out).await?,
            // What is in force does not load: the change may be what mends it.
            None if self.dry_run => return Err(Failure::refused("what it would change cannot be told")),
            None => {
                out.note(format_args!("what it changes cannot be told: {}", store.unexplained()));
                return Ok(Consent::Make(None));
            }
        };
        if self.dry_run {
            self.tell(&impact, out);
            return would(&impact, out);
        }
        if impact.keys.is_empty() && impact.samples.requests.is_empty() && impact.complete {
            return Ok(Consent::Make(None));
        }
        self.tell(&impact, out);
        if impact.cuts_off() {
            self.agree("cut them off?")?;
        }
        Ok(Consent::Make(Some(impact)))
    }

    /// Tells which keys hold a role that is about to change.
    pub(crate) async fn weigh_role(&self, role: &RoleId, store: &OpenStore, out: &Output) -> Result<Consent<Holders>, Failure> {
        let Some(explainer) = store.explainer_if_sound().await else {
            out.note(format_args!("who holds it cannot be told: {}", store.unexplained()));
            return if self.dry_run { Err(Failure::refused("what it would change cannot be told")) } else { Ok(Consent::Make(None)) };
        };
        let (ip, at) = (self.address(), store.now());
        let mut found = Holders { looked_at: 0, complete: true, ip, at, keys: Vec::new() };
        found.complete = self
            .each_key(store, out, async |key| {
                let answer = explainer.explain(key, &self.origin(store)).await;
                let holds = answer.decision.iter().flat_map(|decision| decision.grants.iter()).any(|grant| grant.role == *role);
                found.looked_at += 1;
                if holds {
                    found.keys.push(key.name.clone());
                }
            })
            .await?;
        found.tell(role, self.most(), out);
        if self.dry_run {
            return would(&found, out);
        }
        Ok(Consent::Make((!found.keys.is_empty()).then_some(found)))
    }

    /// Asks before something is made that cannot be taken back, unless nobody is to be asked.
    pub(crate) fn agree(&self, question: &str) -> Result<(), Failure> {
        if self.yes { Ok(()) } else { output::agree(question) }
    }

    /// Whether nothing is to be made, whatever comes of it.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    async fn compare(
        &self,
        change: &Proposal,
        before: &Explainer,
        after: &Explainer,
        store: &OpenStore,
        out: &Output,
    ) -> Result<Impact, Failure> {
        let clock = SystemClock::start();
        let origin = self.origin(store);
        let samples = if change.concerns_samples() {
            SampleImpact::compare(before, after, store, out, || clock.monotonic() <= self.look_for).await?
        } else {
            SampleImpact::default()
        };
        let (ip, at) = (self.address(), origin.at.wall);
        let mut impact = Impact { looked_at: 0, complete: true, ip, at, tally: Tally::default(), keys: Vec::new(), samples };
        if let Some(id) = change.only() {
            let key = store.key_by_id(id).await?;
            if key.state_at(at) == KeyState::Active {
                impact.take_in(&key, change, before, after, &origin).await;
            }
            return Ok(impact);
        }
        impact.complete = self
            .each_key(store, out, async |key| {
                if change.concerns(key) {
                    impact.take_in(key, change, before, after, &origin).await;
                }
            })
            .await?;
        Ok(impact)
    }

    /// Every key that works, as long as there is time; whether there was enough.
    async fn each_key(&self, store: &OpenStore, out: &Output, mut look: impl AsyncFnMut(&KeyRecord)) -> Result<bool, Failure> {
        let (clock, at) = (SystemClock::start(), store.now());
        let (mut last, mut seen) = (None, 0_usize);
        loop {
            let page = store.keys_after(last).await?;
            let Some(end) = page.last().map(|key| key.id) else { return Ok(true) };
            last = Some(end);
            for key in page.iter().filter(|key| key.state_at(at) == KeyState::Active) {
                if clock.monotonic() > self.look_for {
                    return Ok(false);
                }
                look(key).await;
                seen += 1;
                if seen.is_multiple_of(PROGRESS) && io::stderr().is_terminal() {
                    out.note(format_args!("looked at {seen} keys so far"));
                }
            }
        }
    }

    fn address(&self) -> IpAddr {
        self.ip.map_or(NOWHERE, |ip| ip.to_canonical())
    }

    fn origin(&self, store: &OpenStore) -> Origin {
        Origin::at_address(Some(self.address()), Moment { wall: store.now(), monotonic: Duration::ZERO })
    }

    /// How many keys are named.
    fn most(&self) -> usize {
        if self.verbose { usize::MAX } else { NAMED }
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
        let most = self.most();
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
    pub(crate) fn cuts_off(&self) -> bool {
        self.tally.cut_off > 0 || self.samples.tally.cut_off > 0
    }

    async fn take_in(&mut self, key: &KeyRecord, change: &Proposal, before: &Explainer, after: &Explainer, origin: &Origin) {
        let changed = change.key_after(key);
        let (was, would) = tokio::join!(before.explain(key, origin), after.explain(&changed, origin));
        let mut difference = Difference::between(&was, &would);
        change.take_in_inheritance(&mut difference, &was, &would, before.snapshot(), after.snapshot());
        self.looked_at += 1;
        if difference.is_none() {
            return;
        }
        self.tally.take_in(&difference);
        self.keys.push(TouchedKey { id: key.id, name: key.name.clone(), difference });
    }
}

/// As it is, and as it would be; `None` if either cannot be loaded.
async fn sides(change: &Proposal, store: &OpenStore, out: &Output) -> Option<(Explainer, Explainer)> {
    let before = match change.what() {
        WhatIf::Put(_) | WhatIf::Delete(_) | WhatIf::Strategy(_) => store.explainer(out).await.ok()?,
        // Whoever binds a role has not asked whether the policies are sound.
        WhatIf::State(_) | WhatIf::Whole(_) => store.explainer_if_sound().await?,
    };
    let after = before.what_if(change.what()).ok()?;
    Some((before, after))
}

/// All that there is to say if nothing is to be made.
fn would<I: Serialize>(impact: &I, out: &Output) -> Result<Consent<I>, Failure> {
    out.line("nothing was changed", &DryRun { dry_run: true, impact })?;
    Ok(Consent::Leave)
}

impl Holders {
    fn tell(&self, role: &RoleId, most: usize, out: &Output) {
        let Self { looked_at, complete, ip, at, keys } = self;
        let rest = if *complete { "" } else { ", and there was no time for the rest" };
        let (count, named) = (keys.len(), joined(keys.iter().take(most)));
        if count > 0 || !complete {
            out.note(format_args!("touches {count} of {looked_at} keys that work: they hold {role} (asked about at {ip}, {at:.0}{rest})"));
        }
        if count > most {
            out.note(format_args!("  {named} and {} more; -v names them", count - most));
        } else if count > 0 {
            out.note(format_args!("  {named}"));
        }
    }
}
