//! The store, the end of its audit, and what that says of the clock.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::finding::Finding;
use crate::clock::{Clock, in_largest_unit};
use crate::config::StoreUrl;
use crate::model::{EntryHash, Snapshot};
use crate::store::{self, AuditQuery, Inspected, Store, StoreError};

const STORE: &str = "store";
const POLICIES: &str = "policies";
const AUDIT: &str = "audit";
const CLOCK: &str = "clock";

/// How many entries of the audit are looked at: `claviger audit verify` looks at all.
const ENTRIES: u32 = 50;
/// What verifiers forgive, and no more.
const LEEWAY: SignedDuration = SignedDuration::from_mins(1);
/// What lies between two looks at a clock, and the rest of a second.
const IMPRECISE: SignedDuration = SignedDuration::from_secs(2);

/// A store that can be read.
pub(super) struct Looked {
    pub(super) store: Arc<dyn Store>,
    snapshot: Snapshot,
}

/// The store, if it can be read, and what there is to say of it.
pub(super) async fn look(url: &StoreUrl, clock: Arc<dyn Clock>) -> (Option<Looked>, Finding) {
    let elsewhere = match url {
        StoreUrl::ControlPlanes(_) => {
            Some("the store is at a control plane: `claviger doctor` there looks at it, and the process below says whether it is heard of")
        }
        StoreUrl::Files(_) => Some("access is declared in files: `claviger check` reads them, and the process below says what it has read"),
        StoreUrl::Sqlite(_) | StoreUrl::Postgres(_) => None,
    };
    if let Some(why) = elsewhere {
        return (None, Finding::skipped(STORE, why));
    }
    let shown = url;
    if url.file().is_some_and(|path| path.try_exists().is_ok_and(|exists| !exists)) {
        let advice =
            "`claviger serve` makes it at its first start; if there has been one, store.url names another place, or a volume is missing";
        return (None, Finding::failed(STORE, format!("there is no store at {shown}"), advice));
    }
    let look = async {
        Ok::<_, StoreError>(match store::inspect(url, clock).await? {
            Inspected::Open(store) => {
                let snapshot = store.snapshot().await?;
                Ok(Looked { store, snapshot })
            }
            Inspected::Outdated(why) => Err(why),
        })
    };
    match look.await {
        Ok(Ok(looked)) => {
            let (revision, version) = (looked.snapshot.revision, env!("CARGO_PKG_VERSION"));
            let said = format!("{shown} is at revision {revision}, with the schema of this version ({version})");
            (Some(looked), Finding::ok(STORE, said))
        }
        Ok(Err(why)) => (None, Finding::warning(STORE, why, "make a backup, then start the new version, or run `claviger migrate`")),
        Err(error) => {
            (None, Finding::failed(STORE, error.to_string(), "`claviger serve` cannot use it either: see that it can be read here"))
        }
    }
}

impl Looked {
    /// That policies are not asked, if there are some.
    pub(super) fn policies_count(&self, policies: usize) -> Option<Finding> {
        let strategy = self.snapshot.strategy;
        if strategy.asks_policies() || policies == 0 {
            return None;
        }
        let advice = "`claviger strategy set combined` has them count; `--dry-run` says for whom that changes something";
        Some(Finding::warning(POLICIES, format!("no policy is asked: the strategy is {strategy}"), advice))
    }

