//! How SQLite finds what it is asked for: down an index, and not through all rows.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Row as _, SqliteConnection, query_as};

use super::opening;
use crate::model::{AuditId, BindingId, KeyId, KeyState, Strategy};
use crate::store::audit::AuditQuery;
use crate::store::listing::{BindingFilter, KeyFilter, NeverUsed, StateWanted};
use crate::store::sql::text::*;
use crate::store::sql::{Few, Sieve, bindings_page, keys_page, keys_sieved, never_used_page, page, page_of_few, part, query};

/// How SQLite would run a statement: `SCAN` is a walk through all rows, `SEARCH` a way down an index.
async fn plan(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
    let steps: Vec<(i64, i64, i64, String)> = query_as(explain).fetch_all(connection).await.unwrap();
    steps.into_iter().map(|step| step.3).collect()
}

#[tokio::test]
async fn no_statement_of_the_daily_work_walks_through_the_keys() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("claviger.db");
    let (_, mut connection) = opening::open(&path, Strategy::Combined, Duration::ZERO).await.unwrap();
    let statements = [
        KEY_BY_DIGEST,
        KEY_BY_ID,
        KEY_BY_NAME,
        KEY_ID_BY_NAME,
        DIGEST_TAKEN,
        DIGESTS,
        UPDATE_KEY,
        INSERT_SECRET,
        END_SECRETS,
        RECORD_USES,
        DELETE_MEMBERSHIPS,
        HAS_WORKING_ROOT_ADMIN,
        MEMBER_COUNT,
        MEMBERS,
        BINDING,
        KEY_BINDING,
        GROUP_BINDING,
        DELETE_BINDING,
        DELETE_BINDINGS_OF_KEY,
        BINDING_COUNT_OF_ROLE,
        BINDING_COUNT_IN_SPACE,
        BINDING_COUNTS,
        GROUPS_WITH_MEMBERS,
        NAMES_OF_KEYS,
        KEYS_ENDING,
        BINDING_COUNT_OF_GROUP,
        CHILD_COUNT,
        SPACE,
        ROLE,
        GROUP,
        POLICY,
        PRUNE_CHANGES,
        TOUCH_KEY,
        TOUCH_MEMBERS,
        DELETE_MANAGED,
        DELETE_MANAGED_BINDINGS_OF_KEY,
        NOTE_FIRST_KEY,
        IS_FIRST_KEY,
        REVISION_OF_KEY,
        REVISION_OF_SPACE,
        REVISION_OF_ROLE,
        REVISION_OF_GROUP,
        REVISION_OF_BINDING,
        REVISION_OF_POLICY,
        HAS_SIGNED_IN,
        NOTE_COUNT,
        HAS_REFUSED,
        REPLICA_KNOWN,
        REPLICA_SEEN,
        DELETE_REPLICA,
        SESSION,
        RENEW_SESSION,
        END_SESSION,
        END_SESSIONS_OF_KEY,
        DROP_ENDED_SESSIONS,
        DROP_MORE_SESSIONS_OF_KEY,
    ];
    for statement in statements {
        let plan = plan(&mut connection, statement.sqlite).await;
        // Some of what an index has, a list that was told, and what full text search has found.
        let is_little = |step: &str| {
            ["SCAN s", "SCAN (subquery"].iter().any(|begin| step.starts_with(begin))
                || step.contains("CONSTANT ROW")
                || step.contains("VIRTUAL TABLE")
        };
        let walks = |step: &&String| step.starts_with("SCAN") && !is_little(step);
        assert_eq!(plan.iter().find(walks), None, "{statement:?}\n{plan:#?}");
        assert!(plan.iter().any(|step| step.starts_with("SEARCH")), "{statement:?}\n{plan:#?}");
    }
    // Pages are read in the order of the primary key, from where the last one ended; nothing is sorted.
    for statement in [KEYS, BINDINGS, MEMBERS] {
        let plan = plan(&mut connection, statement.sqlite).await;
        assert!(plan.iter().all(|step| !step.contains("SCAN") || step.starts_with("SCAN s")), "{statement:?}\n{plan:#?}");
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{statement:?}\n{plan:#?}");
    }
    assert_eq!(plan(&mut connection, GROUP_BINDINGS.sqlite).await, ["SEARCH bindings USING INDEX bindings_of_groups (group_name>?)"]);
}

