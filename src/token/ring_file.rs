//! `ring.toml`: which key of the directory signs, which is next, and which have signed.
//!
//! ```toml
//! active = "<kid>"
//! activated_at = "2026-01-02T03:04:05Z"
//!
//! [[next]]
//! kid = "<kid>"
//! published_at = "2026-01-02T03:04:05Z"   # verifiers can have known it since
//!
//! [[retiring]]
//! kid = "<kid>"
//! since = "2026-01-02T03:04:05Z"   # it has not signed since
//! until = "2026-01-02T03:08:05Z"   # its last token has expired everywhere
//! ```

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::TokenError;
use super::key_file::KeyFile;
use crate::clock::later;

/// How much longer than its lifetime a token may be taken for good: verifiers allow a minute for clocks that differ, and another
/// process may notice a minute late that a new key signs.
const LEEWAY: Duration = Duration::from_mins(2);

/// How long a key is published before it should sign. Verifiers keep a key set for five minutes, some for ten, and not all of them ask
/// again for a key that they do not know.
const KNOWN_AFTER: Duration = Duration::from_mins(10);

/// Where a key stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum KeyStanding {
    /// In the JWKS, has not signed yet.
    Next {
        /// Since when verifiers can have known it.
        published_at: Timestamp,
        /// From when on every verifier can be expected to know it.
        may_sign_from: Timestamp,
    },
    /// Signs.
    Current {
        /// Since when.
        since: Timestamp,
    },
    /// Signs no more; in the JWKS because its tokens live.
    Retiring {
        /// When it signed last.
        since: Timestamp,
        /// When the last of them has expired.
        until: Timestamp,
    },
    /// Out of the JWKS; its file can be taken away.
    Retired {
        /// When its last token had expired.
        since: Timestamp,
    },
}

impl KeyStanding {
    /// That of a key which was published then.
    pub(super) fn next(published_at: Timestamp) -> Self {
        Self::Next { published_at, may_sign_from: later(published_at, KNOWN_AFTER) }
    }
}

/// What `ring.toml` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RingFile {
    pub(super) active: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) activated_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) next: Vec<Published>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) retiring: Vec<Retiring>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Published {
    pub(super) kid: String,
    pub(super) published_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Retiring {
    pub(super) kid: String,
    since: Timestamp,
    until: Timestamp,
}

impl Retiring {
    /// A key that has signed tokens of this lifetime until now.
    pub(super) fn from(kid: String, since: Timestamp, ttl: Duration) -> Self {
        Self { kid, since, until: quiet_after(since, ttl) }
    }
}

impl RingFile {
    pub(super) fn with_active(kid: &str) -> Self {
        Self { active: kid.to_owned(), activated_at: None, next: Vec::new(), retiring: Vec::new() }
    }

    /// What the file at `path` says.
    pub(super) fn parse(path: &Path, text: &str) -> Result<Self, TokenError> {
        toml::from_str(text).map_err(|error| TokenError::Keys(format!("{} is not a ring: {}", path.display(), error.message())))
    }

    /// Where a key stands at `now`, if tokens live for `ttl`: a longer lifetime than was known when the key was replaced counts. One that
    /// was put there by hand has been there since its file was.
    pub(super) fn standing(&self, file: &KeyFile, ttl: Duration, now: Timestamp) -> KeyStanding {
        let kid = file.key.kid();
        if self.active == kid {
            return KeyStanding::Current { since: self.activated_at.unwrap_or(file.since) };
        }
        match self.retiring.iter().find(|retiring| retiring.kid == kid) {
            None => {
                let published = self.next.iter().find(|published| published.kid == kid);
                KeyStanding::next(published.map_or(file.since, |published| published.published_at))
            }
            Some(retiring) => match retiring.until.max(quiet_after(retiring.since, ttl)) {
                until if now < until => KeyStanding::Retiring { since: retiring.since, until },
                since => KeyStanding::Retired { since },
            },
        }
    }
}

/// When nobody takes a token any more that was signed before `replaced`.
fn quiet_after(replaced: Timestamp, ttl: Duration) -> Timestamp {
    later(replaced, ttl.saturating_add(LEEWAY))
}
