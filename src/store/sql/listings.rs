//! Lists of keys and bindings, by what they are found by.
//!
//! Only the conditions that are set stand in a statement, so that each is found by its index. What no index knows in the order of the list is looked
//! for in so many rows at a time, in the order of ids: a search among millions is many short statements, and who has to be let in need not wait for
//! its end. Where that finds too little, and an index knows that there are few in all, they are read down the index and put in order.

use std::fmt::Display;
use std::sync::Arc;

use super::decode::{FromRow, NamedKey, Sieved};
use super::sieve::Sieve;
use super::sql_store::SqlStore;
use super::statement::{Statement, Text, query};
use super::text;
use crate::model::{Binding, BindingId, KeyId, KeyRecord, KeyState};
use crate::store::error::StoreError;
use crate::store::listing::{BindingFilter, FEW, KeyFilter, LOOKED_AT_FIRST, LOOKED_THROUGH_AT_ONCE, ListPart, NeverUsed, StateWanted};
use crate::store::stored;

impl SqlStore {
    pub(super) async fn keys_found(&self, wanted: &KeyFilter) -> Result<ListPart<KeyRecord, KeyId>, StoreError> {
        let Some(question) = end_of_keys(wanted) else {
            let items: Vec<KeyRecord> = self.all(keys_page(wanted, None)).await?;
            return Ok(part(items, wanted.limit, None, |key| key.id));
        };
        let at_once = wanted.among.unwrap_or(LOOKED_THROUGH_AT_ONCE).min(LOOKED_THROUGH_AT_ONCE);
        // Of a state that no index knows, as of active keys, a page is nearly always among the first; of a text, seldom.
        if wanted.query.is_some() && !Sieve::may_know(wanted) {
            let (Walked::Enough(found) | Walked::GoesOn(found)) = self.keys_among(wanted, question, at_once).await?;
            return Ok(found);
        }
        // What many have is come upon at once; what few have, an index may know; and what neither is so is looked for further on.
        let first = match self.keys_among(wanted, question.clone(), LOOKED_AT_FIRST.min(at_once)).await? {
            Walked::Enough(found) => return Ok(found),
            Walked::GoesOn(found) => found,
        };
        for sieve in self.sieves(wanted).await? {
            let sieved: Vec<Sieved> = self.all(keys_sieved(wanted, &sieve)).await?;
            if sieved.iter().all(|Sieved { among, .. }| *among <= u64::from(FEW)) {
                let items = sieved.into_iter().filter_map(|sieved| sieved.key).collect();
                return Ok(part(items, wanted.limit, None, |key| key.id));
            }
        }
        let ListPart { mut items, looked_to } = first;
        let still = wanted.limit.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
        let rest = KeyFilter { after: looked_to, limit: still, ..wanted.clone() };
        let further = self.keys_among(&rest, question, at_once.saturating_sub(LOOKED_AT_FIRST)).await?;
        let (Walked::Enough(found) | Walked::GoesOn(found)) = further;
        items.extend(found.items);
        Ok(ListPart { items, looked_to: found.looked_to })
    }

    /// What knows them all, if they may be few: the first is the soonest to be asked.
    async fn sieves(&self, wanted: &KeyFilter) -> Result<Vec<Sieve>, StoreError> {
        let some = if Sieve::depends_on_names(wanted) { self.some_names().await? } else { Arc::default() };
        Ok(Sieve::of(wanted, &some))
    }

    /// Some names, as they are or were a moment ago: each is a page of the store, and what they are asked is a guess.
    async fn some_names(&self) -> Result<Arc<Vec<NamedKey>>, StoreError> {
        let (moves, now) = (self.backend().moves(), self.clock().monotonic());
        if let Some(some) = self.names().known(moves, now) {
            return Ok(some);
        }
        let some = Arc::new(self.all(query(text::SOME_NAMES)).await?);
        self.names().keep(moves, now, &some);
        Ok(some)
    }

    /// Those that are among so many of the next ones.
    async fn keys_among(&self, wanted: &KeyFilter, question: Statement, rows: u32) -> Result<Walked, StoreError> {
        let end = self.end_of_part(question, wanted.after, rows).await?;
        let items: Vec<KeyRecord> = self.all(keys_page(wanted, end)).await?;
        let found = part(items, wanted.limit, end, |key| key.id);
        Ok(if end.is_some() && found.looked_to == end { Walked::GoesOn(found) } else { Walked::Enough(found) })
    }

    pub(super) async fn bindings_found(&self, wanted: &BindingFilter) -> Result<ListPart<Binding, BindingId>, StoreError> {
        let BindingFilter { key, group, role: _, space, query: sought, .. } = wanted;
        let is_known = key.is_some() || group.is_some() || space.is_some();
        let end = if !is_known && sought.is_some() {
            self.end_of_part(query(text::END_OF_BINDINGS), wanted.after, LOOKED_THROUGH_AT_ONCE).await?
        } else {
            None
        };
        let items: Vec<Binding> = self.all(bindings_page(wanted, end)).await?;
        Ok(part(items, wanted.limit, end, |binding| binding.id))
    }

