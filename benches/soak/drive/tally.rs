//! What has been seen since the phase began.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde_json::{Value, json};

use crate::say;

/// How many faults are told one by one.
const TOLD: u64 = 20;

#[derive(Default)]
pub(crate) struct Tally {
    statuses: BTreeMap<u16, u64>,
    /// In microseconds.
    times: Vec<u32>,
    connections: u64,
    /// 502 and 504 that were told in advance.
    excused: BTreeMap<String, u64>,
    /// Answers that broke off, as was told in advance.
    pub(crate) cut: u64,
    /// Requests that may be sent twice, and were answered while one endpoint of three was broken.
    pub(crate) with_one_broken: u64,
    /// Requests that came too late on a connection over HTTP/2 that was going away.
    pub(crate) left_out: u64,
    violations: u64,
    /// The heads of tokens that were seen before, each of one signing key.
    heads: HashSet<String>,
}

impl Tally {
    pub(crate) fn connected(&mut self) {
        self.connections += 1;
    }

    pub(crate) fn answered(&mut self, status: u16, took: Duration, body: &str) {
        *self.statuses.entry(status).or_default() += 1;
        self.times.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        if status == 200
            && let Some((head, _)) = body.split_once('.')
            && !self.heads.contains(head)
        {
            self.heads.insert(head.to_owned());
            say(&json!({ "event": "head", "head": head }));
        }
    }

    pub(crate) fn excused(&mut self, status: u16, repeatable: bool) {
        let why = if repeatable { "fewer than two endpoints were sound" } else { "it may not be sent twice" };
        *self.excused.entry(format!("{status}, {why}")).or_default() += 1;
    }

    pub(crate) fn violated(&mut self, what: &str) {
        self.violations += 1;
        if self.violations <= TOLD {
            say(&json!({ "event": "violation", "kind": "wrong", "target": "Claviger", "what": what }));
        }
    }

    /// What the phase that ends has come to.
    pub(crate) fn mark(&mut self) -> Value {
        let Self { statuses, mut times, connections, excused, cut, with_one_broken, left_out, violations, heads } = std::mem::take(self);
        self.heads = heads;
        times.sort_unstable();
        let at = |share: usize| times.get((times.len() * share / 1000).min(times.len().saturating_sub(1)));
        json!({
            "event": "phase", "answers": times.len(), "statuses": statuses, "connections": connections, "excused": excused, "cut": cut,
            "with_one_broken": with_one_broken, "left_out": left_out, "violations": violations,
            "p50": at(500), "p99": at(990), "most": times.last(),
        })
    }
}
