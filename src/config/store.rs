//! `[store]`: where keys, roles and bindings are kept.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::environment::without_line_end;
use super::parse::{ValueError, ValueErrors, duration, list, number, plain_path, text, truth};
use super::postgres::{self, PostgresSettings};
use super::quantity::{hours, secs};
use super::reader::Section;
use super::server_url::{ServerUrl, ServerUrlError};
use super::value::{Origin, Value};

/// `[store]`
#[derive(Clone, Debug, PartialEq)]
pub struct StoreSettings {
    /// Which store.
    pub url: StoreUrl,
    /// With which key control planes are asked; its text is in this file.
    pub key_file: Option<PathBuf>,
    /// Certificates, in PEM, of those who vouch for control planes, where those that everybody knows do not; for a PostgreSQL, besides those.
    pub ca: Option<PathBuf>,
    /// Where the password of a PostgreSQL is read.
    pub password_file: Option<PathBuf>,
    /// How many connections to a PostgreSQL at most.
    pub connections: u32,
    /// Whether a control plane elsewhere may be asked though nothing is encrypted.
    pub insecure: bool,
    /// How long what is loaded may serve on while the store cannot be reached.
    pub max_staleness: Duration,
}

/// Names a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// A SQLite database in this file.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(Box<PostgresSettings>),
    /// Whatever store these control planes have: this process is a sidecar of theirs, which reads alone.
    ControlPlanes(Vec<ServerUrl>),
    /// A file that declares access, or a directory of such files, which is read alone.
    Files(PathBuf),
}

impl StoreUrl {
    /// The database that the store is, if it is one in a file.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) | Self::ControlPlanes(_) | Self::Files(_) => None,
        }
    }

    /// Reads `sqlite://PATH` or `postgres://USER@HOST/DATABASE`, as an argument or a variable has it: an end of a line behind it does not count. The error is a sentence that does not quote the text: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        read(without_line_end(text)).map_err(|wrong| match wrong.suggestion {
            Some(suggestion) => format!("{}: {suggestion}", wrong.message),
            None => wrong.message,
        })
    }
}

/// What it is called where people see it: without a password.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) | Self::Files(path) => path.display().fmt(f),
            Self::Postgres(postgres) => postgres.fmt(f),
            Self::ControlPlanes(planes) => {
                let names: Vec<String> = planes.iter().map(ToString::to_string).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            url: StoreUrl::Sqlite(PathBuf::from("claviger.db")),
            key_file: None,
            ca: None,
            password_file: None,
            connections: postgres::CONNECTIONS,
            insecure: false,
            max_staleness: secs(60),
        }
    }
}

impl StoreSettings {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let url = section.at_start("url", default.url, url);
        let key_file = section.optional_path("key_file");
        let ca = section.optional_path("ca");
        let password_file = section.optional_path("password_file");
        let connections = section.at_start("connections", default.connections, number(1..=100));
        let url = match url {
            StoreUrl::Sqlite(path) => {
                section.warn("ca", "a SQLite store is a file: there is no server whose certificate would be verified");
                section.warn("password_file", "a SQLite store is a file: nobody asks for a password");
                StoreUrl::Sqlite(section.resolve("url", path))
            }
            StoreUrl::Postgres(named) => StoreUrl::Postgres(Box::new(PostgresSettings {
                ca: named.ca.clone().or_else(|| ca.clone()),
                password_file: named.password_file.clone().or_else(|| password_file.clone()),
                connections,
                ..*named
            })),
            planes @ StoreUrl::ControlPlanes(_) => {
                section.warn("password_file", "a control plane is asked with a key, which stands in store.key_file");
                planes
            }
            StoreUrl::Files(path) => {
                section.warn("password_file", "files ask for no password");
                StoreUrl::Files(section.resolve("url", path))
            }
        };
        Self {
            url,
            key_file,
            ca,
            password_file,
            connections,
            insecure: section.at_start("insecure", default.insecure, truth),
            max_staleness: section.live("max_staleness", default.max_staleness, duration(secs(1)..=hours(24))),
        }
    }
}