    pub(super) async fn never_used(&self, wanted: &NeverUsed) -> Result<ListPart<KeyRecord, KeyId>, StoreError> {
        let end = self.end_of_part(query(text::END_OF_KEYS_NOT_REVOKED), None, wanted.among).await?;
        let items: Vec<KeyRecord> = self.all(never_used_page(wanted, end)).await?;
        Ok(part(items, wanted.limit, end, |key| key.id))
    }

    /// The last of the next rows that are looked through; `None`: they are fewer.
    async fn end_of_part<A: FromRow + Display>(
        &self,
        mut question: Statement,
        after: Option<A>,
        rows: u32,
    ) -> Result<Option<A>, StoreError> {
        question.push_bind(named(after));
        question.push(text::END).push_bind(rows.saturating_sub(1));
        self.one(question).await
    }
}

/// How a part of a walk has ended.
enum Walked {
    /// With a full page, or with the last of all.
    Enough(ListPart<KeyRecord, KeyId>),
    /// With less than was wanted.
    GoesOn(ListPart<KeyRecord, KeyId>),
}

/// What an id is called, or what is before all of them.
fn named(id: Option<impl Display>) -> String {
    id.map_or_else(String::new, |id| id.to_string())
}

fn part<T, A: Copy>(items: Vec<T>, limit: u32, end: Option<A>, id: impl Fn(&T) -> A) -> ListPart<T, A> {
    let is_full = items.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let looked_to = if is_full { items.last().map(id) } else { end };
    ListPart { items, looked_to }
}

/// The rows that are walked through for keys like this, and their ids after one that follows: those that an index has in the order of ids.
fn rows_of(wanted: &KeyFilter) -> (Text, Text) {
    match wanted.state {
        StateWanted::Any => (text::ALL_KEYS, text::END_OF_KEYS),
        // Each row is read for its name: in the order in which they stand that takes a quarter of the time that it takes by an index.
        StateWanted::NotRevoked | StateWanted::In(KeyState::Active | KeyState::Expired) if wanted.query.is_some() => {
            (text::ALL_KEYS, text::END_OF_KEYS)
        }
        StateWanted::NotRevoked | StateWanted::In(KeyState::Active | KeyState::Expired) => {
            (text::KEYS_NOT_REVOKED, text::END_OF_KEYS_NOT_REVOKED)
        }
        StateWanted::In(KeyState::Disabled) => (text::KEYS_DISABLED, text::END_OF_KEYS_DISABLED),
        StateWanted::In(KeyState::Revoked) => (text::KEYS_REVOKED, text::END_OF_KEYS_REVOKED),
    }
}

/// Where a part of the walk ends, if not every row of it is one that is wanted.
fn end_of_keys(wanted: &KeyFilter) -> Option<Statement> {
    let is_every_row = match wanted.state {
        StateWanted::Any => true,
        StateWanted::NotRevoked | StateWanted::In(KeyState::Revoked) => wanted.group.is_none(),
        StateWanted::In(KeyState::Active | KeyState::Disabled | KeyState::Expired) => false,
    };
    if is_every_row && wanted.query.is_none() {
        return None;
    }
    Some(match &wanted.group {
        Some(group) => query(text::END_OF_MEMBERS).bind(group.as_str()),
        None => query(rows_of(wanted).1),
    })
}

/// Rows called so are in the state.
fn push_state(statement: &mut Statement, row: &str, wanted: &KeyFilter) {
    let now = stored::micros(wanted.now);
    let state = match wanted.state {
        StateWanted::Any => return,
        StateWanted::NotRevoked => None,
        StateWanted::In(state) => Some(state),
    };
    let revoked = if state == Some(KeyState::Revoked) { "NOT NULL" } else { "NULL" };
    statement.push(text::AND_NOT_BY_INDEX).push_text(&format!("{row}.revoked_at IS {revoked}"));
    match state {
        None | Some(KeyState::Revoked) => {}
        Some(KeyState::Expired) => {
            statement.push_text(&format!(" AND {row}.expires_at <= ")).push_bind(now);
        }
        Some(state @ (KeyState::Active | KeyState::Disabled)) => {
            let disabled = if state == KeyState::Disabled { "NOT NULL" } else { "NULL" };
            statement.push_text(&format!(" AND {row}.disabled_at IS {disabled} AND ({row}.expires_at IS NULL OR {row}.expires_at > "));
            statement.push_bind(now).push_same(")");
        }
    }
}

/// The text stands in the name in rows called so.
fn push_sought(statement: &mut Statement, row: &str, wanted: &KeyFilter) {
    if let Some(sought) = &wanted.query {
        statement.push_same(" AND ").push(text::POSITION).push_text(&format!("{row}.name, ")).push_bind(sought.as_str()).push_same(") > 0");
    }
}

