//! The audit, searched, and what is told in it though it is no change.
//!
//! An index has the entries of one actor, one action, one thing or one space in their order. Of a time, or of several conditions at once, it has not:
//! where one of them holds for few entries, these are read and put in order; where each holds for many, some that are wanted are come upon soon by
//! looking through all in their order.

use jiff::Timestamp;

use super::backend::{At, Column as _, Connection, Transaction};
use super::decode::{Link, RowCount};
use super::rows::SqlRows;
use super::sql_store::SqlStore;
use super::statement::{Statement, query};
use super::text;
use crate::model::{AuditEntry, AuditId, AuditNote, Cause};
use crate::store::audit::{AuditOrder, AuditQuery};
use crate::store::error::StoreError;
use crate::store::listing::{ENTRIES_LOOKED_THROUGH_AT_ONCE, FEW, LOOKED_AT_FIRST, ListPart};
use crate::store::{apply, stored};

impl SqlStore {
    /// A page of it. Only the conditions that are set stand in the statement: with all of them in it, and some always true, no index
    /// would be used for any.
    pub(super) async fn audited(&self, wanted: &AuditQuery) -> Result<Vec<AuditEntry>, StoreError> {
        match self.few(wanted).await? {
            Some(few) => self.all(page_of_few(wanted, few)).await,
            None => self.all(page(wanted)).await,
        }
    }

    /// The same, as far as it is found by looking through so many.
    pub(super) async fn audited_in_part(&self, wanted: &AuditQuery) -> Result<ListPart<AuditEntry, AuditId>, StoreError> {
        let to_the_end = |items: Vec<AuditEntry>| {
            let is_full = items.len() >= usize::try_from(wanted.limit).unwrap_or(usize::MAX);
            ListPart { looked_to: items.last().filter(|_| is_full).map(|entry| entry.id), items }
        };
        if is_in_order(wanted) {
            return Ok(to_the_end(self.all(page(wanted)).await?));
        }
        let ends = [AuditOrder::OldestFirst, AuditOrder::NewestFirst].map(|order| AuditQuery { order, limit: 1, ..AuditQuery::default() });
        let [oldest, newest] = ends.map(|end| page(&end));
        let (Some(oldest), Some(newest)) = (self.one::<Link>(oldest).await?, self.one::<Link>(newest).await?) else {
            return Ok(to_the_end(Vec::new()));
        };
        // Of a text alone there is nothing that could hold for few.
        if Few::ALL.into_iter().any(|few| few.count(wanted).is_some()) {
            let first = Span::of(wanted, (oldest.id, newest.id), LOOKED_AT_FIRST);
            let found = to_the_end(self.all(part(&first.within)).await?);
            if first.is_last || found.looked_to.is_some() {
                return Ok(found);
            }
            if let Some(few) = self.few(wanted).await? {
                return Ok(to_the_end(self.all(page_of_few(wanted, few)).await?));
            }
        }
        let span = Span::of(wanted, (oldest.id, newest.id), ENTRIES_LOOKED_THROUGH_AT_ONCE);
        let found = to_the_end(self.all(part(&span.within)).await?);
        let goes_on = !span.is_last && found.looked_to.is_none();
        Ok(ListPart { looked_to: if goes_on { Some(span.end) } else { found.looked_to }, items: found.items })
    }

    /// A condition that holds for few entries, if one has to be looked for.
    async fn few(&self, wanted: &AuditQuery) -> Result<Option<Few>, StoreError> {
        if is_in_order(wanted) {
            return Ok(None);
        }
        for few in Few::ALL {
            if let Some(count) = few.count(wanted)
                && self.one::<RowCount>(count).await?.is_some_and(|RowCount(count)| count <= u64::from(FEW))
            {
                return Ok(Some(few));
            }
        }
        Ok(None)
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

/// The next so many entries, in the order that is asked for.
struct Span {
    /// Those of them that are wanted.
    within: AuditQuery,
    /// The last of them.
    end: AuditId,
    /// There are none after them.
    is_last: bool,
}

impl Span {
    /// Numbers are given one after the other, so it is known which they are.
    fn of(wanted: &AuditQuery, (oldest, newest): (AuditId, AuditId), entries: u32) -> Self {
        let (entries, mut within) = (u64::from(entries), wanted.clone());
        let lower = wanted.newer_than.map_or(0, |seen| seen.0).max(oldest.0.saturating_sub(1));
        let upper = wanted.before.map_or(u64::MAX, |before| before.0).min(newest.0.saturating_add(1));
        let (end, is_last) = match wanted.order {
            AuditOrder::NewestFirst => {
                let end = upper.saturating_sub(entries);
                within.newer_than = Some(AuditId(lower.max(end.saturating_sub(1))));
                (end, end <= lower.saturating_add(1))
            }
            AuditOrder::OldestFirst => {
                let end = lower.saturating_add(entries);
                within.before = Some(AuditId(upper.min(end.saturating_add(1))));
                (end, end.saturating_add(1) >= upper)
            }
        };
        Self { within, end: AuditId(end), is_last }
    }
}

/// Whether an index has the wanted entries in their order: all of them, or those of one condition.
fn is_in_order(wanted: &AuditQuery) -> bool {
    let AuditQuery { actor, action, resource, space, since, until, query, changed_after, .. } = wanted;
    let begins_so = action.as_ref().is_some_and(|action| action.ends_with('.'));
    let conditions = [actor.is_some(), action.is_some(), resource.is_some(), space.is_some(), changed_after.is_some()];
    !begins_so && since.is_none() && until.is_none() && query.is_none() && conditions.into_iter().filter(|is_set| *is_set).count() <= 1
}

/// A condition that may hold for few entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Few {
    Resource,
    Actor,
    Space,
    Action,
    Time,
}

impl Few {
    pub(in crate::store) const ALL: [Self; 5] = [Self::Resource, Self::Actor, Self::Space, Self::Action, Self::Time];

