//! Fills a store with any number of keys, as the rules of changes would, and a hundred times as fast.
//!
//! What there is one of for many keys (spaces, roles, groups and their bindings) and the first key are made by the rules. The other keys are rows
//! that are written as they are: each was made by the system, one after the other, with a binding in each of three spaces, and a group. A test makes
//! a small store in both ways, and finds no difference (`tests/it/store/bulk.rs`).

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use claviger::clock::Clock;
use claviger::config::{PostgresHost, PostgresSettings, StoreUrl};
use claviger::model::{
    AuditEntry, AuditId, BindingId, Cause, EntryHash, GroupName, KeyBinding, KeyDigest, KeyId, Mutation, NewKey, PlainKey, Revision,
    RoleId, Space, SpaceId, Strategy, Subject,
};
use claviger::store::{self, AuditQuery, Store};
use jiff::Timestamp;
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, SqliteConnection};

/// How many keys there are for each space, and for each group.
const KEYS_OF_SPACE: u64 = 100;
const KEYS_OF_GROUP: u64 = 200;
/// Roles that are not the system's.
const ROLES: u64 = 20;
/// Bindings of each key.
const BINDINGS: u64 = 3;
/// How many changes a store keeps.
const CHANGES_KEPT: u64 = 10_000;
/// Mutations at a time, and rows.
const BATCH: u64 = 500;

/// By which way keys become rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// As everybody makes them.
    Rules,
    /// As rows.
    Rows,
}

/// The text of one of the keys, counted from 0, which is the same in every store.
pub(crate) fn text_of(number: u64) -> PlainKey {
    PlainKey::generate(key_id(number), &spread(number, 1))
}

/// The text of the key that may do everything.
pub(crate) fn root_text() -> PlainKey {
    PlainKey::generate(KeyId::new(0, 0), &spread(u64::MAX, 1))
}

/// Makes an empty store one of so many keys.
///
/// # Errors
/// It is not empty, or cannot be written to.
pub(crate) async fn fill(url: &StoreUrl, keys: u64, way: Way, clock: Arc<dyn Clock>) -> anyhow::Result<()> {
    let store = store::open(url, Strategy::Combined, Arc::clone(&clock)).await?;
    make(&*store, shared(keys)?).await?;
    match way {
        Way::Rules => {
            for from in (0..keys).step_by(usize::try_from(BATCH)?) {
                let some = (from..keys.min(from + BATCH)).map(|number| Ok(Mutation::CreateKey(new_key(number, keys)?)));
                make(&*store, some.collect::<anyhow::Result<_>>()?).await?;
            }
            store.close().await;
            Ok(())
        }
        Way::Rows => {
            let last = store.audit(&AuditQuery { limit: 1, ..AuditQuery::default() }).await?;
            let last = last.into_iter().next().context("the audit is empty")?;
            store.close().await;
            let at = Timestamp::from_microsecond(clock.now().wall.as_microsecond())?;
            let mut sink = Sink::open(url).await?;
            write(&mut sink, keys, &last, at).await?;
            sink.close().await
        }
    }
}

async fn make(store: &dyn Store, mutations: Vec<Mutation>) -> anyhow::Result<()> {
    let mut mutations = mutations.into_iter().peekable();
    while mutations.peek().is_some() {
        let some = mutations.by_ref().take(usize::try_from(BATCH)?).collect();
        store.apply_all(some, &Cause::SYSTEM, None).await.map_err(|refused| refused.error)?;
    }
    Ok(())
}

