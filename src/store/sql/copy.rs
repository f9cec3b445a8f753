//! A whole store, from one database into another one that holds nothing yet.
//!
//! What is read is one state, and what is written one transaction: revisions, digests, the audit with its hashes, the feed, what is
//! declared, all as they were. Who serves from the store is not copied: that each says of itself. Nor is who is signed in to the console:
//! a session that is ended in one of the two stores would go on in the other.

use super::backend::{At, Connection, Row, Transaction};
use super::sql_store::{SqlStore, only};
use super::statement::{Statement, Text, Value, query};
use super::text;
use crate::model::Revision;
use crate::store::error::{Conflict, StoreError};
use crate::store::stored;

/// How many rows are read, and written, at a time.
const PAGE: i64 = 200;

/// What stands in a column.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    Bytes,
    Flag,
}
use Kind::{Bytes, Flag, Number, Text as Words};

/// A table, the columns that its rows are found and ordered by first.
struct Table {
    name: &'static str,
    keys: usize,
    columns: &'static [(&'static str, Kind)],
}

/// Every table that is copied, what is referred to before what refers to it.
const TABLES: [Table; 19] = [
    table("state", 1, &[("one", Number), ("revision", Number), ("strategy", Words), ("strategy_revision", Number)]),
    table(
        "spaces",
        1,
        &[("id", Words), ("name", Words), ("description", Words), ("parent", Words), ("labels", Words), ("revision", Number)],
    ),
    table(
        "roles",
        1,
        &[("id", Words), ("name", Words), ("description", Words), ("actions", Words), ("system", Flag), ("revision", Number)],
    ),
    table("groups", 1, &[("name", Words), ("description", Words), ("revision", Number)]),
    table(
        "keys",
        1,
        &[
            ("id", Words),
            ("name", Words),
            ("description", Words),
            ("created_at", Number),
            ("expires_at", Number),
            ("disabled_at", Number),
            ("revoked_at", Number),
            ("revision", Number),
            ("is_first", Number),
        ],
    ),
    table(
        "secrets",
        1,
        &[("digest", Bytes), ("key_id", Words), ("ordinal", Number), ("created_at", Number), ("ends_at", Number), ("last_used_at", Number)],
    ),
    table("memberships", 2, &[("key_id", Words), ("group_name", Words)]),
    table(
        "bindings",
        1,
        &[
            ("id", Words),
            ("key_id", Words),
            ("group_name", Words),
            ("role", Words),
            ("space", Words),
            ("created_at", Number),
            ("revision", Number),
        ],
    ),
    table("policies", 1, &[("name", Words), ("source", Words), ("rego", Words), ("revision", Number)]),
    table("changes", 1, &[("revision", Number), ("at", Number), ("key_id", Words), ("digests", Bytes)]),
    table(
        "audit",
        1,
        &[
            ("id", Number),
            ("revision", Number),
            ("at", Number),
            ("actor", Words),
            ("remote_ip", Words),
            ("action", Words),
            ("resource", Words),
            ("before", Words),
            ("after", Words),
            ("request_id", Words),
            ("refused", Words),
            ("hash", Bytes),
        ],
    ),
    table("audit_spaces", 2, &[("space", Words), ("entry", Number)]),
    table("audit_given_up", 1, &[("one", Number), ("id", Number), ("hash", Bytes), ("revision", Number)]),
    table(
        "first_change",
        1,
        &[("one", Number), ("revision", Number), ("at", Number), ("action", Words), ("resource", Words), ("after", Words)],
    ),
    table("held_back", 1, &[("actor", Words), ("since", Number), ("until", Number), ("attempts", Number)]),
    table(
        "webhook",
        1,
        &[("one", Number), ("url", Words), ("secret_file", Words), ("sent", Number), ("holder", Words), ("held_until", Number)],
    ),
    table(
        "once",
        2,
        &[("actor", Words), ("key", Words), ("fingerprint", Bytes), ("revision", Number), ("resource", Words), ("at", Number)],
    ),
    table("managed", 2, &[("kind", Words), ("id", Words)]),
    table("samples", 1, &[("id", Number), ("at", Number), ("key_id", Words), ("key_name", Words), ("answer", Words), ("input", Words)]),
];

