//! Changes to a key that is there.

use std::time::Duration;

use super::make::{SecretOutput, show_rotated};
use super::view::KeyView;
use crate::cli::args::value::{End, span, time_text};
use crate::cli::failure::Failure;
use crate::cli::group::remark_on_near_miss;
use crate::cli::open_store::OpenStore;
use crate::cli::output::{self, Output};
use crate::clock::later;
use crate::control;
use crate::model::{GroupName, KeyDigest, KeyName, KeyRecord, KeyState, Mutation};

#[derive(Debug, clap::Args)]
pub(crate) struct UpdateKey {
    /// The key
    #[arg(value_name = "NAME_OR_ID")]
    key: String,
    /// What it is called from now on
    #[arg(long, value_name = "N")]
    name: Option<KeyName>,
    /// What it is for
    #[arg(long, value_name = "D")]
    description: Option<String>,
    #[command(flatten)]
    groups: GroupChange,
    /// When it ends: `30d` from now, an RFC 3339 time, or `never`
    #[arg(long, value_name = "WHEN")]
    expires: Option<End>,
}

#[derive(Debug, clap::Args)]
struct GroupChange {
    /// A group that it is a member of; replaces all that it was a member of, and can be given several times
    #[arg(long = "group", value_name = "G", conflicts_with_all = ["add", "remove", "none"])]
    all: Vec<GroupName>,
    /// A group to put it into; can be given several times
    #[arg(long = "add-group", value_name = "G", conflicts_with = "none")]
    add: Vec<GroupName>,
    /// A group to take it out of; can be given several times
    #[arg(long = "remove-group", value_name = "G", conflicts_with = "none")]
    remove: Vec<GroupName>,
    /// Take it out of every group
    #[arg(long = "no-groups")]
    none: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RotateKey {
    /// The key
    #[arg(value_name = "NAME_OR_ID")]
    key: String,
    /// How long the secret before works beside the new one, such as `1h`; 0 cuts it off at once
    #[arg(long, value_name = "SPAN", value_parser = span)]
    grace: Duration,
    #[command(flatten)]
    shown: SecretOutput,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RevokeKey {
    /// The key
    #[arg(value_name = "NAME_OR_ID")]
    key: String,
    /// Do not ask before it is revoked (nobody is asked who does not sit at a terminal)
    #[arg(long, short)]
    yes: bool,
}

/// What a switch does to a key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Switch {
    Off,
    On,
}

impl UpdateKey {
    pub(crate) async fn run(self, store: &OpenStore, out: &Output) -> Result<(), Failure> {
        let key = store.key(&self.key).await?;
        let expiry = match self.expires {
            Some(end) => {
                let passed = || Failure::usage("--expires: that time has passed; `key disable` and `key revoke` end a key now");
                Some(end.from(store.now()).ok_or_else(passed)?)
            }
            None => None,
        };
        let groups = self.groups.of(&key)?;
        for group in groups.iter().flatten().filter(|group| !key.groups.contains(group)) {
            remark_on_near_miss(group, store, out).await?;
        }
        if self.name.is_none() && self.description.is_none() && groups.is_none() && expiry.is_none() {
            return Err(Failure::usage("nothing to change: say --name, --description, --group or --expires"));
        }
        let mutation = Mutation::UpdateKey { id: key.id, name: self.name, description: self.description, groups, expiry };
        show_changed(key, mutation, store, out).await
    }
}

impl GroupChange {
    /// The groups that the key is to have; `None` to leave them. Taking a key out of a group that it is not in is a slip of the
    /// finger, which would otherwise leave the key where it should not be.
    fn of(self, key: &KeyRecord) -> Result<Option<Vec<GroupName>>, Failure> {
        if self.none {
            return Ok(Some(Vec::new()));
        }
        if !self.all.is_empty() {
            return Ok(Some(self.all));
        }
        if self.add.is_empty() && self.remove.is_empty() {
            return Ok(None);
        }
        if let Some(stranger) = self.remove.iter().find(|group| !key.groups.contains(group)) {
            return Err(Failure::refused(format_args!("key {} is not a member of group {stranger}", key.name)));
        }
        let mut groups: Vec<GroupName> = key.groups.iter().chain(&self.add).filter(|group| !self.remove.contains(group)).cloned().collect();
        groups.sort();
        groups.dedup();
        Ok(Some(groups))
    }
}

impl RotateKey {
    pub(crate) async fn run(self, store: &OpenStore, out: &Output) -> Result<(), Failure> {
        let before = store.key(&self.key).await?;
        let id = before.id;
        let plain = control::plain_key(id)?;
        let old_ends_at = later(store.now(), self.grace);
        let (revision, at) = store.make(Mutation::RotateKey { id, digest: KeyDigest::of(&plain), old_ends_at }).await?;
        let view = KeyView::of(store.changed_key(id, out).await?, store.now());
        // At most two secrets live: what a rotation before this one has promised to a third ends here.
        let cut_short = before.secrets.iter().filter_map(|secret| secret.ends_at).filter(|end| *end > at).max();
        show_rotated(&view, &plain, cut_short, revision, self.shown, out)?;
        if cut_short.is_some() {
            out.note(format_args!(
                "warning: the secret before the last one was to work until {} and no longer works: a key has at most two.",
                time_text(cut_short)
            ));
        }
        match before.expires_at {
            _ if self.grace.is_zero() => out.note("The secret before it no longer works."),
            Some(end) if end < old_ends_at => {
                out.note(format_args!("The secret before it ends with the key, at {}: before the grace is over.", time_text(Some(end))));
            }
            Some(_) | None => out.note(format_args!("The secret before it ends at {}.", time_text(Some(old_ends_at)))),
        }
        match view.state() {
            KeyState::Active => {}
            KeyState::Disabled => out.note("But the key is disabled: no secret of it works until `claviger key enable`."),
            KeyState::Expired => out.note("But the key has expired: no secret of it works until `claviger key update --expires`."),
            KeyState::Revoked => out.note("But the key has been revoked: no secret of it works."),
        }
        Ok(())
    }
}

impl RevokeKey {
    pub(crate) async fn run(self, store: &OpenStore, out: &Output) -> Result<(), Failure> {
        let key = store.key(&self.key).await?;
        if !self.yes && key.revoked_at.is_none() {
            let used = match key.secrets.iter().filter_map(|secret| secret.last_used_at).max() {
                Some(at) => format!("last used {}", time_text(Some(at))),
                None => "never used".to_owned(),
            };
            output::agree(&format!("revoke key {} ({}, {used}) for good?", key.name, key.id))?;
        }
        let id = key.id;
        show_changed(key, Mutation::RevokeKey { id }, store, out).await
    }
}

/// `key disable`, `key enable`.
pub(crate) async fn switch(called: &str, switch: Switch, store: &OpenStore, out: &Output) -> Result<(), Failure> {
    let key = store.key(called).await?;
    let id = key.id;
    let mutation = match switch {
        Switch::Off => Mutation::DisableKey { id },
        Switch::On => Mutation::EnableKey { id },
    };
    show_changed(key, mutation, store, out).await
}

async fn show_changed(key: KeyRecord, mutation: Mutation, store: &OpenStore, out: &Output) -> Result<(), Failure> {
    let (revokes, disables) = (matches!(mutation, Mutation::RevokeKey { .. }), matches!(mutation, Mutation::DisableKey { .. }));
    let (revision, at) = store.make(mutation).await?;
    let changed = match store.changed_key(key.id, out).await {
        // Whoever has ended the key that they ask with cannot look any more.
        Err(_) if revokes => KeyRecord { revoked_at: key.revoked_at.or(Some(at)), ..key },
        Err(_) if disables => KeyRecord { disabled_at: key.disabled_at.or(Some(at)), ..key },
        read => read?,
    };
    KeyView::of(changed, store.now()).changed(revision, out)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::model::KeyId;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        groups: GroupChange,
    }