/// A space of the second level stands below one of ten.
fn shared(keys: u64) -> anyhow::Result<Vec<Mutation>> {
    let mut all = vec![Mutation::Bootstrap(NewKey {
        id: KeyId::new(0, 0),
        name: "first".parse()?,
        description: String::new(),
        groups: Vec::new(),
        expires_at: None,
        digest: KeyDigest::of(&root_text()),
        bindings: Vec::new(),
    })];
    for number in 0..ROLES {
        let actions = ["read", "write"].map(|verb| format!("thing-{number}:{verb}").parse());
        all.push(Mutation::CreateRole {
            id: role(number)?,
            name: format!("Role {number}"),
            description: String::new(),
            actions: actions.into_iter().collect::<Result<_, _>>()?,
        });
    }
    let spaces = spaces(keys);
    for number in 0..spaces {
        let parent = if number < 10 { SpaceId::root() } else { space(number % 10)? };
        let id = space(number)?;
        all.push(Mutation::CreateSpace(Space {
            name: format!("Space {number}"),
            id,
            description: String::new(),
            parent: Some(parent),
            labels: Vec::new(),
        }));
    }
    for number in 0..groups(keys) {
        let name: GroupName = group(number).parse()?;
        all.push(Mutation::CreateGroup { name: name.clone(), description: String::new() });
        all.push(Mutation::CreateBinding {
            id: BindingId::new(number, u128::from_be_bytes(half(spread(number, 2)))),
            subject: Subject::Group(name),
            role: role(number % ROLES)?,
            space: space(number % spaces)?,
        });
    }
    Ok(all)
}

/// At least as many as a page shows: one page is to be as long as the other.
fn spaces(keys: u64) -> u64 {
    (keys / KEYS_OF_SPACE).max(100)
}

fn groups(keys: u64) -> u64 {
    (keys / KEYS_OF_GROUP).max(1)
}

fn space(number: u64) -> anyhow::Result<SpaceId> {
    Ok(format!("space-{number}").parse()?)
}

fn role(number: u64) -> anyhow::Result<RoleId> {
    Ok(format!("role-{number}").parse()?)
}

fn group(number: u64) -> String {
    format!("group-{number}")
}

/// Later keys have later ids.
fn key_id(number: u64) -> KeyId {
    KeyId::new(1_700_000_000_000 + number, u128::from_be_bytes(half(spread(number, 0))))
}

/// Bits that look like any others, and are the same every time.
fn spread(number: u64, what: u8) -> [u8; 32] {
    let text = PlainKey::generate(KeyId::new(0, number.into()), &[what; 32]);
    *KeyDigest::of(&text).as_bytes()
}

fn half(bytes: [u8; 32]) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(bytes.split_at(16).0);
    half
}

fn new_key(number: u64, keys: u64) -> anyhow::Result<NewKey> {
    let spaces = spaces(keys);
    let mut bindings = Vec::new();
    for which in 0..BINDINGS {
        let id = BindingId::new(1_700_000_000_000 + number, u128::from_be_bytes(half(spread(number, 3 + u8::try_from(which)?))));
        bindings.push((id, role((number + which) % ROLES)?, space((number + which * 7) % spaces)?));
    }
    Ok(NewKey {
        id: key_id(number),
        name: format!("service-{number:07}").parse()?,
        description: String::new(),
        groups: vec![group(number % groups(keys)).parse()?],
        expires_at: None,
        digest: KeyDigest::of(&text_of(number)),
        bindings,
    })
}

/// What stands in a column.
enum Cell {
    Text(String),
    Number(i64),
    Bytes(Vec<u8>),
    Nothing,
}

type Rows = Vec<Vec<Cell>>;

/// What is written of keys, each table after those that it refers to.
const TABLES: [(&str, &str); 7] = [
    ("keys", "id, name, description, created_at, expires_at, disabled_at, revoked_at, revision, is_first"),
    ("secrets", "digest, key_id, ordinal, created_at, ends_at, last_used_at"),
    ("memberships", "key_id, group_name"),
    ("bindings", "id, key_id, group_name, role, space, created_at, revision"),
    ("changes", "revision, at, key_id, digests"),
    ("audit", "id, revision, at, actor, remote_ip, action, resource, before, after, request_id, refused, hash"),
    ("audit_spaces", "space, entry"),
];

