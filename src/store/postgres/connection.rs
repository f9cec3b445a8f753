//! One connection: how it is made, and how statements are told to it.

use std::borrow::Cow;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgSslMode};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Column as _, ConnectOptions as _, Connection as _, PgConnection, Postgres, Row as _, query, raw_sql};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::error::{is_lost, place_named, unavailable};
use crate::config::{PostgresHost, PostgresSettings, TlsMode};
use crate::store::error::StoreError;
use crate::store::sql::{Connection, Row, Statement, TakeAnswer, Text, Value, text};
use crate::store::stored::nonsense;

/// How long a server may take to let us in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than the server itself gives a statement: then the network has swallowed it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);
/// Rows of several answers come one after the other: this one stands between them.
const END_OF_ANSWER: &str = "SELECT 1 AS end_of_answer";
/// For a sign of life.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// How to reach the server, as files and settings have it now.
pub(super) async fn options(settings: &PostgresSettings) -> Result<PgConnectOptions, StoreError> {
    let mode = match settings.tls {
        TlsMode::Disabled => PgSslMode::Disable,
        TlsMode::Unverified => PgSslMode::Require,
        TlsMode::Issuer => PgSslMode::VerifyCa,
        TlsMode::IssuerAndName => PgSslMode::VerifyFull,
    };
    let options = PgConnectOptions::new_without_pgpass().port(settings.port).username(&settings.user).database(&settings.database);
    let mut options = options.application_name("claviger").ssl_mode(mode).disable_statement_logging();
    options = match &settings.host {
        PostgresHost::Name(name) => options.host(name),
        PostgresHost::Socket(directory) => options.socket(directory),
    };
    if let Some(file) = &settings.ca {
        let pem = tokio::fs::read(file).await.map_err(|error| StoreError::Unavailable(format!("{}: {error}", file.display())))?;
        if !pem.windows(b"-----BEGIN CERTIFICATE-----".len()).any(|bytes| bytes == b"-----BEGIN CERTIFICATE-----") {
            return Err(StoreError::Unavailable(format!("{}: there is no certificate in it (PEM is wanted)", file.display())));
        }
        options = options.ssl_root_cert_from_pem(pem);
    }
    if let Some(password) = &settings.password {
        return Ok(options.password(password.reveal()));
    }
    if let Some(file) = &settings.password_file {
        let text = tokio::fs::read_to_string(file).await.map(zeroize::Zeroizing::new);
        let text = text.map_err(|error| StoreError::Unavailable(format!("the password file {}: {error}", file.display())))?;
        options = options.password(text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line)));
    }
    Ok(options)
}

/// A new connection, whose session has these bounds.
pub(super) async fn connect(settings: &PostgresSettings, session: &'static str) -> Result<PgConnection, StoreError> {
    let options = options(settings).await?;
    let connect = async {
        let mut connection = options.connect().await?;
        raw_sql(session).execute(&mut connection).await?;
        Ok(connection)
    };
    match timeout(CONNECT_TIMEOUT, connect).await {
        Ok(connected) => connected.map_err(|error: sqlx::Error| place_named(settings, &error)),
        Err(_) => {
            Err(StoreError::Unavailable(format!("{settings}: the server does not let anybody in within {} s", CONNECT_TIMEOUT.as_secs())))
        }
    }
}

/// A connection that says whether it has been lost.
pub(super) struct ServerConnection {
    pub(super) inner: PgConnection,
    pub(super) is_lost: bool,
}

impl ServerConnection {
    /// Whether somebody is there.
    pub(super) async fn ping(&mut self) -> bool {
        matches!(timeout(PING_TIMEOUT, self.inner.ping()).await, Ok(Ok(())))
    }

    /// What has come of it, as far as the connection is concerned.
    fn heard<T>(&mut self, answer: Result<Result<T, sqlx::Error>, Elapsed>) -> Result<T, StoreError> {
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                self.is_lost |= is_lost(&error);
                Err(unavailable(error))
            }
            Err(_) => {
                self.is_lost = true;
                Err(StoreError::Unavailable(format!("the server does not answer within {} s", ANSWER_TIMEOUT.as_secs())))
            }
        }
    }
}

#[async_trait]
impl Connection for ServerConnection {
    async fn fetch(&mut self, statement: Statement) -> Result<Vec<Box<dyn Row>>, StoreError> {
        let rows = timeout(ANSWER_TIMEOUT, told(statement).fetch_all(&mut self.inner)).await;
        Ok(self.heard(rows)?.into_iter().map(|row| Box::new(row) as Box<dyn Row>).collect())
    }

    async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError> {
        let done = timeout(ANSWER_TIMEOUT, told(statement).execute(&mut self.inner)).await;
        Ok(self.heard(done)?.rows_affected())
    }

    /// In one message: however far away the server is, it takes one way there and back.
    async fn fetch_together(&mut self, questions: &[Text], take: &mut TakeAnswer<'_>) -> Result<(), StoreError> {
        let asked: Vec<String> = questions.iter().map(|question| format!("{};{END_OF_ANSWER};", question.postgres)).collect();
        let script = format!("{};{}{}", text::BEGIN_READ.postgres, asked.concat(), text::COMMIT.postgres);
        let mut rows = raw_sql(AssertSqlSafe(script)).fetch(&mut self.inner);
        let mut number = 0;
        // What is wrong with a row is no fault of the connection's, and is told apart from one.
        let all = timeout(ANSWER_TIMEOUT, async {
            while let Some(row) = rows.try_next().await? {
                if row.columns().first().is_some_and(|column| column.name() == "end_of_answer") {
                    number += 1;
                } else if let Err(fault) = take(number, &row) {
                    return Ok(Err(fault));
                }
            }
            let all = number == questions.len();
            Ok(all.then_some(()).ok_or_else(|| nonsense("answers", "some are missing")))
        });
        let all = all.await;
        drop(rows);
        self.heard(all)?
    }
}

/// One that nobody else waits for, such as that which migrates.
#[async_trait]
impl Connection for PgConnection {
    async fn fetch(&mut self, statement: Statement) -> Result<Vec<Box<dyn Row>>, StoreError> {
        let rows = told(statement).fetch_all(self).await.map_err(unavailable)?;
        Ok(rows.into_iter().map(|row| Box::new(row) as Box<dyn Row>).collect())
    }

    async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError> {
        Ok(told(statement).execute(self).await.map_err(unavailable)?.rows_affected())
    }
}

/// In PostgreSQL's words.
fn told(statement: Statement) -> Query<'static, Postgres, PgArguments> {
    let question = match statement.postgres {
        Cow::Borrowed(text) => query(text),
        Cow::Owned(text) => query(AssertSqlSafe(text)),
    };
    statement.values.into_iter().fold(question, |question, value| match value {
        Value::Text(text) => question.bind(text),
        Value::Number(number) => question.bind(number),
        Value::Bytes(bytes) => question.bind(bytes),
        Value::Flag(flag) => question.bind(flag),
    })
}
