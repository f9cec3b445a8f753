//! What is looked at and changed by whoever manages, over the admin API.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::api::{Api, absent_as_none};
use super::change;
use super::evaluation::Evaluation;
use super::key::ShownKey;
use super::page::{Items, Parameters, encoded};
use super::problem::Failed;
use crate::model::{
    AuditEntry, AuditId, Binding, BindingId, Cause, Change, EntryHash, Group, KeptSample, KeyDigest, KeyId, KeyName, KeyRecord,
    LoginPolicy, Mutation, Reach, Replica, ReplicaName, ReplicaReport, Replicas, Resource, ResourceKind, Revision, Role, SampleId,
    Snapshot, Space, SpaceTree, Strategy,
};
use crate::store::{AuditOrder, AuditQuery, BatchError, FoundKey, GivenUp, Lookup, Management, Page, Precondition, StoreError, Unmet};

/// How often it is looked whether something has changed.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How many items a server gives at a time.
const MOST_AT_ONCE: u32 = 500;

/// A store that is worked on through an admin API. Whoever asks is the one whose key is sent: causes are left to the server.
pub struct RemoteStore {
    api: Api,
    /// What decisions depend on beside the store, once somebody has asked.
    evaluation: OnceCell<Evaluation>,
}

#[derive(Deserialize)]
struct Access {
    revision: Revision,
    spaces: Vec<Space>,
    roles: Vec<Role>,
    groups: Vec<Group>,
    bindings: Vec<Binding>,
    #[serde(default)]
    policies: Vec<LoginPolicy>,
    #[serde(default)]
    strategy: Option<Strategy>,
}

#[derive(Deserialize)]
struct Changed {
    changes: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    revision: Revision,
    at: Timestamp,
}

#[derive(Deserialize)]
struct Thing {
    kind: String,
    id: String,
}

#[derive(Deserialize)]
struct Beginning {
    given_up: Option<LastGivenUp>,
}

#[derive(Deserialize)]
struct LastGivenUp {
    id: AuditId,
    hash: EntryHash,
    revision: Revision,
}

#[derive(Deserialize)]
struct ShownReplicas {
    revision: Revision,
    at: Timestamp,
    items: Vec<ShownReplica>,
}

#[derive(Deserialize)]
struct ShownReplica {
    name: ReplicaName,
    version: String,
    applied_revision: Revision,
    lag_revisions: u64,
    lag_seconds: f64,
    started_at: Timestamp,
    last_seen_at: Timestamp,
}

#[derive(Deserialize)]
struct Cleared {
    cleared: u64,
}

impl RemoteStore {
    /// The store behind this API.
    #[must_use]
    pub fn new(api: Api) -> Self {
        Self { api, evaluation: OnceCell::new() }
    }