/// The statement that reads a page of keys; `end`: the last that is looked at.
pub(in crate::store) fn keys_page(wanted: &KeyFilter, end: Option<KeyId>) -> Statement {
    let KeyFilter { after, limit, group, .. } = wanted;
    let (mut page, id) = match group {
        Some(_) => (query(text::KEYS_OF_GROUP), "m.key_id"),
        None => (query(rows_of(wanted).0), "k.id"),
    };
    if let Some(group) = group {
        page.push_same(" AND m.group_name = ").push_bind(group.as_str());
    }
    page.push_same(" AND ").push_same(id).push_same(" > ").push_bind(named(*after));
    if let Some(end) = end {
        page.push_same(" AND ").push_same(id).push_same(" <= ").push_bind(end.to_string());
    }
    push_state(&mut page, "k", wanted);
    push_sought(&mut page, "k", wanted);
    page.push_same(" ORDER BY ").push_same(id).push_same(" LIMIT ").push_bind(*limit);
    page
}

/// The statement that reads a page of the few keys that this lets through, and how many those are; but if they are not few, no key.
pub(in crate::store) fn keys_sieved(wanted: &KeyFilter, sieve: &Sieve) -> Statement {
    let KeyFilter { after, limit, group, .. } = wanted;
    let mut page = query(text::WITH_FEW);
    sieve.push_few(&mut page);
    page.push_same(" LIMIT ").push_bind(FEW + 1).push(text::KEYS_AMONG_FEW).push(sieve.rows());
    page.push(text::IF_FEW).push_bind(FEW).push_same(" AND c.id > ").push_bind(named(*after));
    push_state(&mut page, "c", wanted);
    push_sought(&mut page, "c", wanted);
    if let Some(group) = group {
        page.push_same(" AND EXISTS (SELECT 1 FROM memberships m WHERE m.key_id = c.id AND m.group_name = ");
        page.push_bind(group.as_str()).push_same(")");
    }
    page.push_same(" ORDER BY c.id LIMIT ").push_bind(*limit).push(text::KEYS_CHOSEN);
    page
}

/// The statement that reads keys that were never used; `end`: the last that is looked at.
pub(in crate::store) fn never_used_page(wanted: &NeverUsed, end: Option<KeyId>) -> Statement {
    let NeverUsed { now, made_before, ends_not_before, limit, .. } = *wanted;
    let active = KeyFilter { state: StateWanted::In(KeyState::Active), now, ..KeyFilter::default() };
    let mut page = query(text::KEYS_NOT_REVOKED);
    if let Some(end) = end {
        page.push_same(" AND k.id <= ").push_bind(end.to_string());
    }
    push_state(&mut page, "k", &active);
    page.push_same(" AND (k.expires_at IS NULL OR k.expires_at >= ").push_bind(stored::micros(ends_not_before)).push_same(")");
    page.push_same(" AND k.created_at < ").push_bind(stored::micros(made_before));
    page.push(text::NEVER_USED).push_same(" ORDER BY k.id LIMIT ").push_bind(limit);
    page
}

/// The statement that reads a page of bindings; `end`: the last that is looked at.
pub(in crate::store) fn bindings_page(wanted: &BindingFilter, end: Option<BindingId>) -> Statement {
    let BindingFilter { after, limit, key, group, role, space, query: sought } = wanted;
    let mut page = query(match (key, group, role, space) {
        (Some(_), _, _, _) => text::BINDINGS_OF_KEY,
        (None, Some(_), _, _) => text::BINDINGS_OF_GROUP,
        (None, None, Some(_), Some(_)) => text::BINDINGS_OF_ROLE_IN_SPACE,
        (None, None, None, Some(_)) => text::BINDINGS_IN_SPACE,
        (None, None, Some(_), None) if end.is_none() => text::BINDINGS_OF_ROLE,
        (None, None, _, None) => text::ALL_BINDINGS,
    });
    if sought.is_some() {
        page.push_same(" LEFT JOIN keys k ON k.id = b.key_id");
    }
    page.push_same(" WHERE b.id > ").push_bind(named(*after));
    if let Some(end) = end {
        page.push_same(" AND b.id <= ").push_bind(end.to_string());
    }
    if let Some(key) = key {
        page.push_same(" AND b.key_id = ").push_bind(key.to_string());
    }
    if let Some(group) = group {
        page.push_same(" AND b.group_name = ").push_bind(group.as_str());
    }
    if let Some(role) = role {
        let column = if end.is_some() { text::ROLE_LOOKED_THROUGH } else { Text::same("b.role") };
        page.push_same(" AND ").push(column).push_same(" = ").push_bind(role.as_str());
    }
    if let Some(space) = space {
        page.push_same(" AND b.space = ").push_bind(space.as_str());
    }
    if let Some(sought) = sought {
        let mut before = " AND (";
        for column in ["coalesce(b.group_name, b.key_id)", "coalesce(k.name, '')", "b.role", "b.space"] {
            page.push_same(before).push(text::POSITION).push_same(column).push_same(", ").push_bind(sought.as_str()).push_same(") > 0");
            before = " OR ";
        }
        page.push_same(")");
    }
    page.push_same(" ORDER BY b.id LIMIT ").push_bind(*limit);
    page
}
