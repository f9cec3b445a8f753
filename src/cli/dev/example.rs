//! The example world of `claviger dev`: three environments, two roles, a group, and a handful of keys, each there to show one thing.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cli::failure::Failure;
use crate::cli::serve::{self, ROOT_ADMIN};
use crate::control::{self, Asked, Control};
use crate::model::{KeyDigest, Mutation, NewKey, PlainKey, Space, SpaceId, Subject};

/// The policies that the example has in force. They are written into its directory, to be read and changed.
pub(super) const POLICIES: [(&str, &str); 2] = [
    ("ci-cd-pipelines.rego", include_str!("../../../policies/ci-cd-pipelines.rego")),
    ("restricted-networks.rego", include_str!("../../../policies/restricted-networks.rego")),
];

/// A key of the example.
pub(super) struct Example {
    pub(super) name: &'static str,
    description: &'static str,
    groups: &'static [&'static str],
    /// Role and space.
    bindings: &'static [(&'static str, &'static str)],
    state: ExampleState,
    pub(super) tries: &'static [Try],
}

enum ExampleState {
    Active,
    Disabled,
}

/// A request to try with it.
pub(super) struct Try {
    /// The address that the client pretends to have.
    pub(super) from: Option<&'static str>,
    pub(super) expect: &'static str,
}

const EXAMPLES: [Example; 6] = [
    Example {
        name: "laptop",
        description: "Bound to a role directly",
        groups: &[],
        bindings: &[("observer", "root"), ("deployer", "development")],
        state: ExampleState::Active,
        tries: &[Try { from: None, expect: "200, observer everywhere and deployer in development, by bindings of its own" }],
    },
    Example {
        name: "platform-tool",
        description: "Holds its role by a group",
        groups: &["platform"],
        bindings: &[],
        state: ExampleState::Active,
        tries: &[Try { from: None, expect: "200, deployer in staging, since the group platform is bound there" }],
    },
    Example {
        name: "pipeline-orders-production",
        description: "Holds its role by a login policy that looks at its name",
        groups: &[],
        bindings: &[],
        state: ExampleState::Active,
        tries: &[Try { from: None, expect: "200, deployer in production, by the login policy ci-cd-pipelines" }],
    },
    Example {
        name: "vault-backup",
        description: "May only come from certain networks",
        groups: &[],
        bindings: &[],
        state: ExampleState::Active,
        tries: &[
            Try {
                from: Some("10.1.2.3"),
                expect: "200 from the cluster's network, operator in production, by the login policy restricted-networks",
            },
            Try { from: Some("203.0.113.9"), expect: "403 denied from anywhere else, by the same policy" },
        ],
    },
    Example {
        name: "newcomer",
        description: "Holds no role yet",
        groups: &[],
        bindings: &[],
        state: ExampleState::Active,
        tries: &[Try { from: None, expect: "403 no_roles, nobody has given it any" }],
    },
    Example {
        name: "former-robot",
        description: "Switched off",
        groups: &[],
        bindings: &[("deployer", "production")],
        state: ExampleState::Disabled,
        tries: &[Try { from: None, expect: "401 invalid_key, it is disabled; an unknown key gets the same answer" }],
    },
];

/// The texts of the example's keys, kept beside the store so that they can be shown at every start. Nothing but `dev` keeps such texts.
pub(super) struct ExampleKeys(KeysFile);

#[derive(Default, Serialize, Deserialize)]
struct KeysFile {
    /// Whether everything of the example has been made; from then on, what the user changes stays changed.
    complete: bool,
    keys: BTreeMap<String, String>,
}

impl ExampleKeys {
    /// The first key of the store, which may everything.
    pub(super) fn root_admin(&self) -> Option<&str> {
        self.0.keys.get(ROOT_ADMIN).map(String::as_str)
    }

    /// Each example with its key's text.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static Example, &str)> {
        EXAMPLES.iter().filter_map(|example| Some((example, self.0.keys.get(example.name)?.as_str())))
    }
}

/// Makes the example in a new directory, or finds it in one that was used before.
pub(super) async fn prepare(dir: &Path, control: &Control) -> Result<ExampleKeys, Failure> {
    let file = dir.join("keys.json");
    let mut kept = read(&file)?;
    if !kept.complete {
        let now = control.now();
        // The texts are on disk before the store knows them: a start that was cut off finds them again and goes on.
        for example in &EXAMPLES {
            if !kept.keys.contains_key(example.name) {
                let plain = control::plain_key(control::key_id(now)?)?;
                kept.keys.insert(example.name.to_owned(), plain.reveal().to_owned());
            }
        }
        write(&file, &kept)?;
        if let Some(plain) = serve::bootstrap(control, serve::given_key()?.as_ref()).await? {
            kept.keys.insert(ROOT_ADMIN.to_owned(), plain.reveal().to_owned());
        }
        make(control, &kept, now).await?;
        kept.complete = true;
        write(&file, &kept)?;
    }
    Ok(ExampleKeys(kept))
}

