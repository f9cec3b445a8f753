//! Requests to an admin API.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;

use super::connection::{Answered, Connection, Question};
use super::curl;
use super::dialer::{CONNECT, Dialer};
use super::problem::{Failed, Refused};
use crate::config::ServerUrl;
use crate::model::PlainKey;

/// How long an answer may take: a server gives up after a minute.
const ANSWER: Duration = Duration::from_secs(75);
/// For how many seconds whoever has asked too often waits in all.
const PATIENCE: u64 = 30;
/// The longest answer, in bytes.
const LONGEST: usize = 64 * 1024 * 1024;

/// Told of each request, as a line for a shell.
pub type Tell = Box<dyn Fn(&str) + Send + Sync>;

/// An admin API, and the key that it is asked with. One request at a time, over one connection as long as that lasts.
pub struct Api {
    url: ServerUrl,
    authorization: HeaderValue,
    tell: Option<Tell>,
    dialer: Dialer,
    connection: Mutex<Option<Connection>>,
}

impl Api {
    /// `None`: the key cannot be sent, so that it is nobody's.
    #[must_use]
    pub fn new(url: ServerUrl, key: &PlainKey, tell: Option<Tell>, dialer: Dialer) -> Option<Self> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", key.reveal())).ok()?;
        authorization.set_sensitive(true);
        Some(Self { url, authorization, tell, dialer, connection: Mutex::new(None) })
    }

    /// Where it is.
    pub fn url(&self) -> &ServerUrl {
        &self.url
    }

    /// Reads what is at a path below `/api/v1`.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failed> {
        self.ask(Method::GET, path, None).await
    }

    /// The same of what may not be there.
    pub(super) async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Failed> {
        absent_as_none(self.get(path).await)
    }

    /// Sends a document.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Failed> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Takes away what is at a path.
    pub(super) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failed> {
        self.ask(Method::DELETE, path, None).await
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<&Value>) -> Result<T, Failed> {
        let body = body.map(ToString::to_string);
        if let Some(tell) = &self.tell {
            tell(&curl::line(&method, &self.url.whole(path), body.as_deref()));
        }
        let asked = async {
            let mut connection = self.connection.lock().await;
            let mut waited = 0;
            loop {
                let is_new = connection.is_none();
                match self.exchange(&mut connection, &method, path, body.as_deref()).await {
                    // A connection that nobody has used for a while may have been given up, which shows when it is used.
                    Err(Failed::Away(_)) if !is_new && method == Method::GET => {}
                    // Nothing has been done for whoever asks too often, and they are told when to ask again.
                    Err(Failed::Refused(refused)) if refused.code == "rate_limited" && waited < PATIENCE => {
                        let seconds = refused.retry_after.unwrap_or(1).clamp(1, PATIENCE);
                        waited += seconds;
                        pause(seconds).await;
                    }
                    other => return other,
                }
            }
        };
        let late = |_| Err(self.away("it takes too long to answer; what was asked for may have been done"));
        let bytes = tokio::time::timeout(ANSWER, asked).await.unwrap_or_else(late)?;
        // Where there is nothing to say, nothing is said.
        let bytes = if bytes.is_empty() { Bytes::from_static(b"null") } else { bytes };
        serde_json::from_slice(&bytes).map_err(|error| self.away(&format!("it answers as no admin API does ({error})")))
    }

    async fn exchange(
        &self,
        connection: &mut Option<Connection>,
        method: &Method,
        path: &str,
        body: Option<&str>,
    ) -> Result<Bytes, Failed> {
        let mut open = match connection.take().filter(Connection::is_open) {
            Some(open) => open,
            None => self.dialer.connect(&self.url, CONNECT).await.map_err(|error| self.away(&error))?,
        };
        let question = Question {
            method,
            path,
            body: body.map(|body| Bytes::from(body.to_owned())),
            authorization: self.authorization.clone(),
            headers: HeaderMap::new(),
            longest: LONGEST,
        };
        let Answered { status, bytes, retry_after } = open.ask(&self.url, question).await.map_err(|error| self.away(&error))?;
        *connection = Some(open);
        if status.is_success() {
            return Ok(bytes);
        }
        match serde_json::from_slice::<Refused>(&bytes) {
            Ok(mut refused) => {
                refused.retry_after = retry_after;
                Err(Failed::Refused(Box::new(refused)))
            }
            Err(_) => Err(self.away(&format!("it answers with {status}, and as no admin API does"))),
        }
    }

    fn away(&self, why: &str) -> Failed {
        Failed::Away(format!("{}: {why}", self.url))
    }
}

#[expect(clippy::disallowed_methods, reason = "the server says for how long")]
async fn pause(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// What is not there is no failure to whoever has only asked whether it is.
pub(super) fn absent_as_none<T>(found: Result<T, Failed>) -> Result<Option<T>, Failed> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Failed::Refused(refused)) if refused.code == "not_found" => Ok(None),
        Err(failed) => Err(failed),
    }
}
