//! `claviger audit`: who changed what, when; who tried to and was refused; from where keys have come that manage.
//!
//! Newest first, as one looks for what has just happened; followed, oldest first, as one reads a log.

pub(crate) mod words;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::args::value;
use super::failure::Failure;
use super::open_store::{OpenStore, StoreArgs};
use super::output::{Format, Output};
use crate::model::{AuditEntry, AuditId, SpaceId};
use crate::store::AuditQuery;

/// How many entries are shown if nothing is said.
const USUAL: usize = 50;
/// A hint that something has changed may get lost; this long at most it is waited for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    place: StoreArgs,
    /// Only what happened since: a span such as `24h`, or an RFC 3339 time
    #[arg(long, value_name = "SPAN|TIME")]
    since: Option<Since>,
    /// Only what happened before: a span such as `24h`, or an RFC 3339 time
    #[arg(long, value_name = "SPAN|TIME")]
    until: Option<Since>,
    /// Only what this actor did: `operator::alice@build-7`, `system`, `api::ID`
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
    /// Only this: `key.revoke`; or, with a full stop at its end, all that begins so: `binding.`
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only what happened to this: a key by name or id, a binding's id, a space, role, group or policy by name
    #[arg(long, value_name = "NAME_OR_ID")]
    resource: Option<String>,
    /// Only what happened to this very space, to bindings in it, and to keys that were bound in it
    #[arg(long, value_name = "S")]
    space: Option<SpaceId>,
    /// Only entries with this in their actor, action or resource: `alice`, `revoke`
    #[arg(long, value_name = "TEXT")]
    query: Option<String>,
    /// At most so many, the newest [default: 50, or all if --since is given]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Go on with what happens from now on, until interrupted: oldest first; as JSON, one entry a line
    #[arg(long, short)]
    follow: bool,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Since {
    Ago(Duration),
    Time(Timestamp),
}

impl std::str::FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        value::span(text)
            .map(Self::Ago)
            .or_else(|_| value::time(text).map(Self::Time))
            .map_err(|_| "it is neither a span such as `24h` nor an RFC 3339 time such as `2026-01-31T12:00:00Z`".to_owned())
    }
}

impl Since {
    /// A span that reaches back further than time itself is all of it.
    fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Time(at) => at,
            Self::Ago(span) => SignedDuration::try_from(span).ok().and_then(|span| now.checked_sub(span).ok()).unwrap_or(Timestamp::MIN),
        }
    }
}

impl Audit {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let store = self.place.look(out).await?;
        let since = self.since.map(|since| since.from(store.now()));
        let until = self.until.map(|until| until.from(store.now()));
        let limit = self.limit.unwrap_or(if since.is_some() { usize::MAX } else { USUAL });
        let Self { actor, action, resource, space, query, .. } = self;
        let resource = match resource {
            Some(called) => Some(store.key_called(&called).await?.map_or(called, |key| key.id.to_string())),
            None => None,
        };
        let mut wanted = AuditQuery { actor, action, resource, space, since, until, query, ..AuditQuery::default() };
        let mut entries = store.audit(limit, &wanted).await?;
        if !self.follow {
            return out.list("audit entries", &HEADERS, rows(&entries, &store).await?, &entries);
        }
        let mut seen = AuditId::default();
        loop {
            entries.reverse();
            for (entry, row) in entries.iter().zip(rows(&entries, &store).await?) {
                match out.format() {
                    Format::Json => out.json_line(entry)?,
                    Format::Table => out.line(&row.join("  "), entry)?,
                }
                seen = seen.max(entry.id);
            }
            // An interrupt ends the process; there is nothing to put in order first.
            tokio::select! {
                _ = tokio::time::timeout(LOOK_AGAIN, store.woken()) => {}
                () = out.no_longer_read() => return Ok(()),
            }
            if !out.is_read() {
                return Ok(());
            }
            wanted.newer_than = Some(seen);
            entries = store.audit(usize::MAX, &wanted).await?;
        }
    }
}

const HEADERS: [&str; 6] = ["REVISION", "AT", "ACTOR", "ACTION", "RESOURCE", "WHAT"];

/// The entries as rows, with names where the audit has ids.
async fn rows(entries: &[AuditEntry], store: &OpenStore) -> Result<Vec<Vec<String>>, Failure> {
    let names = store.key_names(entries.iter().filter_map(words::key_bound)).await?;
    let row = |entry: &AuditEntry| {
        vec![
            words::revision(entry),
            value::time_text(Some(entry.at)),
            entry.actor.clone(),
            entry.action.clone(),
            words::resource(entry, &names),
            words::change(entry),
        ]
    };
    Ok(entries.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_a_span_before_now_or_a_time() {
        let now: Timestamp = "2026-02-01T12:00:00Z".parse().unwrap();
        let from = |text: &str| text.parse::<Since>().map(|since| since.from(now).to_string());

        assert_eq!(from("24h").unwrap(), "2026-01-31T12:00:00Z");
        assert_eq!(from("2026-01-01T00:00:00+01:00").unwrap(), "2025-12-31T23:00:00Z");
        assert_eq!("99999999d".parse::<Since>().unwrap().from(now), Timestamp::MIN);
        assert!(from("yesterday").unwrap_err().contains("`24h`"));
    }
}
