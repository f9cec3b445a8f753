//! Lists of keys and bindings, by what they are found by.
//!
//! Only the conditions that are set stand in a statement, so that each is found by its index. What no index knows is looked for in so many rows
//! at a time, in the order of ids: a search among millions is many short statements, and who has to be let in need not wait for its end.

use std::fmt::Display;

use super::decode::FromRow;
use super::sql_store::SqlStore;
use super::statement::{Statement, Text, query};
use super::text;
use crate::model::{Binding, BindingId, KeyId, KeyRecord};
use crate::store::error::StoreError;
use crate::store::listing::{BindingFilter, KeyFilter, LOOKED_THROUGH_AT_ONCE, ListPart};

impl SqlStore {
    pub(super) async fn keys_found(&self, wanted: &KeyFilter) -> Result<ListPart<KeyRecord, KeyId>, StoreError> {
        let end = match (&wanted.query, &wanted.group) {
            (None, _) => None,
            (Some(_), None) => self.end_of_part(query(text::END_OF_KEYS), wanted.after).await?,
            (Some(_), Some(group)) => self.end_of_part(query(text::END_OF_MEMBERS).bind(group.as_str()), wanted.after).await?,
        };
        let items: Vec<KeyRecord> = self.all(keys_page(wanted, end)).await?;
        Ok(part(items, wanted.limit, end, |key| key.id))
    }

    pub(super) async fn bindings_found(&self, wanted: &BindingFilter) -> Result<ListPart<Binding, BindingId>, StoreError> {
        let BindingFilter { key, group, role, space, query: sought, .. } = wanted;
        let is_known = key.is_some() || group.is_some() || space.is_some();
        let end = if !is_known && (role.is_some() || sought.is_some()) {
            self.end_of_part(query(text::END_OF_BINDINGS), wanted.after).await?
        } else {
            None
        };
        let items: Vec<Binding> = self.all(bindings_page(wanted, end)).await?;
        Ok(part(items, wanted.limit, end, |binding| binding.id))
    }

    /// The last of the next rows that are looked through; `None`: they are fewer.
    async fn end_of_part<A: FromRow + Display>(&self, mut question: Statement, after: Option<A>) -> Result<Option<A>, StoreError> {
        question.push_bind(named(after));
        question.push(text::END).push_bind(LOOKED_THROUGH_AT_ONCE - 1);
        self.one(question).await
    }
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

/// The statement that reads a page of keys; `end`: the last that is looked at.
pub(in crate::store) fn keys_page(wanted: &KeyFilter, end: Option<KeyId>) -> Statement {
    let KeyFilter { after, limit, group, query: sought } = wanted;
    let (mut page, id) = match group {
        Some(_) => (query(text::KEYS_OF_GROUP), "m.key_id"),
        None => (query(text::ALL_KEYS), "k.id"),
    };
    if let Some(group) = group {
        page.push_same(" AND m.group_name = ").push_bind(group.as_str());
    }
    page.push_same(" AND ").push_same(id).push_same(" > ").push_bind(named(*after));
    if let Some(end) = end {
        page.push_same(" AND ").push_same(id).push_same(" <= ").push_bind(end.to_string());
    }
    if let Some(sought) = sought {
        page.push_same(" AND ").push(text::POSITION).push_same("k.name, ").push_bind(sought.as_str()).push_same(") > 0");
    }
    page.push_same(" ORDER BY ").push_same(id).push_same(" LIMIT ").push_bind(*limit);
    page
}

/// The statement that reads a page of bindings; `end`: the last that is looked at.
pub(in crate::store) fn bindings_page(wanted: &BindingFilter, end: Option<BindingId>) -> Statement {
    let BindingFilter { after, limit, key, group, role, space, query: sought } = wanted;
    let mut page = query(match (key, group, role, space) {
        (Some(_), _, _, _) => text::BINDINGS_OF_KEY,
        (None, Some(_), _, _) => text::BINDINGS_OF_GROUP,
        (None, None, Some(_), Some(_)) => text::BINDINGS_OF_ROLE,
        (None, None, None, Some(_)) => text::BINDINGS_IN_SPACE,
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