    /// A page as full as it can be: a server ends one before, where it has looked through many for it.
    async fn full_page<T, A>(&self, page: &Page<A>, asked: impl Fn() -> Parameters + Send) -> Result<Vec<T>, StoreError>
    where
        T: DeserializeOwned + Send,
        A: Display + Copy + Sync,
    {
        let (mut items, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let left = page.limit.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX)).min(MOST_AT_ONCE);
            let asked = asked().with("limit", Some(left));
            let asked = match &cursor {
                Some(cursor) => asked.going_on(cursor),
                None => asked.after(page.after),
            };
            let read: Items<T> = self.api.get(asked.path()).await?;
            items.extend(read.items);
            cursor = read.next_cursor;
            if cursor.is_none() || items.len() >= page.limit as usize {
                return Ok(items);
            }
        }
    }

    /// What decisions depend on at the server beside its store. The server has to load its policies for that: it is asked once.
    ///
    /// # Errors
    /// The key may not know, or the server is away.
    pub async fn evaluation(&self) -> Result<&Evaluation, StoreError> {
        self.evaluation.get_or_try_init(|| Evaluation::ask(&self.api)).await
    }

    /// The key that asks, what it holds, and what it may manage, as the server says it.
    ///
    /// # Errors
    /// The key does not work, or the server is away.
    pub async fn whoami(&self) -> Result<Value, StoreError> {
        Ok(self.api.get("/whoami").await?)
    }

    /// Whether the key may see this part of what there is: one of it is asked for.
    ///
    /// # Errors
    /// It may not, or the server is away.
    pub async fn may_see(&self, kind: ResourceKind) -> Result<(), StoreError> {
        let path = match kind {
            ResourceKind::Strategy => "/strategy",
            ResourceKind::Policy => "/policies?limit=1",
            ResourceKind::Key => "/keys?limit=1",
            ResourceKind::Space => "/spaces?limit=1",
            ResourceKind::Role => "/roles?limit=1",
            ResourceKind::Group => "/groups?limit=1",
            ResourceKind::Binding => "/bindings?limit=1",
        };
        self.api.get::<Value>(path).await?;
        Ok(())
    }

    async fn changed(
        &self,
        mutations: &[Mutation],
        declared: &[Resource],
        only_if: Option<Precondition>,
        rehearse: bool,
    ) -> Result<Vec<Change>, BatchError> {
        let only_at = match only_if {
            None => None,
            Some(Precondition::StoreAt(revision)) => Some(revision),
            Some(Precondition::ResourceAt(_)) => {
                return Err(StoreError::Unavailable("a server is asked for changes at a revision of all alone".to_owned()).into());
            }
        };
        let body = json!({
            "changes": mutations.iter().map(change::change).collect::<Vec<_>>(),
            "declared": declared.iter().map(change::thing).collect::<Vec<_>>(),
            "only_at": only_at,
            "rehearse": rehearse,
        });
        match self.api.post::<Changed>("/changes", &body).await {
            Ok(Changed { changes }) => {
                // Whose credentials it touches is the server's business.
                Ok(changes.into_iter().map(|Step { revision, at }| Change { revision, at, reach: Reach::All }).collect())
            }
            Err(Failed::Refused(refused)) => match only_at {
                Some(wanted) if refused.code == "precondition_failed" => {
                    Err(StoreError::Precondition(Unmet::StoreChanged { wanted, at: self.snapshot().await?.revision }).into())
                }
                Some(_) | None => Err(BatchError { index: refused.change, error: Failed::Refused(refused).into() }),
            },
            Err(away @ Failed::Away(_)) => Err(StoreError::from(away).into()),
        }
    }
}

#[async_trait]
impl Lookup for RemoteStore {
    async fn find_key(&self, digest: &KeyDigest) -> Result<Option<FoundKey>, StoreError> {
        let as_of = self.snapshot().await?.revision;
        let found: Option<ShownKey> = absent_as_none(self.api.post("/keys/find", &json!({ "sha256": digest.to_hex() })).await)?;
        Ok(found.map(|key| FoundKey { key: key.record(), as_of }))
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let Access { revision, spaces, roles, groups, bindings, policies, strategy } = self.api.get("/access").await?;
        let nonsense = |fault| StoreError::Unavailable(format!("{}: its spaces are no tree: {fault}", self.api.url()));
        let mut snapshot = Snapshot {
            revision,
            spaces: SpaceTree::from_rows(spaces).map_err(nonsense)?,
            roles: roles.into_iter().map(|role| (role.id.clone(), role)).collect(),
            groups: groups.into_iter().map(|group| (group.name.clone(), group)).collect(),
            group_bindings: BTreeMap::new(),
            policies,
            strategy: strategy.unwrap_or_default(),
        };
        for binding in bindings {
            snapshot.bind_group(binding);
        }
        Ok(snapshot)
    }

    #[expect(clippy::disallowed_methods, reason = "a server does not say when something changes; nobody's request waits for this")]
    async fn woken(&self) {
        tokio::time::sleep(LOOK_AGAIN).await;
    }

    async fn key_names(&self, most: u32) -> Result<Option<Vec<String>>, StoreError> {
        let (mut names, mut last, mut seen) = (Vec::new(), None, 0_u32);
        loop {
            let page = self.keys(&Page { after: last, limit: MOST_AT_ONCE, query: None }).await?;
            let Some(end) = page.last().map(|key| key.id) else { return Ok(Some(names)) };
            last = Some(end);
            seen = seen.saturating_add(u32::try_from(page.len()).unwrap_or(u32::MAX));
            if seen > most {
                return Ok(None);
            }
            names.extend(page.into_iter().filter(|key| key.revoked_at.is_none()).map(|key| key.name.to_string()));
        }
    }

    async fn close(&self) {}
}

#[async_trait]
impl Management for RemoteStore {
    async fn apply_declared(
        &self,
        mutations: Vec<Mutation>,
        declared: &[Resource],
        _: &Cause,
        only_if: Option<Precondition>,
    ) -> Result<Vec<Change>, BatchError> {
        if mutations.is_empty() && declared.is_empty() {
            return Ok(Vec::new());
        }
        self.changed(&mutations, declared, only_if, false).await
    }

