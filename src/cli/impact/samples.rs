//! What a change would make of the requests that login policies wanted kept: real addresses and real times.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

use super::tally::Tally;
use crate::cli::args::value::time_text;
use crate::cli::failure::Failure;
use crate::cli::open_store::OpenStore;
use crate::cli::output::Output;
use crate::cli::policy::question::Question;
use crate::cli::policy::view;
use crate::exchange::{Difference, Explainer};
use crate::model::{KeyName, SampleId};

/// What a change comes to for the samples.
#[derive(Default, Serialize)]
pub(super) struct SampleImpact {
    /// Samples that were asked about.
    looked_at: usize,
    #[serde(flatten)]
    pub(super) tally: Tally,
    /// Those that would be answered otherwise.
    pub(super) requests: Vec<TouchedSample>,
}

/// A sample that would be answered otherwise.
#[derive(Serialize)]
pub(super) struct TouchedSample {
    sample: SampleId,
    key: KeyName,
    ip: IpAddr,
    at: Timestamp,
    difference: Difference,
}

impl SampleImpact {
    /// Asks about every sample twice, as it is and as it would be, as long as `goes_on` says so.
    pub(super) async fn compare(
        before: &Explainer,
        after: &Explainer,
        store: &OpenStore,
        out: &Output,
        goes_on: impl Fn() -> bool,
    ) -> Result<Self, Failure> {
        let mut found = Self::default();
        for kept in store.samples().await? {
            if !goes_on() {
                break;
            }
            let question = Question::of(&kept, store, out).await?;
            let (key, origin) = (&question.key, question.origin());
            let (was, would) = tokio::join!(before.explain(key, &origin), after.explain(key, &origin));
            let difference = Difference::between(&was, &would);
            found.looked_at += 1;
            if !difference.is_none() {
                found.tally.take_in(&difference);
                let Question { key, address: ip, at, .. } = question;
                found.requests.push(TouchedSample { sample: kept.id, key: key.name, ip, at, difference });
            }
        }
        Ok(found)
    }

    /// On stderr, beside what the change makes of the keys; nothing if there was nothing to ask about.
    pub(super) fn tell(&self, most: usize, out: &Output) {
        if self.looked_at == 0 {
            return;
        }
        let touched = self.requests.len();
        out.note(format_args!("answers {touched} of {} kept requests otherwise: {}", self.looked_at, self.tally.summary()));
        for TouchedSample { sample, key, ip, at, difference } in self.requests.iter().take(most) {
            out.note(format_args!("  sample {sample}, {key} from {ip}, {}: {}", time_text(Some(*at)), view::describe(difference)));
        }
        if touched > most {
            out.note(format_args!("  and {} more; -v names them", touched - most));
        }
    }
}
