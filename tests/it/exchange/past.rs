//! What was in force at an earlier revision is what the audit leads back to.

use claviger::model::{Expiry, KeyRecord, Mutation, Past, Snapshot, Strategy};
use claviger::store::{AuditQuery, Lookup as _, Management as _};

use super::world::{World, new_space, policy};

/// All but what no decision reads.
fn of_decisions(mut key: KeyRecord) -> KeyRecord {
    key.secrets.clear();
    key.description.clear();
    key
}

/// A group that a key is put into comes into being, and is not taken back with the key: nothing reads it.
fn without_groups(mut snapshot: Snapshot) -> Snapshot {
    snapshot.groups.clear();
    snapshot.group_bindings.retain(|_, bindings| !bindings.is_empty());
    snapshot
}

#[tokio::test]
async fn every_kind_of_change_is_taken_back() {
    let world = World::new().await;
    let key = world.key("ci", &["deployer@production"], &["platform"]).await;
    let mut revisions = Vec::new();
    let now = async || (world.sluice.snapshot().await.unwrap(), world.sluice.key(key.id).await.unwrap().unwrap());
    let update = |groups: Option<Vec<&str>>, expiry| Mutation::UpdateKey {
        id: key.id,
        name: None,
        description: None,
        groups: groups.map(|groups| groups.iter().map(|group| group.parse().unwrap()).collect()),
        expiry,
    };
    let moved = |parent: &str| Mutation::UpdateSpace {
        id: "eu".parse().unwrap(),
        name: Some("Europe".to_owned()),
        description: None,
        labels: Some(vec!["eu".to_owned()]),
        parent: Some(parent.parse().unwrap()),
    };
    let role = |actions: &str| Mutation::UpdateRole {
        id: "reader".parse().unwrap(),
        name: None,
        description: None,
        actions: Some(vec![actions.parse().unwrap()]),
    };
    let bound = world.bind_group("platform", "reader", "staging").await;
    let own = now().await.1.bindings[0].id;
    let changes = vec![
        Mutation::CreateSpace(new_space("eu", "production")),
        moved("staging"),
        role("stack:*"),
        Mutation::DeleteBinding { id: bound },
        Mutation::DeleteBinding { id: own },
        update(Some(vec!["auditors"]), None),
        update(None, Some(Expiry::At(world.clock_in(std::time::Duration::from_hours(1))))),
        Mutation::CreatePolicy(policy("gate", "allow if true")),
        Mutation::UpdatePolicy { name: "gate".parse().unwrap(), source: "package spacelift\n\ndeny if true\n".into(), rego: None },
        Mutation::SetStrategy(Strategy::LoginPolicies),
        Mutation::DisableKey { id: key.id },
        Mutation::EnableKey { id: key.id },
        Mutation::CreateKey(world.new_key("other", &["reader@eu"], &["platform"])),
        Mutation::RotateKey { id: key.id, digest: world.draw_digest(), old_ends_at: world.clock_in(std::time::Duration::ZERO) },
        Mutation::DeletePolicy { name: "gate".parse().unwrap() },
        Mutation::RevokeKey { id: key.id },
    ];
    for change in changes {
        revisions.push(now().await);
        world.change(change).await;
    }

    let (snapshot, record) = now().await;
    let entries = world.sluice.audit(&AuditQuery { limit: 100, ..AuditQuery::default() }).await.unwrap();
    for (back, (then, key_then)) in revisions.into_iter().rev().enumerate() {
        let mut past = Past::from_now(snapshot.clone(), record.clone());
        for entry in entries.iter().take(back + 1) {
            past.undo(entry).unwrap();
        }
        let (rebuilt, key) = past.finish().unwrap();
        assert_eq!(without_groups(rebuilt), without_groups(then), "{} changes back", back + 1);
        assert_eq!(of_decisions(key), of_decisions(key_then), "{} changes back", back + 1);
    }
}
