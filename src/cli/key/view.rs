//! Keys as they are shown. Digests never are.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::cli::args::value::{joined, span, time_text};
use crate::cli::failure::Failure;
use crate::cli::open_store::OpenStore;
use crate::cli::output::{Changed, Output};
use crate::clock::later;
use crate::model::{GroupName, KeyBinding, KeyId, KeyName, KeyRecord, KeyState, Revision};

#[derive(Debug, clap::Args)]
pub(crate) struct ListKeys {
    /// Revoked keys too
    #[arg(long)]
    all: bool,
    /// Only members of this group
    #[arg(long, value_name = "G")]
    group: Option<GroupName>,
    /// Only keys that nobody has used for this long, such as `90d`; one that was never used counts from when it was made
    #[arg(long, value_name = "SPAN", value_parser = span)]
    unused: Option<Duration>,
    /// Only keys that still work and end within this time, such as `14d`
    #[arg(long, value_name = "SPAN", value_parser = span)]
    expiring: Option<Duration>,
}

/// A key as JSON has it.
#[derive(Serialize)]
pub(crate) struct KeyView {
    id: KeyId,
    name: KeyName,
    description: String,
    state: KeyState,
    groups: Vec<GroupName>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    disabled_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    secrets: Vec<SecretView>,
    bindings: Vec<KeyBinding>,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "these are the names that JSON has, and all are times")]
struct SecretView {
    created_at: Timestamp,
    ends_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
}

impl KeyView {
    pub(crate) fn of(key: KeyRecord, now: Timestamp) -> Self {
        let state = key.state_at(now);
        let secrets: Vec<SecretView> = key
            .secrets
            .iter()
            .map(|secret| SecretView {
                created_at: secret.created_at,
                ends_at: secret.ends_at,
                // Uses are noted to the minute: the first one may seem to lie before the secret was made.
                last_used_at: secret.last_used_at.map(|at| at.max(secret.created_at)),
            })
            .collect();
        Self {
            id: key.id,
            name: key.name,
            description: key.description,
            state,
            groups: key.groups,
            created_at: key.created_at,
            expires_at: key.expires_at,
            disabled_at: key.disabled_at,
            revoked_at: key.revoked_at,
            last_used_at: secrets.iter().filter_map(|secret| secret.last_used_at).max(),
            secrets,
            bindings: key.bindings,
        }
    }

    pub(crate) fn id(&self) -> KeyId {
        self.id
    }

    pub(crate) fn state(&self) -> KeyState {
        self.state
    }

    pub(crate) fn name(&self) -> &KeyName {
        &self.name
    }

    fn ends_within(&self, now: Timestamp, span: Duration) -> bool {
        self.state == KeyState::Active && self.expires_at.is_some_and(|end| end <= later(now, span))
    }

    /// The fields that a person wants to see of one key.
    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = vec![
            ("id", self.id.to_string()),
            ("name", self.name.to_string()),
            ("description", self.description.clone()),
            ("state", self.state.as_str().to_owned()),
            ("groups", joined(&self.groups)),
            ("bindings", joined(self.bindings.iter().map(|binding| format!("{}@{}", binding.role, binding.space)))),
            ("created", time_text(Some(self.created_at))),
            ("expires", self.expires_at.map_or_else(|| "never".to_owned(), |end| time_text(Some(end)))),
            ("last used", time_text(self.last_used_at)),
        ];
        rows.extend(self.disabled_at.map(|at| ("disabled", time_text(Some(at)))));
        rows.extend(self.revoked_at.map(|at| ("revoked", time_text(Some(at)))));
        rows.extend(self.secrets.iter().map(|secret| ("secret", secret.line())));
        rows
    }

    /// Shows what a change has made of the key.
    pub(crate) fn changed(&self, revision: Revision, out: &Output) -> Result<(), Failure> {
        out.record(&Changed::now(self, revision), self.rows())
    }
}

impl SecretView {
    fn line(&self) -> String {
        let mut line = format!("made {}", time_text(Some(self.created_at)));
        if let Some(end) = self.ends_at {
            line = format!("{line}, ends {}", time_text(Some(end)));
        }
        match self.last_used_at {
            Some(at) => format!("{line}, last used {}", time_text(Some(at))),
            None => format!("{line}, not used yet"),
        }
    }
}

impl ListKeys {
    pub(crate) async fn run(self, store: &OpenStore, out: &Output) -> Result<(), Failure> {
        if let Some(group) = &self.group {
            store.remark_on_group(group, out).await?;
        }
        let now = store.now();
        let keys: Vec<KeyView> = store
            .keys()
            .await?
            .into_iter()
            .filter(|key| self.all || key.revoked_at.is_none())
            .filter(|key| self.group.as_ref().is_none_or(|group| key.groups.contains(group)))
            .map(|key| KeyView::of(key, now))
            .filter(|key| self.unused.is_none_or(|span| later(key.last_used_at.unwrap_or(key.created_at), span) <= now))
            .filter(|key| self.expiring.is_none_or(|span| key.ends_within(now, span)))
            .collect();
        let rows = keys.iter().map(|key| {
            let expires = key.expires_at.map_or_else(|| "never".to_owned(), |end| time_text(Some(end)));
            let state = key.state.as_str().to_owned();
            vec![key.id.to_string(), key.name.to_string(), state, joined(&key.groups), expires, time_text(key.last_used_at)]
        });
        out.list("keys", &["ID", "NAME", "STATE", "GROUPS", "EXPIRES", "LAST USED"], rows, &keys)
    }
}

/// `key show`.
pub(crate) async fn show(called: &str, store: &OpenStore, out: &Output) -> Result<(), Failure> {
    let view = KeyView::of(store.key(called).await?, store.now());
    out.record(&view, view.rows())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{KeyDigest, SecretRecord};

    #[test]
    fn a_use_that_is_noted_to_the_minute_does_not_lie_before_the_key_was_made() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (made, noted) = (at("2026-01-31T12:00:42Z"), at("2026-01-31T12:00:00Z"));
        let digest: KeyDigest = "ab".repeat(32).parse().unwrap();
        let mut key = KeyRecord::unbound(KeyId::new(1, 1), "ci".parse().unwrap(), made);
        key.secrets = vec![SecretRecord { digest, created_at: made, ends_at: None, last_used_at: Some(noted) }];

        let view = KeyView::of(key, made);

        assert_eq!((view.last_used_at, view.secrets[0].last_used_at), (Some(made), Some(made)));
    }
}
