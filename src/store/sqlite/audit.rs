//! The audit, searched, and what is told in it though it is no change.

use jiff::Timestamp;
use sqlx::{Connection as _, QueryBuilder, Sqlite, SqliteConnection, query, query_scalar};

use super::rows::SqliteRows;
use super::{BEGIN_WRITE, SqliteStore, sql};
use crate::model::{AuditEntry, AuditId, AuditNote, Cause};
use crate::store::{AuditOrder, AuditQuery, StoreError, apply, stored};

impl SqliteStore {
    /// A page of it. Only the conditions that are set stand in the statement: with all of them in it, and some always true, no index
    /// would be used for any.
    pub(super) async fn audited(&self, wanted: &AuditQuery) -> Result<Vec<AuditEntry>, StoreError> {
        let mut page = page(wanted);
        self.all(page.build()).await
    }

    pub(super) async fn noted(&self, note: AuditNote, cause: &Cause) -> Result<Option<AuditId>, StoreError> {
        // Asked by whoever answers a request, so what needs no writing is found out without the writer.
        if matches!(note, AuditNote::SignIn { .. }) {
            let (actor, address) = (cause.actor.label(), cause.remote_ip.map(|address| address.to_string()));
            let mut lease = self.readers.lease().await?;
            let known: bool = query_scalar(sql::HAS_SIGNED_IN).bind(actor).bind(address).fetch_one(lease.connection()).await?;
            lease.give_back();
            if known {
                return Ok(None);
            }
        }
        self.keep_to_file().await?;
        let mut lease = self.writer.lease().await?;
        let mut transaction = lease.connection().begin_with(BEGIN_WRITE).await?;
        let id = apply::note(&mut SqliteRows::new(&mut transaction), note, cause, self.clock.now().wall).await?;
        transaction.commit().await?;
        lease.give_back();
        self.guard.is_here().await?;
        self.watch.committed();
        Ok(id)
    }

    pub(super) async fn tend(&self, keep_since: Option<Timestamp>) -> Result<u64, StoreError> {
        self.keep_to_file().await?;
        let mut lease = self.writer.lease().await?;
        let mut transaction = lease.connection().begin_with(BEGIN_WRITE).await?;
        apply::tell_held_back(&mut SqliteRows::new(&mut transaction), self.clock.now().wall).await?;
        let gone = match keep_since {
            Some(since) => give_up(&mut transaction, since).await?,
            None => 0,
        };
        transaction.commit().await?;
        lease.give_back();
        Ok(gone)
    }
}

/// Some of the entries from before this time, from the beginning on: where a clock has gone back, an older one behind a newer one stays.
async fn give_up(transaction: &mut SqliteConnection, since: Timestamp) -> Result<u64, StoreError> {
    let last: Option<i64> = query_scalar(sql::LAST_TO_GIVE_UP).bind(stored::micros(since)).fetch_one(&mut *transaction).await?;
    let Some(last) = last else { return Ok(0) };
    query(sql::KEEP_FIRST_CHANGE).execute(&mut *transaction).await?;
    query(sql::SET_GIVEN_UP).bind(last).execute(&mut *transaction).await?;
    query(sql::DELETE_SPACES_OF_ENTRIES).bind(last).execute(&mut *transaction).await?;
    Ok(query(sql::DELETE_ENTRIES).bind(last).execute(transaction).await?.rows_affected())
}

fn page(wanted: &AuditQuery) -> QueryBuilder<Sqlite> {
    let AuditQuery { order, before, newer_than, changed_after, limit, actor, action, resource, space, since, until, query } = wanted;
    let mut page = QueryBuilder::new(if space.is_some() { sql::AUDIT_OF_SPACE } else { sql::AUDIT });
    let id = if space.is_some() { "s.entry" } else { "a.id" };
    if let Some(space) = space {
        page.push(" AND s.space = ").push_bind(space.as_str().to_owned());
    }
    if let Some(before) = before {
        page.push(format_args!(" AND {id} < ")).push_bind(stored::audit_number(*before));
    }
    if let Some(seen) = newer_than {
        page.push(format_args!(" AND {id} > ")).push_bind(stored::audit_number(*seen));
    }
    if let Some(revision) = changed_after {
        // Later changes have later numbers.
        page.push(" AND a.revision IS NOT NULL").push(format_args!(" AND {id} > ")).push(sql::LAST_ENTRY_BY);
        page.push_bind(stored::number(*revision)).push(sql::LAST_ENTRY_BY_END);
    }
    if let Some(actor) = actor {
        page.push(" AND a.actor = ").push_bind(actor.clone());
    }
    match action.as_deref().map(|action| (action, action.strip_suffix('.'))) {
        // Whatever begins with `key.`: the character after the full stop is the slash.
        Some((all, Some(noun))) => {
            page.push(" AND a.action >= ").push_bind(all.to_owned()).push(" AND a.action < ").push_bind(format!("{noun}/"));
        }
        Some((one, None)) => {
            page.push(" AND a.action = ").push_bind(one.to_owned());
        }
        None => {}
    }
    if let Some(resource) = resource {
        page.push(" AND a.resource = ").push_bind(resource.clone());
    }
    if let Some(since) = since {
        page.push(" AND a.at >= ").push_bind(stored::micros(*since));
    }
    if let Some(until) = until {
        page.push(" AND a.at < ").push_bind(stored::micros(*until));
    }
    if let Some(text) = query {
        page.push(" AND (instr(a.actor, ").push_bind(text.clone()).push(") > 0 OR instr(a.action, ").push_bind(text.clone());
        page.push(") > 0 OR instr(a.resource, ").push_bind(text.clone()).push(") > 0)");
    }
    let direction = match order {
        AuditOrder::NewestFirst => "DESC",
        AuditOrder::OldestFirst => "ASC",
    };
    page.push(format_args!(" ORDER BY {id} {direction} LIMIT ")).push_bind(i64::from(*limit));
    page.push(format_args!(") ORDER BY id {direction}"));
    page
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sqlx::{AssertSqlSafe, Row as _};

    use super::*;
    use crate::model::Strategy;

    #[tokio::test]
    async fn every_filter_goes_down_an_index() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("claviger.db");
        let (_, mut connection) = super::super::opening::open(&path, Strategy::Combined, Duration::ZERO).await.unwrap();
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
            let explain = format!("EXPLAIN QUERY PLAN {}", page(&wanted).sql().as_str());
            let steps = query(AssertSqlSafe(explain)).fetch_all(&mut connection).await.unwrap();
            let steps: Vec<String> = steps.iter().map(|step| step.get("detail")).collect();
            assert!(steps.iter().any(|step| step.contains(index)), "{wanted:?}: {steps:#?}");
            assert!(!steps.iter().any(|step| step.starts_with("SCAN")), "{wanted:?}: {steps:#?}");
        }
    }
}