    /// For how many it holds, but not more than one too many; `None`: it is not asked for.
    pub(in crate::store) fn count(self, wanted: &AuditQuery) -> Option<Statement> {
        let mut count = query(text::COUNT_OF_FEW);
        self.push(&mut count, wanted)?;
        count.push_same(" LIMIT ").push_bind(FEW + 1).push_same(") AS few");
        Some(count)
    }

    /// The entries that it holds for, by its index.
    fn push(self, statement: &mut Statement, wanted: &AuditQuery) -> Option<()> {
        let AuditQuery { actor, action, resource, space, since, until, .. } = wanted;
        match self {
            Self::Resource => push_same(statement.push(text::ENTRIES_OF_RESOURCE), "a.resource", resource.as_deref()?),
            Self::Actor => push_same(statement.push(text::ENTRIES_OF_ACTOR), "a.actor", actor.as_deref()?),
            Self::Space => push_same(statement.push(text::ENTRIES_OF_SPACE), "s.space", space.as_ref()?.as_str()),
            Self::Action => push_action(statement.push(text::ENTRIES_OF_ACTION), action.as_deref()?),
            Self::Time => {
                since.or(*until)?;
                push_time(statement.push(text::ENTRIES_OF_TIME), *since, *until);
            }
        }
        Some(())
    }
}

fn push_same(statement: &mut Statement, column: &'static str, value: &str) {
    statement.push_same(" AND ").push_same(column).push_same(" = ").push_bind(value);
}

fn push_action(statement: &mut Statement, action: &str) {
    match action.strip_suffix('.') {
        // Whatever begins with `key.`: the character after the full stop is the slash.
        Some(noun) => {
            statement.push_same(" AND a.action >= ").push_bind(action).push_same(" AND a.action < ").push_bind(format!("{noun}/"));
        }
        None => push_same(statement, "a.action", action),
    }
}

fn push_time(statement: &mut Statement, since: Option<Timestamp>, until: Option<Timestamp>) {
    if let Some(since) = since {
        statement.push_same(" AND a.at >= ").push_bind(stored::micros(since));
    }
    if let Some(until) = until {
        statement.push_same(" AND a.at < ").push_bind(stored::micros(until));
    }
}

/// The statement that reads a page of the few entries that this holds for.
pub(in crate::store) fn page_of_few(wanted: &AuditQuery, few: Few) -> Statement {
    let mut page = query(text::AUDIT_AMONG);
    few.push(&mut page, wanted).unwrap_or_default();
    page.push(text::END_OF_FEW);
    all_conditions(page, wanted)
}

/// The statement that looks through the entries between two, in their order.
pub(in crate::store) fn part(wanted: &AuditQuery) -> Statement {
    all_conditions(query(text::AUDIT_IN_PART), wanted)
}

/// The statement that reads a page.
pub(in crate::store) fn page(wanted: &AuditQuery) -> Statement {
    let (mut page, id) = match &wanted.space {
        Some(_) => (query(text::AUDIT_OF_SPACE), "s.entry"),
        None => (query(text::AUDIT), "a.id"),
    };
    if let Some(space) = &wanted.space {
        page.push_same(" AND s.space = ").push_bind(space.as_str());
    }
    conditions(page, id, wanted)
}

/// Where entries are not come upon by their space: that as well.
fn all_conditions(mut page: Statement, wanted: &AuditQuery) -> Statement {
    if let Some(space) = &wanted.space {
        page.push_same(" AND EXISTS (SELECT 1 FROM audit_spaces o WHERE o.entry = a.id AND o.space = ")
            .push_bind(space.as_str())
            .push_same(")");
    }
    conditions(page, "a.id", wanted)
}

fn conditions(mut page: Statement, id: &'static str, wanted: &AuditQuery) -> Statement {
    let AuditQuery { order, before, newer_than, changed_after, limit, actor, action, resource, space: _, since, until, query: sought } =
        wanted;
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
        push_same(&mut page, "a.actor", actor);
    }
    if let Some(action) = action {
        push_action(&mut page, action);
    }
    if let Some(resource) = resource {
        push_same(&mut page, "a.resource", resource);
    }
    push_time(&mut page, *since, *until);
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
