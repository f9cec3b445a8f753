//! The audit, searched, and what is told in it though it is no change.

use jiff::Timestamp;

use super::backend::{At, Column as _, Connection, Transaction};
use super::rows::SqlRows;
use super::sql_store::SqlStore;
use super::statement::{Statement, query};
use super::text;
use crate::model::{AuditEntry, AuditId, AuditNote, Cause};
use crate::store::audit::{AuditOrder, AuditQuery};
use crate::store::error::StoreError;
use crate::store::{apply, stored};

impl SqlStore {
    /// A page of it. Only the conditions that are set stand in the statement: with all of them in it, and some always true, no index
    /// would be used for any.
    pub(super) async fn audited(&self, wanted: &AuditQuery) -> Result<Vec<AuditEntry>, StoreError> {
        self.all(page(wanted)).await
    }

    pub(super) async fn noted(&self, note: AuditNote, cause: &Cause) -> Result<Option<AuditId>, StoreError> {
        // Asked by whoever answers a request, so what needs no writing is found out without the writer.
        if matches!(note, AuditNote::SignIn { .. }) {
            let (actor, address) = (cause.actor.label(), cause.remote_ip.map(|address| address.to_string()));
            let mut lease = self.backend().reader().await?;
            let known = lease.connection().fetch(query(text::HAS_SIGNED_IN).bind(actor).bind(address)).await?;
            lease.give_back();
            if known.first().is_some_and(|row| bool::of(&**row, At::First) == Ok(true)) {
                return Ok(None);
            }
        }
        self.backend().settle().await?;
        let mut transaction = Transaction::writing(self.backend()).await?;
        let clock = self.time(transaction.connection()).await?;
        let id = apply::note(&mut SqlRows::new(transaction.connection()), note, cause, &clock).await?;
        if id.is_some() {
            self.backend().announce(transaction.connection()).await?;
        }
        transaction.commit().await?;
        self.backend().is_kept().await?;
        self.backend().committed();
        Ok(id)
    }

    pub(super) async fn tend(&self, keep_since: Option<Timestamp>) -> Result<u64, StoreError> {
        self.backend().settle().await?;
        let mut transaction = Transaction::writing(self.backend()).await?;
        let clock = self.time(transaction.connection()).await?;
        apply::tend(&mut SqlRows::new(transaction.connection()), &clock).await?;
        let gone = match keep_since {
            Some(since) => give_up(transaction.connection(), since).await?,
            None => 0,
        };
        transaction.commit().await?;
        Ok(gone)
    }
}

/// Some of the entries from before this time, from the beginning on: where a clock has gone back, an older one behind a newer one stays.
async fn give_up(connection: &mut dyn Connection, since: Timestamp) -> Result<u64, StoreError> {
    let rows = connection.fetch(query(text::LAST_TO_GIVE_UP).bind(stored::micros(since))).await?;
    let Some(last) = rows.first().map(|row| row.number(At::First)).transpose()?.flatten() else { return Ok(0) };
    connection.execute(query(text::KEEP_FIRST_CHANGE)).await?;
    connection.execute(query(text::SET_GIVEN_UP).bind(last)).await?;
    connection.execute(query(text::DELETE_SPACES_OF_ENTRIES).bind(last)).await?;
    connection.execute(query(text::DELETE_ENTRIES).bind(last)).await
}

/// The statement that reads a page.
pub(in crate::store) fn page(wanted: &AuditQuery) -> Statement {
    let AuditQuery { order, before, newer_than, changed_after, limit, actor, action, resource, space, since, until, query: sought } =
        wanted;
    let (mut page, id) = match space {
        Some(_) => (query(text::AUDIT_OF_SPACE), "s.entry"),
        None => (query(text::AUDIT), "a.id"),
    };
    if let Some(space) = space {
        page.push_same(" AND s.space = ").push_bind(space.as_str());
    }
    if let Some(before) = before {
        page.push_same(" AND ").push_same(id).push_same(" < ").push_bind(stored::audit_number(*before));
    }
    if let Some(seen) = newer_than {
        page.push_same(" AND ").push_same(id).push_same(" > ").push_bind(stored::audit_number(*seen));
    }
    if let Some(revision) = changed_after {
        // Later changes have later numbers.
        page.push_same(" AND a.revision IS NOT NULL AND ").push_same(id).push_same(" > ").push(text::LAST_ENTRY_BY);
        page.push_bind(stored::number(*revision)).push(text::LAST_ENTRY_BY_END);
    }
    if let Some(actor) = actor {
        page.push_same(" AND a.actor = ").push_bind(actor.as_str());
    }
    match action.as_deref().map(|action| (action, action.strip_suffix('.'))) {
        // Whatever begins with `key.`: the character after the full stop is the slash.
        Some((all, Some(noun))) => {
            page.push_same(" AND a.action >= ").push_bind(all).push_same(" AND a.action < ").push_bind(format!("{noun}/"));
        }
        Some((one, None)) => {
            page.push_same(" AND a.action = ").push_bind(one);
        }
        None => {}
    }
    if let Some(resource) = resource {
        page.push_same(" AND a.resource = ").push_bind(resource.as_str());
    }
    if let Some(since) = since {
        page.push_same(" AND a.at >= ").push_bind(stored::micros(*since));
    }
    if let Some(until) = until {
        page.push_same(" AND a.at < ").push_bind(stored::micros(*until));
    }
    if let Some(sought) = sought {
        let mut before = " AND (";
        for column in ["a.actor", "a.action", "a.resource"] {
            page.push_same(before).push(text::POSITION).push_same(column).push_same(", ").push_bind(sought.as_str()).push_same(") > 0");
            before = " OR ";
        }
        page.push_same(")");
    }
    let direction = match order {
        AuditOrder::NewestFirst => "DESC",
        AuditOrder::OldestFirst => "ASC",
    };
    page.push_same(" ORDER BY ").push_same(id).push_same(" ").push_same(direction).push_same(" LIMIT ").push_bind(*limit);
    page.push_same(") ORDER BY id ").push_same(direction);
    page
}