async fn write(sink: &mut Sink, keys: u64, last: &AuditEntry, at: Timestamp) -> anyhow::Result<()> {
    let revision = last.revision.context("the last entry is no change")?.0;
    let (mut id, mut hash) = (last.id, last.hash);
    for from in (0..keys).step_by(usize::try_from(10 * BATCH)?) {
        let mut tables: [Rows; 7] = Default::default();
        for number in from..keys.min(from + 10 * BATCH) {
            let is_kept = number + CHANGES_KEPT >= keys;
            id = id.next();
            hash = push(&mut tables, new_key(number, keys)?, (revision + 1 + number, is_kept), (id, hash), at)?;
        }
        for ((table, columns), rows) in TABLES.into_iter().zip(tables) {
            sink.insert(table, columns, rows).await?;
        }
    }
    let last = i64::try_from(revision + keys)?;
    sink.run(format!("DELETE FROM changes WHERE revision <= {}", last - i64::try_from(CHANGES_KEPT)?)).await?;
    sink.run(format!("UPDATE state SET revision = {last}")).await
}

/// What the rules write of a key that is made.
fn push(
    [keys, secrets, memberships, bindings, changes, audit, audit_spaces]: &mut [Rows; 7],
    key: NewKey,
    (revision, is_kept): (u64, bool),
    (entry, previous): (AuditId, EntryHash),
    at: Timestamp,
) -> anyhow::Result<EntryHash> {
    let NewKey { id, name, description, groups, expires_at, digest, bindings: bound } = key;
    let (number, made, text) = (i64::try_from(revision)?, at.as_microsecond(), id.to_string());
    let as_text = |text: &str| Cell::Text(text.to_owned());
    keys.push(vec![
        as_text(&text),
        as_text(name.as_str()),
        as_text(&description),
        Cell::Number(made),
        Cell::Nothing,
        Cell::Nothing,
        Cell::Nothing,
        Cell::Number(number),
        Cell::Number(0),
    ]);
    let digest = digest.as_bytes().to_vec();
    secrets.push(vec![Cell::Bytes(digest.clone()), as_text(&text), Cell::Number(1), Cell::Number(made), Cell::Nothing, Cell::Nothing]);
    memberships.extend(groups.iter().map(|group| vec![as_text(&text), as_text(group.as_str())]));
    bindings.extend(bound.iter().map(|(id, role, space)| {
        let (role, space) = (as_text(role.as_str()), as_text(space.as_str()));
        vec![Cell::Text(id.to_string()), as_text(&text), Cell::Nothing, role, space, Cell::Number(made), Cell::Number(number)]
    }));
    if is_kept {
        changes.push(vec![Cell::Number(number), Cell::Number(made), as_text(&text), Cell::Bytes(digest)]);
    }
    let mut own: Vec<_> = bound.iter().map(|(id, role, space)| KeyBinding { id: *id, role: role.clone(), space: space.clone() }).collect();
    own.sort_unstable_by_key(|binding| binding.id);
    let after = json!({
        "id": id,
        "name": name,
        "description": description,
        "groups": groups,
        "created_at": at,
        "expires_at": expires_at,
        "disabled_at": null,
        "revoked_at": null,
        "secrets": [{ "created_at": at, "ends_at": null }],
        "bindings": own,
    });
    let told = AuditEntry {
        id: entry,
        revision: Some(Revision(revision)),
        at,
        actor: Cause::SYSTEM.actor.label(),
        remote_ip: None,
        action: "key.create".to_owned(),
        resource: text,
        before: None,
        after: Some(after),
        request_id: None,
        refused: None,
        hash: EntryHash::NONE,
    }
    .linked_to(previous);
    audit.push(vec![
        Cell::Number(i64::try_from(entry.0)?),
        Cell::Number(number),
        Cell::Number(made),
        as_text(&told.actor),
        Cell::Nothing,
        as_text(&told.action),
        as_text(&told.resource),
        Cell::Nothing,
        Cell::Text(told.after.as_ref().map(ToString::to_string).unwrap_or_default()),
        Cell::Nothing,
        Cell::Nothing,
        Cell::Bytes(told.hash.as_bytes().to_vec()),
    ]);
    let mut spaces: Vec<_> = bound.iter().map(|(_, _, space)| space.as_str()).collect();
    spaces.sort_unstable();
    spaces.dedup();
    for space in spaces {
        audit_spaces.push(vec![as_text(space), Cell::Number(i64::try_from(entry.0)?)]);
    }
    Ok(told.hash)
}