const fn table(name: &'static str, keys: usize, columns: &'static [(&'static str, Kind)]) -> Table {
    Table { name, keys, columns }
}

/// Makes `to`, which holds nothing yet, what `from` is; the last change that it has.
pub(in crate::store) async fn copy(from: &SqlStore, to: &SqlStore) -> Result<Revision, StoreError> {
    let mut reading = Transaction::reading(from.backend()).await?;
    let mut writing = Transaction::writing(to.backend()).await?;
    only::<Revision>(query(text::LOCK), writing.connection()).await?;
    let is_used = writing.connection().fetch(query(text::IS_USED)).await?;
    if is_used.first().map(|row| row.flag(At::First)).transpose()?.flatten() != Some(false) {
        return Err(Conflict::NotEmpty.into());
    }
    // What every store begins with comes from the other one, too.
    for table in TABLES.iter().rev() {
        writing.connection().execute(Statement::of(format!("DELETE FROM {}", table.name))).await?;
    }
    for table in &TABLES {
        let mut seen: Option<Vec<Value>> = None;
        loop {
            let rows = page(table, seen.as_deref(), reading.connection()).await?;
            let Some(last) = rows.last() else { break };
            seen = Some(last.iter().take(table.keys).cloned().collect());
            insert(table, in_order(table, rows), writing.connection()).await?;
        }
    }
    writing.connection().execute(query(text::SAMPLES_GO_ON)).await?;
    let revision: Revision = only(query(text::LAST_REVISION), writing.connection()).await?;
    to.backend().announce(writing.connection()).await?;
    writing.commit().await?;
    reading.commit().await?;
    to.backend().is_kept().await?;
    to.backend().committed();
    Ok(revision)
}

/// The rows after the one with these keys. All spaces at once: each is written after the one above it.
async fn page(table: &Table, seen: Option<&[Value]>, reading: &mut dyn Connection) -> Result<Vec<Vec<Value>>, StoreError> {
    let names = |columns: &[(&'static str, Kind)]| columns.iter().map(|column| column.0).collect::<Vec<_>>().join(", ");
    let keys = names(table.columns.get(..table.keys).unwrap_or_default());
    let is_whole = table.name == "spaces";
    if is_whole && seen.is_some() {
        return Ok(Vec::new());
    }
    let mut statement = Statement::of(format!("SELECT {} FROM {}", names(table.columns), table.name));
    if let Some(seen) = seen {
        statement.push_text(&format!(" WHERE ({keys}) > ("));
        list(&mut statement, seen.to_vec());
        statement.push_same(")");
    }
    statement.push_text(&format!(" ORDER BY {keys}"));
    if !is_whole {
        statement.push_same(" LIMIT ").push_bind(PAGE);
    }
    let rows = reading.fetch(statement).await?;
    rows.iter().map(|row| table.columns.iter().map(|(name, kind)| value(&**row, name, *kind)).collect()).collect()
}

fn value(row: &dyn Row, name: &str, kind: Kind) -> Result<Value, StoreError> {
    let at = At::Name(name);
    Ok(match kind {
        Words => Value::Text(row.text(at)?.map(str::to_owned)),
        Number => Value::Number(row.number(at)?),
        Bytes => Value::Bytes(row.bytes(at)?.map(<[u8]>::to_vec)),
        Flag => Value::Flag(row.flag(at)?.ok_or_else(|| stored::nonsense("a row", format_args!("its {name} is null")))?),
    })
}

/// Spaces with each after the one that it stands under; everything else as it comes.
fn in_order(table: &Table, rows: Vec<Vec<Value>>) -> Vec<Vec<Value>> {
    if table.name != "spaces" {
        return rows;
    }
    let text = |row: &[Value], at: usize| match row.get(at) {
        Some(Value::Text(text)) => text.clone(),
        Some(Value::Number(_) | Value::Bytes(_) | Value::Flag(_)) | None => None,
    };
    let (mut ordered, mut rest) = (Vec::with_capacity(rows.len()), rows);
    let mut known = std::collections::BTreeSet::from([None]);
    loop {
        let (ready, waiting): (Vec<_>, Vec<_>) = rest.into_iter().partition(|row| known.contains(&text(row, 3)));
        // What stands under nothing that is there is refused by whoever is told it.
        let is_last = ready.is_empty();
        known.extend(ready.iter().map(|row| text(row, 0)));
        ordered.extend(ready);
        rest = waiting;
        if is_last || rest.is_empty() {
            ordered.append(&mut rest);
            return ordered;
        }
    }
}

async fn insert(table: &Table, rows: Vec<Vec<Value>>, writing: &mut dyn Connection) -> Result<(), StoreError> {
    let names = table.columns.iter().map(|column| column.0).collect::<Vec<_>>().join(", ");
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let mut statement = Statement::of(format!("INSERT INTO {} ({names}) VALUES ", table.name));
        let mut before = "(";
        for row in rows.by_ref().take(usize::try_from(PAGE).unwrap_or(1)) {
            statement.push_same(before);
            list(&mut statement, row);
            statement.push_same(")");
            before = ", (";
        }
        writing.execute(statement).await?;
    }
    Ok(())
}

fn list(statement: &mut Statement, values: Vec<Value>) {
    let mut before = "";
    for value in values {
        statement.push(Text::same(before)).push_bind(value);
        before = ", ";
    }
}