    fn member_of(groups: &[&str]) -> KeyRecord {
        KeyRecord {
            id: KeyId::new(1, 1),
            name: "ci".parse().unwrap(),
            description: String::new(),
            groups: groups.iter().map(|group| group.parse().unwrap()).collect(),
            created_at: jiff::Timestamp::UNIX_EPOCH,
            expires_at: None,
            disabled_at: None,
            revoked_at: None,
            secrets: Vec::new(),
            bindings: Vec::new(),
        }
    }

    fn after(line: &str) -> Result<Option<Vec<String>>, Failure> {
        let words = std::iter::once("key").chain(line.split_whitespace());
        let groups = Line::try_parse_from(words).unwrap().groups.of(&member_of(&["a", "b"]))?;
        Ok(groups.map(|groups| groups.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn groups_are_replaced_added_removed_or_left() {
        let strings = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());

        assert_eq!(after("").unwrap(), None);
        assert_eq!(after("--group c --group d").unwrap(), strings(&["c", "d"]));
        assert_eq!(after("--add-group c --add-group a").unwrap(), strings(&["a", "b", "c"]));
        assert_eq!(after("--remove-group a --add-group c").unwrap(), strings(&["b", "c"]));
        assert_eq!(after("--no-groups").unwrap(), strings(&[]));
    }

    #[test]
    fn a_key_cannot_be_taken_out_of_a_group_that_it_is_not_in() {
        let failure = after("--remove-group platfrom").unwrap_err();

        assert_eq!(failure.to_string(), "key ci is not a member of group platfrom");
    }

    #[test]
    fn replacing_and_adding_groups_do_not_mix() {
        for line in ["--group a --add-group b", "--no-groups --add-group b", "--group a --no-groups"] {
            assert!(Line::try_parse_from(std::iter::once("key").chain(line.split(' '))).is_err(), "{line}");
        }
    }
}