    async fn rehearse(&self, mutations: Vec<Mutation>, only_if: Option<Precondition>) -> Result<(), BatchError> {
        self.changed(&mutations, &[], only_if, true).await.map(drop)
    }

    async fn managed(&self) -> Result<BTreeSet<Resource>, StoreError> {
        let declared: Items<Thing> = self.api.get("/declared").await?;
        let resource = |Thing { kind, id }: Thing| {
            let kind = ResourceKind::ALL.into_iter().find(|known| known.to_string() == kind)?;
            Resource::called(kind, &id).ok()
        };
        Ok(declared.items.into_iter().filter_map(resource).collect())
    }

    async fn replicas(&self) -> Result<Replicas, StoreError> {
        let ShownReplicas { revision, at, items } = self.api.get("/replicas?all=true").await?;
        let replica = |shown: ShownReplica| Replica {
            behind_since: (shown.lag_revisions > 0).then(|| {
                let behind = SignedDuration::try_from_secs_f64(shown.lag_seconds).unwrap_or_default();
                at.checked_sub(behind).unwrap_or(at)
            }),
            last_seen_at: shown.last_seen_at,
            report: ReplicaReport {
                name: shown.name,
                version: shown.version,
                applied: shown.applied_revision,
                started_at: shown.started_at,
            },
        };
        Ok(Replicas { revision, at, all: items.into_iter().map(replica).collect() })
    }

    async fn samples(&self) -> Result<Vec<KeptSample>, StoreError> {
        Ok(self.api.get::<Items<KeptSample>>("/samples").await?.items)
    }

    async fn sample(&self, id: SampleId) -> Result<Option<KeptSample>, StoreError> {
        Ok(self.api.find(&format!("/samples/{id}")).await?)
    }

    async fn clear_samples(&self, _: &Cause) -> Result<u64, StoreError> {
        Ok(self.api.delete::<Cleared>("/samples").await?.cleared)
    }

    async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, StoreError> {
        Ok(self.api.find::<ShownKey>(&format!("/keys/{id}")).await?.map(ShownKey::record))
    }

    async fn key_named(&self, name: &KeyName) -> Result<Option<KeyRecord>, StoreError> {
        let found: Items<ShownKey> = self.api.get(&format!("/keys?name={}", encoded(name.as_str()))).await?;
        Ok(found.items.into_iter().next().map(ShownKey::record))
    }

    async fn keys(&self, page: &Page<KeyId>) -> Result<Vec<KeyRecord>, StoreError> {
        let asked = || Parameters::of("/keys").with("state", Some("any")).with("q", page.query.as_ref());
        let keys: Vec<ShownKey> = self.full_page(page, asked).await?;
        Ok(keys.into_iter().map(ShownKey::record).collect())
    }

    async fn binding(&self, id: BindingId) -> Result<Option<Binding>, StoreError> {
        Ok(self.api.find(&format!("/bindings/{id}")).await?)
    }

    async fn bindings(&self, page: &Page<BindingId>) -> Result<Vec<Binding>, StoreError> {
        self.full_page(page, || Parameters::of("/bindings").with("q", page.query.as_ref())).await
    }

    async fn audit_given_up(&self) -> Result<Option<GivenUp>, StoreError> {
        let Beginning { given_up } = self.api.get("/audit/beginning").await?;
        Ok(given_up.map(|LastGivenUp { id, hash, revision }| GivenUp { id, hash, revision }))
    }

    async fn audit(&self, wanted: &AuditQuery) -> Result<Vec<AuditEntry>, StoreError> {
        let AuditQuery { order, before, newer_than, changed_after, limit, actor, action, resource, space, since, until, query } = wanted;
        let (order, last) = match order {
            AuditOrder::NewestFirst => ("newest", *before),
            AuditOrder::OldestFirst => ("oldest", *newer_than),
        };
        let asked = Parameters::of("/audit")
            .with("order", Some(order))
            .with("limit", Some((*limit).min(MOST_AT_ONCE)))
            .with("changed_after", *changed_after)
            .with("actor", actor.as_ref())
            .with("action", action.as_ref())
            .with("resource", resource.as_ref())
            .with("space", space.as_ref())
            .with("since", *since)
            .with("until", *until)
            .with("q", query.as_ref())
            .after(last);
        let mut entries = self.api.get::<Items<AuditEntry>>(asked.path()).await?.items;
        // The other end, which a list has no parameter for.
        if let Some(before) = before {
            entries.retain(|entry| entry.id < *before);
        }
        if let Some(newer_than) = newer_than {
            entries.retain(|entry| entry.id > *newer_than);
        }
        Ok(entries)
    }
}