    /// Whether the last entries are a chain, and tell of the last change.
    pub(super) async fn audit(&self) -> Finding {
        let wanted = AuditQuery { limit: ENTRIES, ..AuditQuery::default() };
        let (entries, given_up) = match (self.store.audit(&wanted).await, self.store.audit_given_up().await) {
            (Ok(entries), Ok(given_up)) => (entries, given_up),
            (Err(error), _) | (_, Err(error)) => {
                return Finding::failed(AUDIT, error.to_string(), "`claviger audit verify` says more");
            }
        };
        let advice = "somebody has written to the file past claviger: `claviger audit verify` says what is not as it was";
        let previous = entries.iter().skip(1).map(|entry| (entry.id, entry.hash));
        // The first of all follows nothing, or one that is not kept any more.
        let first = entries.last().and_then(|first| match given_up {
            Some(gone) => (gone.id.next() == first.id).then_some((gone.id, gone.hash)),
            None => (first.id.0 == 1).then_some((first.id, EntryHash::NONE)),
        });
        for (entry, (id, hash)) in entries.iter().zip(previous.chain(first)) {
            if entry.hash != entry.hash_after(hash) {
                return Finding::failed(
                    AUDIT,
                    format!("entry {} is not what was written, or does not follow entry {id}", entry.id),
                    advice,
                );
            }
        }
        let told = entries.iter().find_map(|entry| entry.revision);
        match (entries.first(), told) {
            (_, Some(told)) if told < self.snapshot.revision => {
                let said = format!("the store is at revision {}, and its audit tells of none after {told}", self.snapshot.revision);
                Finding::failed(AUDIT, said, advice)
            }
            (Some(newest), _) => Finding::ok(AUDIT, format!("the last {} entries are a chain that ends with {}", entries.len(), newest.id)),
            (None, _) => Finding::ok(AUDIT, "it is empty: nothing has been changed yet"),
        }
    }

    async fn newest_entry(&self) -> Option<Timestamp> {
        let newest = self.store.audit(&AuditQuery { limit: 1, ..AuditQuery::default() }).await.ok()?;
        newest.first().map(|entry| entry.at)
    }
}

/// Whether this machine's clock agrees with the upstream's, and with whoever wrote to the store last.
pub(super) async fn clock(looked: Option<&Looked>, upstream: Option<Timestamp>, now: Timestamp, backdate: Duration) -> Finding {
    let newest = match looked {
        Some(looked) => looked.newest_entry().await,
        None => None,
    };
    agreed(newest, upstream, now, backdate)
}

fn agreed(newest: Option<Timestamp>, upstream: Option<Timestamp>, now: Timestamp, backdate: Duration) -> Finding {
    let advice = "see that both machines keep their clocks by NTP";
    if let Some(ahead) = newest.map(|newest| newest.duration_since(now)).filter(|ahead| *ahead > IMPRECISE) {
        let ahead = in_largest_unit(ahead);
        return Finding::warning(
            CLOCK,
            format!("the last entry of the audit was written {ahead} after what this machine takes for now"),
            advice,
        );
    }
    let Some(upstream) = upstream else {
        return match newest {
            Some(_) => Finding::ok(CLOCK, "not behind the last entry of the audit; the upstream does not tell its time"),
            None => Finding::skipped(CLOCK, "there is nothing to compare it with: the upstream does not tell its time"),
        };
    };
    // Positive: the upstream is ahead.
    let apart = upstream.duration_since(now);
    let said = format!("the upstream's clock is {} {}", in_largest_unit(apart.abs()), if apart.is_negative() { "behind" } else { "ahead" });
    let forgiven = SignedDuration::try_from(backdate).unwrap_or(LEEWAY).saturating_add(IMPRECISE);
    if apart.abs() > LEEWAY {
        Finding::failed(CLOCK, format!("{said}: it refuses tokens"), advice)
    } else if apart.abs() > forgiven {
        Finding::warning(CLOCK, format!("{said}: without leeway it refuses tokens"), advice)
    } else {
        Finding::ok(CLOCK, "agrees with the upstream's")
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_clock_is_held_against_the_upstream_and_the_last_change() {
        let now: Timestamp = "2026-03-04T05:06:07Z".parse().unwrap();
        let away = |seconds| now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
        let told =
            |newest: Option<i64>, upstream: Option<i64>| agreed(newest.map(away), upstream.map(away), now, Duration::from_secs(5)).result;
        assert_eq!(told(None, None), Verdict::Skipped);
        assert_eq!(told(Some(-3_600), None), Verdict::Ok);
        assert_eq!(told(Some(90), Some(0)), Verdict::Warning);
        for (apart, verdict) in
            [(1, Verdict::Ok), (-6, Verdict::Ok), (20, Verdict::Warning), (-20, Verdict::Warning), (-90, Verdict::Failed)]
        {
            assert_eq!(told(Some(-10), Some(apart)), verdict, "{apart}");
        }
    }
}
