//! Somebody who manages over HTTP.

use std::fmt::Write as _;
use std::net::SocketAddr;

use serde_json::Value;

use crate::support::http::{self, Answer};
use crate::support::server::Server;

/// An admin API, and the key that it is asked with.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    pub(crate) key: Option<String>,
}

impl Api {
    /// With a key of its own that is a root admin, which the command line has made.
    pub(crate) fn of_root(server: &Server) -> Self {
        let key = server.key("root", &["--bind", "space-admin@root"]);
        Self { address: server.admin(), key: Some(key.text) }
    }

    pub(crate) fn with_key(&self, key: &str) -> Self {
        Self { address: self.address, key: Some(key.to_owned()) }
    }

    pub(crate) fn without_key(&self) -> Self {
        Self { address: self.address, key: None }
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: Option<&Value>, headers: &[(&str, &str)]) -> Answer {
        let mut request = format!("{method} /api/v1{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        if let Some(key) = &self.key {
            write!(request, "Authorization: Bearer {key}\r\n").unwrap();
        }
        for (name, value) in headers {
            write!(request, "{name}: {value}\r\n").unwrap();
        }
        match body {
            Some(body) => {
                let body = body.to_string();
                write!(request, "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
            }
            None => request.push_str("\r\n"),
        }
        http::exchange(self.address, request.as_bytes())
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None, &[])
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, Some(body), &[])
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send("PATCH", path, Some(body), &[])
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None, &[])
    }

    /// Makes something, which must succeed.
    pub(crate) fn made(&self, path: &str, body: &Value) -> Value {
        let answer = self.post(path, body);
        assert_eq!(answer.status, 201, "{path} {body}: {}", answer.text());
        answer.json()
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The revision in its `ETag`.
    pub(crate) fn revision(&self) -> u64 {
        self.header("etag").unwrap_or_else(|| panic!("no ETag: {self:?}")).trim_matches('"').parse().unwrap()
    }
}
