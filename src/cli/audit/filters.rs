//! Which entries are wanted.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::cli::args::value;
use crate::cli::failure::Failure;
use crate::cli::open_store::OpenStore;
use crate::model::SpaceId;
use crate::store::AuditQuery;

#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub(super) struct Filters {
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

impl Filters {
    /// Whether a beginning is named.
    pub(super) fn has_beginning(&self) -> bool {
        self.since.is_some()
    }

    /// As the store is asked.
    pub(super) async fn query(self, store: &OpenStore) -> Result<AuditQuery, Failure> {
        let Self { since, until, actor, action, resource, space, query } = self;
        let since = since.map(|since| since.from(store.now()));
        let until = until.map(|until| until.from(store.now()));
        let resource = match resource {
            Some(called) => Some(store.key_called(&called).await?.map_or(called, |key| key.id.to_string())),
            None => None,
        };
        Ok(AuditQuery { actor, action, resource, space, since, until, query, ..AuditQuery::default() })
    }
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
