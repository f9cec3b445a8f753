//! `claviger audit`: who changed what, when.
//!
//! Newest first, as one looks for what has just happened; followed, oldest first, as one reads a log.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::args::value;
use super::failure::Failure;
use super::open_store::StoreArgs;
use super::output::{Format, Output};
use crate::model::{AuditEntry, Revision};

/// How many entries are shown if nothing is said.
const USUAL: usize = 50;
/// A hint that something has changed may get lost; this long at most it is waited for.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// The longest value that a table shows: a policy's text would bury the rest.
const WIDEST: usize = 60;

#[derive(Debug, clap::Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    place: StoreArgs,
    /// Only what happened since: a span such as `24h`, or an RFC 3339 time
    #[arg(long, value_name = "SPAN|TIME")]
    since: Option<Since>,
    /// Only entries with this in their actor, action or resource: `binding.`, `key.revoke`, a key's id
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
        let limit = self.limit.unwrap_or(if since.is_some() { usize::MAX } else { USUAL });
        let wanted = |entry: &AuditEntry| since.is_none_or(|since| entry.at >= since);
        let mut entries = store.audit(limit, self.query.as_deref(), wanted).await?;
        if !self.follow {
            return out.list("audit entries", &HEADERS, entries.iter().map(row), &entries);
        }
        let mut seen = Revision::default();
        loop {
            entries.reverse();
            for entry in &entries {
                follow_with(entry, out)?;
                seen = seen.max(entry.revision);
            }
            // An interrupt ends the process; there is nothing to put in order first.
            tokio::select! {
                _ = tokio::time::timeout(LOOK_AGAIN, store.woken()) => {}
                () = out.no_longer_read() => return Ok(()),
            }
            if !out.is_read() {
                return Ok(());
            }
            entries = store.audit(usize::MAX, self.query.as_deref(), |entry| entry.revision > seen && wanted(entry)).await?;
        }
    }
}

fn follow_with(entry: &AuditEntry, out: &Output) -> Result<(), Failure> {
    match out.format() {
        Format::Json => out.json_line(entry),
        Format::Table => out.line(&row(entry).join("  "), entry),
    }
}

const HEADERS: [&str; 6] = ["REVISION", "AT", "ACTOR", "ACTION", "RESOURCE", "WHAT"];

fn row(entry: &AuditEntry) -> Vec<String> {
    vec![
        entry.revision.to_string(),
        value::time_text(Some(entry.at)),
        entry.actor.clone(),
        entry.action.clone(),
        entry.resource.clone(),
        difference(entry.before.as_ref(), entry.after.as_ref()),
    ]
}

/// The fields that are not as they were: `disabled_at: - → 2026-01-31T12:00:00Z`.
fn difference(before: Option<&Value>, after: Option<&Value>) -> String {
    let nothing = Map::new();
    let fields = |value: Option<&Value>| value.and_then(Value::as_object).cloned().unwrap_or_else(|| nothing.clone());
    let (before, after) = (fields(before), fields(after));
    let mut said: Vec<String> = Vec::new();
    for (name, is) in &after {
        match before.get(name) {
            // What it is and when it was made is in the other columns.
            None if matches!(name.as_str(), "id" | "created_at") => {}
            Some(was) if was == is => {}
            Some(was) => said.push(format!("{name}: {} → {}", short(was), short(is))),
            None if before.is_empty() && is_nothing(is) => {}
            None => said.push(format!("{name}: {}", short(is))),
        }
    }
    said.extend(
        before
            .iter()
            .filter(|(name, was)| !after.contains_key(*name) && !is_nothing(was))
            .map(|(name, was)| format!("{name}: {} → -", short(was))),
    );
    said.join(", ")
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(_) | Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

fn short(value: &Value) -> String {
    let text = match value {
        Value::String(text) if !text.is_empty() => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    match text.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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

    #[test]
    fn what_stayed_as_it_was_is_not_told() {
        let key = |name: &str, disabled: Option<&str>| json!({ "id": "01hv", "name": name, "disabled_at": disabled, "groups": [] });

        assert_eq!(difference(Some(&key("ci", None)), Some(&key("ci", Some("noon")))), "disabled_at: - → noon");
        assert_eq!(difference(None, Some(&key("ci", None))), "name: ci");
        assert_eq!(difference(Some(&json!({ "role": "deployer" })), None), "role: deployer → -");
        assert_eq!(difference(None, None), "");
        assert_eq!(difference(None, Some(&json!({ "source": "x".repeat(100) }))).chars().count(), "source: ".len() + WIDEST + 1);
    }
}