#[tokio::test]
async fn lists_of_keys_and_bindings_are_read_down_an_index_whatever_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("claviger.db");
    let (_, mut connection) = opening::open(&path, Strategy::Combined, Duration::ZERO).await.unwrap();
    let (group, text) = ("platform".parse().unwrap(), Some("x".to_owned()));
    let (key, binding) = (KeyId::new(1, 1), BindingId::new(1, 1));
    let keys = [
        (keys_page(&KeyFilter::default(), None), "SEARCH k USING PRIMARY KEY (id>?)"),
        (keys_page(&KeyFilter { query: text.clone(), ..KeyFilter::default() }, Some(key)), "SEARCH k USING PRIMARY KEY (id>? AND id<?)"),
        (keys_page(&KeyFilter { group: Some(group), ..KeyFilter::default() }, None), "memberships_by_group (group_name=? AND key_id>?)"),
    ];
    let none = BindingFilter::default();
    let of_key = BindingFilter { key: Some(key), ..none.clone() };
    let of_group = BindingFilter { group: Some("platform".parse().unwrap()), ..none.clone() };
    let of_role = BindingFilter { role: Some("reader".parse().unwrap()), ..none.clone() };
    let in_space = BindingFilter { space: Some("root".parse().unwrap()), ..none.clone() };
    let of_role_in_space = BindingFilter { space: in_space.space.clone(), ..of_role.clone() };
    let sought = BindingFilter { query: text, ..none.clone() };
    let sought_of_role = BindingFilter { query: sought.query.clone(), ..of_role.clone() };
    let bindings = [
        (bindings_page(&none, None), "SEARCH b USING PRIMARY KEY (id>?)"),
        (bindings_page(&of_key, None), "bindings_of_keys (key_id=?)"),
        (bindings_page(&of_group, None), "bindings_of_groups (group_name=?)"),
        (bindings_page(&of_role, None), "bindings_of_roles (role=? AND id>?)"),
        (bindings_page(&sought_of_role, Some(binding)), "SEARCH b USING PRIMARY KEY (id>? AND id<?)"),
        (bindings_page(&in_space, None), "bindings_by_space (space=? AND id>?)"),
        (bindings_page(&of_role_in_space, None), "bindings_by_role (role=? AND space=? AND id>?)"),
        (bindings_page(&sought, Some(binding)), "SEARCH b USING PRIMARY KEY (id>? AND id<?)"),
    ];
    for (statement, index) in keys.into_iter().chain(bindings) {
        let plan = plan(&mut connection, &statement.sqlite).await;
        assert!(plan.iter().any(|step| step.contains(index)), "{statement:?}\n{plan:#?}");
        assert!(!plan.iter().any(|step| step.starts_with("SCAN") && !step.starts_with("SCAN s")), "{statement:?}\n{plan:#?}");
        // What one key or one group has is little, and may be sorted.
        let is_little = index.contains("bindings_of_");
        assert!(is_little || !plan.iter().any(|step| step.contains("TEMP B-TREE")), "{statement:?}\n{plan:#?}");
    }
    for (end, index) in [
        (END_OF_KEYS, "PRIMARY KEY (id>?)"),
        (END_OF_KEYS_NOT_REVOKED, "keys_not_revoked (id>?)"),
        (END_OF_KEYS_REVOKED, "keys_revoked (id>?)"),
        (END_OF_KEYS_DISABLED, "keys_disabled (id>?)"),
        (END_OF_MEMBERS, "(group_name=? AND key_id>?)"),
        (END_OF_BINDINGS, "PRIMARY KEY (id>?)"),
    ] {
        let plan = plan(&mut connection, &format!("{}$2{}$3", end.sqlite, END.sqlite)).await;
        assert!(plan.len() == 1 && plan.iter().all(|step| step.starts_with("SEARCH") && step.contains(index)), "{plan:#?}");
    }
}

#[tokio::test]
async fn keys_in_a_state_or_of_a_text_are_found_though_nearly_all_keys_are_others() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("claviger.db");
    let (_, mut connection) = opening::open(&path, Strategy::Combined, Duration::ZERO).await.unwrap();
    let in_state = |state| KeyFilter { state, ..KeyFilter::default() };
    let walks = [
        (in_state(StateWanted::NotRevoked), "keys_not_revoked (id>?)"),
        (in_state(StateWanted::In(KeyState::Active)), "keys_not_revoked (id>?"),
        (in_state(StateWanted::In(KeyState::Expired)), "keys_not_revoked (id>?"),
        (in_state(StateWanted::In(KeyState::Disabled)), "keys_disabled (id>?"),
        (in_state(StateWanted::In(KeyState::Revoked)), "keys_revoked (id>?)"),
    ];
    let text = Some("qq".to_owned());
    let by_text = [StateWanted::NotRevoked, StateWanted::In(KeyState::Active), StateWanted::In(KeyState::Expired)]
        .map(|state| (KeyFilter { query: text.clone(), ..in_state(state) }, "k USING PRIMARY KEY (id>?)"));
    let walks = walks.into_iter().chain(by_text).map(|(wanted, index)| (keys_page(&wanted, None), index));
    let text = KeyFilter { query: Some("it's \"me\"".to_owned()), ..KeyFilter::default() };
    let group = KeyFilter { group: Some("platform".parse().unwrap()), ..text.clone() };
    let expired = in_state(StateWanted::In(KeyState::Expired));
    let few =
        [(&text, "name_parts VIRTUAL TABLE INDEX 0:M"), (&group, "VIRTUAL TABLE INDEX 0:M"), (&expired, "keys_by_end (expires_at<?)")];
    let few = few
        .into_iter()
        .flat_map(|(wanted, index)| Sieve::of(wanted, &[]).into_iter().map(move |sieve| (keys_sieved(wanted, &sieve), index)));
    let now = "2026-03-04T05:06:07Z".parse().unwrap();
    let unused = NeverUsed { now, made_before: now, ends_not_before: now, among: 9, limit: 9 };
    let unused = (never_used_page(&unused, Some(KeyId::new(1, 1))), "keys_not_revoked (id<?)");
    let some_names = (query(SOME_NAMES), "SEARCH n USING INTEGER PRIMARY KEY (rowid=?)");
    for (statement, index) in walks.chain(few).chain([unused, some_names]) {
        let plan = plan(&mut connection, &statement.sqlite).await;
        assert!(plan.iter().any(|step| step.contains(index)), "{statement:?}\n{plan:#?}");
        let is_little = |step: &str| {
            ["SCAN s", "SCAN c", "SCAN few", "SCAN place", "SCAN CONSTANT ROW"].iter().any(|begin| step.starts_with(begin))
                || step.contains("VIRTUAL TABLE")
        };
        assert!(!plan.iter().any(|step| step.starts_with("SCAN") && !is_little(step)), "{statement:?}\n{plan:#?}");
    }
}

