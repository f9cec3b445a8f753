//! `[store]`: where keys, roles and bindings are kept.

use std::path::PathBuf;
use std::time::Duration;

use super::environment::without_line_end;
use super::parse::{ValueError, duration, plain_path, text};
use super::quantity::{hours, secs};
use super::reader::Section;

/// `[store]`
#[derive(Clone, Debug, PartialEq)]
pub struct StoreSettings {
    /// Which store.
    pub url: StoreUrl,
    /// How long what is loaded may serve on while the store cannot be reached.
    pub max_staleness: Duration,
}

/// Names a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// A SQLite database in this file.
    Sqlite(PathBuf),
}

impl StoreUrl {
    /// Reads `sqlite://PATH`, as an argument or a variable has it: an end of a line behind it does not count. The error is a sentence that does not quote the text: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        read(without_line_end(text)).map_err(|wrong| match wrong.suggestion {
            Some(suggestion) => format!("{}: {suggestion}", wrong.message),
            None => wrong.message,
        })
    }
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { url: StoreUrl::Sqlite(PathBuf::from("claviger.db")), max_staleness: secs(60) }
    }
}

impl StoreSettings {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let StoreUrl::Sqlite(path) = section.at_start("url", default.url, text(read));
        Self {
            url: StoreUrl::Sqlite(section.resolve("url", path)),
            max_staleness: section.live("max_staleness", default.max_staleness, duration(secs(1)..=hours(24))),
        }
    }
}

fn read(text: &str) -> Result<StoreUrl, ValueError> {
    let example = "stores look like \"sqlite://claviger.db\" or \"sqlite:///var/lib/claviger/claviger.db\"";
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
        "sqlite" => {}
        "postgres" | "postgresql" => return Err(ValueError::new("PostgreSQL is not in this version").suggest(example)),
        "file" => return Err(ValueError::new("the file store is not in this version").suggest(example)),
        _ => return Err(ValueError::new("there is no such kind of store").suggest(example)),
    }
    if path.is_empty() || path.ends_with('/') {
        return Err(ValueError::new("the url names no file").suggest(example));
    }
    plain_path(path)?;
    if path.contains(['?', '#']) {
        return Err(ValueError::new("the url is a path and nothing more: no parameters").suggest(example));
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
    fn what_is_no_store_is_refused_without_being_quoted() {
        for text in
            ["", "a.db", "sqlite:a.db", "sqlite://", "sqlite://a/", "sqlite://a.db?mode=ro", "sqlite://:memory:", "mysql://s3cret@db"]
        {
            StoreUrl::parse(text).expect_err(text);
        }
        assert!(!StoreUrl::parse("postgres://me:s3cret@db/claviger").unwrap_err().contains("s3cret"));
    }
}