async fn make(control: &Control, kept: &KeysFile, now: Timestamp) -> Result<(), Failure> {
    let snapshot = control.store().snapshot().await?;
    for (id, name, label) in
        [("development", "Development", "experiments"), ("staging", "Staging", "rehearsal"), ("production", "Production", "critical")]
    {
        let id: SpaceId = parse(id)?;
        if !snapshot.spaces.contains(&id) {
            let space = Space {
                id,
                name: name.to_owned(),
                description: String::new(),
                parent: Some(SpaceId::root()),
                labels: vec![label.to_owned()],
            };
            apply(control, Mutation::CreateSpace(space)).await?;
        }
    }
    let roles: [(&str, &str, &[&str]); 3] = [
        ("deployer", "Deployer", &["run:*", "stack:read"]),
        ("observer", "Observer", &["run:read", "stack:read"]),
        ("operator", "Operator", &["stack:*", "backup:*"]),
    ];
    for (id, name, actions) in roles {
        if !snapshot.roles.contains_key(id) {
            let actions = actions.iter().map(|action| parse(action)).collect::<Result<_, _>>()?;
            apply(control, Mutation::CreateRole { id: parse(id)?, name: name.to_owned(), description: String::new(), actions }).await?;
        }
    }
    let platform = parse("platform")?;
    if !snapshot.group_bindings.contains_key(&platform) {
        let id = control::binding_id(now)?;
        let (role, space) = (parse("deployer")?, parse("staging")?);
        apply(control, Mutation::CreateBinding { id, subject: Subject::Group(platform), role, space }).await?;
    }
    for example in &EXAMPLES {
        make_key(control, example, kept, now).await?;
    }
    Ok(())
}

async fn make_key(control: &Control, example: &Example, kept: &KeysFile, now: Timestamp) -> Result<(), Failure> {
    let text = kept.keys.get(example.name).map_or("", String::as_str);
    let damaged = || Failure::refused(format_args!("the file keys.json of the example is damaged at {}", example.name));
    let plain = PlainKey::presented(text.as_bytes()).ok_or_else(damaged)?;
    let id = plain.id().ok_or_else(damaged)?;
    if control.store().key(id).await?.is_none() {
        let binding = |(role, space): &(&str, &str)| Ok::<_, Failure>((control::binding_id(now)?, parse(role)?, parse(space)?));
        let key = NewKey {
            id,
            name: parse(example.name)?,
            description: example.description.to_owned(),
            groups: example.groups.iter().map(|group| parse(group)).collect::<Result<_, _>>()?,
            expires_at: None,
            digest: KeyDigest::of(&plain),
            bindings: example.bindings.iter().map(binding).collect::<Result<_, _>>()?,
        };
        apply(control, Mutation::CreateKey(key)).await?;
    }
    match example.state {
        ExampleState::Active => Ok(()),
        ExampleState::Disabled => match control.store().key(id).await? {
            Some(key) if key.disabled_at.is_none() => apply(control, Mutation::DisableKey { id }).await,
            Some(_) | None => Ok(()),
        },
    }
}

async fn apply(control: &Control, mutation: Mutation) -> Result<(), Failure> {
    control.change(&Asked::by_system(), mutation, None).await?;
    Ok(())
}

fn parse<T: std::str::FromStr<Err = crate::model::Invalid>>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|error: crate::model::Invalid| Failure::Refused(error.into()))
}

fn read(file: &Path) -> Result<KeysFile, Failure> {
    match std::fs::read(file) {
        Ok(text) => Ok(serde_json::from_slice(&text).with_context(|| format!("{} is damaged", file.display()))?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(KeysFile::default()),
        Err(error) => Err(Failure::refused(format_args!("cannot read {}: {error}", file.display()))),
    }
}

/// Only the owner may read it. It takes the old file's place as a whole.
fn write(file: &Path, kept: &KeysFile) -> Result<(), Failure> {
    let text = serde_json::to_vec_pretty(kept).context("keys as JSON")?;
    let new = file.with_extension("new");
    let written = || -> std::io::Result<()> {
        let mut handle = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        handle.write_all(&text)?;
        handle.sync_all()?;
        std::fs::rename(&new, file)
    };
    written().with_context(|| format!("cannot write {}", file.display()))?;
    Ok(())
}