/// One store, or several control planes of one.
fn url(value: &Value, at: &Origin) -> Result<StoreUrl, ValueErrors> {
    let is_list = match value {
        Value::List(_) => true,
        Value::Bare(text) => text.trim_start().starts_with('[') || text.starts_with("http") && text.contains(','),
        Value::Text(_) | Value::Integer(_) | Value::Boolean(_) | Value::Table(_) | Value::Other(_) => false,
    };
    if !is_list {
        return text(read)(value, at);
    }
    let planes = list(text(|text| match text.split_once("://") {
        Some(("http" | "https", _)) => control_plane(text),
        _ => Err(ValueError::new("control planes alone come as a list, each by its url").suggest(PLANE_EXAMPLE)),
    }))(value, at)?;
    if planes.is_empty() {
        return Err(ValueError::new("the list names no control plane").suggest(PLANE_EXAMPLE).into());
    }
    Ok(StoreUrl::ControlPlanes(planes))
}

const PLANE_EXAMPLE: &str = "control planes look like \"https://control-plane:8081\"";

fn control_plane(text: &str) -> Result<ServerUrl, ValueError> {
    // The text is not quoted in messages: it may hold a password.
    text.parse().map_err(|error| match error {
        ServerUrlError::IllFormed => ValueError::new("this is not the url of a control plane").suggest(PLANE_EXAMPLE),
        ServerUrlError::UserInfo => ValueError::new("a control plane's url holds neither a name nor a password")
            .suggest("name the file of its key in store.key_file"),
    })
}

fn read(text: &str) -> Result<StoreUrl, ValueError> {
    let example = "stores look like \"sqlite:///var/lib/claviger/claviger.db\" or \"postgres://claviger@db.example/claviger\"";
    let Some((scheme, path)) = text.split_once("://") else {
        let bare = text.strip_prefix("sqlite:").unwrap_or(text);
        let wrong = ValueError::new("a store is named by a url");
        return Err(if bare.is_empty() || bare.contains(['@', ':']) {
            wrong.suggest(example)
        } else {
            wrong.suggest(format!("write \"sqlite://{bare}\""))
        });
    };
    match scheme {
        "sqlite" | "file" => {}
        "http" | "https" => return Ok(StoreUrl::ControlPlanes(vec![control_plane(text)?])),
        "postgres" | "postgresql" => return postgres::read(path).map(|settings| StoreUrl::Postgres(Box::new(settings))),
        _ => return Err(ValueError::new("there is no such kind of store").suggest(example)),
    }
    let declares = scheme == "file";
    let example = if declares { "files are named like \"file://access.yaml\" or \"file:///etc/claviger/access/\"" } else { example };
    if path.is_empty() || path.ends_with('/') && !declares {
        return Err(ValueError::new("the url names no file").suggest(example));
    }
    plain_path(path)?;
    if path.contains(['?', '#']) {
        return Err(ValueError::new("the url is a path and nothing more: no parameters").suggest(example));
    }
    if declares {
        return Ok(StoreUrl::Files(PathBuf::from(path)));
    }
    if path == ":memory:" {
        return Err(ValueError::new("a store in memory would forget every key").suggest(example));
    }
    Ok(StoreUrl::Sqlite(PathBuf::from(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_a_path_behind_its_scheme() {
        assert_eq!(StoreUrl::parse("sqlite:///var/lib/a.db"), Ok(StoreUrl::Sqlite("/var/lib/a.db".into())));
        assert_eq!(StoreUrl::parse("sqlite://a.db"), Ok(StoreUrl::Sqlite("a.db".into())));
    }

    #[test]
    fn files_are_a_path_too_and_may_be_a_directory() {
        assert_eq!(StoreUrl::parse("file://access.yaml"), Ok(StoreUrl::Files("access.yaml".into())));
        assert_eq!(StoreUrl::parse("file:///etc/claviger/"), Ok(StoreUrl::Files("/etc/claviger/".into())));
        assert!(StoreUrl::parse("file://").is_err());
    }

    #[test]
    fn what_is_no_store_is_refused_without_being_quoted() {
        for text in
            ["", "a.db", "sqlite:a.db", "sqlite://", "sqlite://a/", "sqlite://a.db?mode=ro", "sqlite://:memory:", "mysql://s3cret@db"]
        {
            StoreUrl::parse(text).expect_err(text);
        }
        assert!(!StoreUrl::parse("postgres://me:s3cret@db").unwrap_err().contains("s3cret"));
    }
}