/// A database that rows are put into, in one transaction.
enum Sink {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Sink {
    async fn open(url: &StoreUrl) -> anyhow::Result<Self> {
        let mut sink = match url {
            StoreUrl::Sqlite(path) => Self::Sqlite(sqlite(path).await?),
            StoreUrl::Postgres(settings) => Self::Postgres(postgres(settings).await?),
            StoreUrl::ControlPlanes(_) | StoreUrl::Files(_) => anyhow::bail!("only databases are filled"),
        };
        sink.run("BEGIN".to_owned()).await?;
        Ok(sink)
    }

    async fn run(&mut self, statement: String) -> anyhow::Result<()> {
        let statement = sqlx::raw_sql(AssertSqlSafe(statement));
        match self {
            Self::Sqlite(connection) => {
                statement.execute(connection).await?;
            }
            Self::Postgres(connection) => {
                statement.execute(connection).await?;
            }
        }
        Ok(())
    }

    async fn insert(&mut self, table: &str, columns: &str, rows: Rows) -> anyhow::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        match self {
            Self::Sqlite(connection) => {
                let mut rows = rows.into_iter().peekable();
                while rows.peek().is_some() {
                    let some: Rows = rows.by_ref().take(usize::try_from(BATCH)?).collect();
                    let row = format!("({})", vec!["?"; columns.split(',').count()].join(", "));
                    let statement = format!("INSERT INTO {table} ({columns}) VALUES {}", vec![row; some.len()].join(", "));
                    let mut query = sqlx::query(AssertSqlSafe(statement));
                    for cell in some.into_iter().flatten() {
                        query = match cell {
                            Cell::Text(text) => query.bind(text),
                            Cell::Number(number) => query.bind(number),
                            Cell::Bytes(bytes) => query.bind(bytes),
                            Cell::Nothing => query.bind(None::<i64>),
                        };
                    }
                    query.execute(&mut *connection).await?;
                }
            }
            Self::Postgres(connection) => {
                let mut copy = connection.copy_in_raw(&format!("COPY {table} ({columns}) FROM STDIN")).await?;
                let mut text = String::new();
                for row in &rows {
                    for (place, cell) in row.iter().enumerate() {
                        text.push_str(if place == 0 { "" } else { "\t" });
                        match cell {
                            Cell::Text(words) => text.push_str(&words.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n")),
                            Cell::Number(number) => text.push_str(&number.to_string()),
                            Cell::Bytes(bytes) => {
                                text.push_str("\\\\x");
                                for byte in bytes {
                                    write!(text, "{byte:02x}")?;
                                }
                            }
                            Cell::Nothing => text.push_str("\\N"),
                        }
                    }
                    text.push('\n');
                }
                copy.send(text.as_bytes()).await?;
                copy.finish().await?;
            }
        }
        Ok(())
    }

    async fn close(mut self) -> anyhow::Result<()> {
        self.run("COMMIT".to_owned()).await?;
        match self {
            Self::Sqlite(mut connection) => {
                // As a process that has served for a while leaves it.
                sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
                connection.close().await?;
            }
            Self::Postgres(mut connection) => {
                sqlx::raw_sql("VACUUM ANALYZE").execute(&mut connection).await?;
                connection.close().await?;
            }
        }
        Ok(())
    }
}

/// Nothing is synced before the end: if the machine ends, there is no store.
async fn sqlite(path: &Path) -> anyhow::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(path).journal_mode(SqliteJournalMode::Wal).foreign_keys(false);
    let options = options.pragma("synchronous", "OFF").pragma("cache_size", "-1000000");
    Ok(options.connect().await?)
}

async fn postgres(settings: &PostgresSettings) -> anyhow::Result<PgConnection> {
    let PostgresHost::Socket(socket) = &settings.host else { anyhow::bail!("the server must be on this machine, by its socket") };
    let options = PgConnectOptions::new_without_pgpass().socket(socket).port(settings.port);
    let mut connection = options.username(&settings.user).database(&settings.database).connect().await?;
    // What rows refer to is there: it is not looked up again for each. Only a superuser may.
    sqlx::raw_sql("SET session_replication_role = replica; SET synchronous_commit = off").execute(&mut connection).await?;
    Ok(connection)
}
