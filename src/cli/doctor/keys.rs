//! Keys that will end, keys that nobody uses, and the keys that sign.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::finding::Finding;
use crate::clock::{earlier, in_largest_unit, later};
use crate::config::TokenSettings;
use crate::model::{KeyRecord, KeyState};
use crate::store::{Page, Store, StoreError};
use crate::token::{KeyDirectory, KeyRing, KeyStanding};

const EXPIRING: &str = "keys-expiring";
const UNUSED: &str = "keys-unused";
const SIGNING: &str = "signing-keys";

const SOON: Duration = Duration::from_hours(14 * 24);
const LONG_AGO: Duration = Duration::from_hours(90 * 24);
/// A signing key that is older has been on many disks and in many backups.
const OLD: SignedDuration = SignedDuration::from_hours(180 * 24);
/// How many keys are named.
const NAMED: usize = 5;
const PAGE: u32 = 500;

/// Some keys, of which not all are named.
#[derive(Default)]
struct Some {
    count: usize,
    named: Vec<String>,
}

impl Some {
    fn add(&mut self, name: impl FnOnce() -> String) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(name());
        }
    }

    /// `1 key does it: ci`, `7 keys do it: ci, app, …`
    fn told(&self, one: &str, many: &str) -> String {
        let more = if self.count > self.named.len() { ", …" } else { "" };
        let named = self.named.join(", ");
        if self.count == 1 { format!("1 key {one}: {named}") } else { format!("{} keys {many}: {named}{more}", self.count) }
    }
}

pub(super) async fn api_keys(store: Option<&Arc<dyn Store>>, now: Timestamp) -> [Finding; 2] {
    let Some(store) = store else { return [EXPIRING, UNUSED].map(|check| Finding::skipped(check, "the store cannot be read")) };
    let (mut expiring, mut unused) = (Some::default(), Some::default());
    if let Err(error) = sorted(store, now, &mut expiring, &mut unused).await {
        return [EXPIRING, UNUSED].map(|check| Finding::skipped(check, format!("the keys cannot be read: {error}")));
    }
    [
        match expiring.count {
            0 => Finding::ok(EXPIRING, "no key ends within 14 days"),
            _ => Finding::warning(
                EXPIRING,
                expiring.told("ends within 14 days", "end within 14 days"),
                "make new ones in time, or `claviger key update NAME --expires 90d`; `claviger key list --expiring 14d` has all",
            ),
        },
        match unused.count {
            0 => Finding::ok(UNUSED, "every key that works has been used within 90 days, or is younger"),
            _ => Finding::warning(
                UNUSED,
                unused.told("has not been used for 90 days", "have not been used for 90 days"),
                "`claviger key disable NAME` shows whether somebody misses one; `claviger key list --unused 90d` has all",
            ),
        },
    ]
}

/// A page at a time: there may be a million.
async fn sorted(store: &Arc<dyn Store>, now: Timestamp, expiring: &mut Some, unused: &mut Some) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let page = store.keys(&Page { after, limit: PAGE, query: None }).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        for key in page.iter().filter(|key| key.state_at(now) == KeyState::Active) {
            if let Some(end) = key.expires_at.filter(|end| *end <= later(now, SOON)) {
                expiring.add(|| format!("{} ({})", key.name, in_largest_unit(end.duration_since(now))));
            }
            if last_used(key) <= earlier(now, LONG_AGO) {
                unused.add(|| key.name.to_string());
            }
        }
    }
}

/// Never: when it was made.
fn last_used(key: &KeyRecord) -> Timestamp {
    key.secrets.iter().filter_map(|secret| secret.last_used_at).max().unwrap_or(key.created_at)
}

/// The keys that sign, as the directory has them.
pub(super) struct Signing {
    /// The one that signs, if that can be told.
    pub(super) current: Option<String>,
    pub(super) findings: Vec<Finding>,
}

impl Signing {
    pub(super) fn of(settings: &TokenSettings, now: Timestamp) -> Self {
        let failed = |said: String| {
            let advice = "no start would take them; docs/signing-keys.md says how they must be";
            Self { current: None, findings: vec![Finding::failed(SIGNING, said, advice)] }
        };
        if let Err(error) = KeyRing::check(settings, now) {
            return failed(error.to_string());
        }
        let keys = match KeyDirectory::of(settings).list(now) {
            Ok(keys) => keys,
            Err(error) => return failed(error.to_string()),
        };
        let mut signing = Self { current: None, findings: Vec::new() };
        for key in &keys {
            match key.standing {
                KeyStanding::Current { since } => {
                    signing.current = Some(key.kid.clone());
                    let age = now.duration_since(since);
                    let said = format!("{} ({}) has signed for {}", key.kid, key.algorithm, in_largest_unit(age));
                    signing.findings.push(if age > OLD {
                        Finding::warning(
                            SIGNING,
                            said,
                            "`claviger token keys publish` makes the next one; activate it when verifiers know it",
                        )
                    } else {
                        Finding::ok(SIGNING, said)
                    });
                }
                KeyStanding::Retired { since } => {
                    let said = format!("{} has retired at {since:.0}, and its file is still there", key.kid);
                    signing.findings.push(Finding::warning(SIGNING, said, format!("`claviger token keys retire {}` deletes it", key.kid)));
                }
                KeyStanding::Next { .. } | KeyStanding::Retiring { .. } => {}
            }
        }
        if keys.is_empty() {
            let said = format!("{} has none yet: the first start makes one", settings.keys.display());
            signing.findings.push(Finding::ok(SIGNING, said));
        }
        signing
    }
}