#[tokio::test]
async fn every_filter_goes_down_an_index() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("claviger.db");
    let (_, mut connection) = opening::open(&path, Strategy::Combined, Duration::ZERO).await.unwrap();
    let none = AuditQuery::default();
    let now = "2026-03-04T05:06:07Z".parse().unwrap();
    for (wanted, index) in [
        (AuditQuery { actor: Some("system".to_owned()), ..none.clone() }, "audit_by_actor (actor=?)"),
        (AuditQuery { action: Some("key.revoke".to_owned()), ..none.clone() }, "audit_by_action (action=?)"),
        (AuditQuery { action: Some("key.".to_owned()), ..none.clone() }, "audit_by_action (action>? AND action<?)"),
        (AuditQuery { resource: Some("root".to_owned()), ..none.clone() }, "audit_by_resource (resource=?)"),
        (AuditQuery { since: Some(now), until: Some(now), ..none.clone() }, "audit_by_time (at>? AND at<?)"),
        (AuditQuery { space: Some("root".parse().unwrap()), ..none.clone() }, "PRIMARY KEY (space=?)"),
        (AuditQuery { newer_than: Some(AuditId(7)), ..none.clone() }, "INTEGER PRIMARY KEY (rowid>?)"),
        (AuditQuery { changed_after: Some(crate::model::Revision(7)), ..none }, "INTEGER PRIMARY KEY (rowid>?)"),
    ] {
        let explain = format!("EXPLAIN QUERY PLAN {}", page(&wanted).sqlite);
        let steps = sqlx::query(AssertSqlSafe(explain)).fetch_all(&mut connection).await.unwrap();
        let steps: Vec<String> = steps.iter().map(|step| step.get("detail")).collect();
        assert!(steps.iter().any(|step| step.contains(index)), "{wanted:?}: {steps:#?}");
        assert!(!steps.iter().any(|step| step.starts_with("SCAN")), "{wanted:?}: {steps:#?}");
    }
    // Of several conditions, the one that holds for few leads; and what is looked through is what lies between two entries.
    let all = AuditQuery {
        actor: Some("system".to_owned()),
        action: Some("key.".to_owned()),
        resource: Some("root".to_owned()),
        space: Some("root".parse().unwrap()),
        since: Some(now),
        until: Some(now),
        query: Some("x".to_owned()),
        before: Some(AuditId(9)),
        newer_than: Some(AuditId(7)),
        ..AuditQuery::default()
    };
    for (few, index) in [
        (Few::Resource, "audit_by_resource (resource=?"),
        (Few::Actor, "audit_by_actor (actor=?"),
        (Few::Space, "SEARCH s USING PRIMARY KEY (space=?"),
        (Few::Action, "audit_by_action (action>? AND action<?"),
        (Few::Time, "audit_by_time (at>? AND at<?"),
    ] {
        for statement in [few.count(&all).unwrap(), page_of_few(&all, few)] {
            let steps = plan(&mut connection, &statement.sqlite).await;
            assert!(steps.iter().any(|step| step.contains(index)), "{few:?}: {steps:#?}");
            assert!(!steps.iter().any(|step| step.starts_with("SCAN") && !step.starts_with("SCAN few")), "{few:?}: {steps:#?}");
        }
    }
    let steps = plan(&mut connection, &part(&all).sqlite).await;
    assert!(steps.iter().any(|step| step.contains("SEARCH a USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)")), "{steps:#?}");
}
