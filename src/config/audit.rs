//! `[audit]`: how long it is kept, and who is told of it.

use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

use super::parse::{ValueError, ValueErrors, duration, path, text};
use super::quantity::{hours, millis, secs};
use super::reader::Section;
use super::value::{Origin, Value};

/// `[audit]`
#[derive(Clone, Debug, PartialEq, Default)]
pub struct AuditSettings {
    /// For how long.
    pub keep: AuditKeep,
    /// Who gets every entry.
    pub webhook: WebhookSettings,
}

/// How long entries are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AuditKeep {
    /// None is ever given up.
    #[default]
    Forever,
    /// Those that are older are given up.
    For(Duration),
}

/// `[audit.webhook]`
#[derive(Clone, Debug, PartialEq)]
pub struct WebhookSettings {
    /// Scheme `http`, a host, no user. `None`: nobody is told.
    pub url: Option<Uri>,
    /// The file of the secret that bodies are signed with.
    pub secret_file: PathBuf,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// How old an entry is when it is not tried again.
    pub give_up_after: Duration,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self { url: None, secret_file: PathBuf::from("webhook.secret"), timeout: secs(10), give_up_after: hours(24) }
    }
}

impl AuditSettings {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let keep = section.live("keep", AuditKeep::default(), keep);
        Self { keep, webhook: WebhookSettings::read(&mut section.section("webhook")) }
    }
}

impl WebhookSettings {
    fn read(section: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let secret_file = section.live("secret_file", default.secret_file, path);
        Self {
            url: section.live("url", None, |value, at| text(url)(value, at).map(Some)),
            secret_file: section.resolve("secret_file", secret_file),
            timeout: section.live("timeout", default.timeout, duration(millis(1)..=secs(60))),
            give_up_after: section.live("give_up_after", default.give_up_after, duration(secs(1)..=hours(24 * 365))),
        }
    }
}

fn keep(value: &Value, at: &Origin) -> Result<AuditKeep, ValueErrors> {
    match value {
        Value::Text(text) | Value::Bare(text) if text == "forever" => Ok(AuditKeep::Forever),
        Value::Text(_) | Value::Bare(_) | Value::Integer(_) | Value::Boolean(_) | Value::List(_) | Value::Table(_) | Value::Other(_) => {
            duration(hours(24)..=hours(24 * 36_500))(value, at).map(AuditKeep::For)
        }
    }
}

/// The text is not quoted in messages: receivers are told apart by what stands in their urls.
fn url(text: &str) -> Result<Uri, ValueError> {
    let example = "urls look like \"http://127.0.0.1:9000/claviger\"";
    let Ok(uri) = Uri::try_from(text) else { return Err(ValueError::new("this is not a url").suggest(example)) };
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => {
            let wrong = ValueError::new("TLS to the webhook's receiver is not in this version");
            return Err(
                wrong.suggest("speak http:// over the loopback or a network that you trust, to a proxy that goes on with TLS if need be")
            );
        }
        Some(_) | None => return Err(ValueError::new("the webhook's receiver is reached by http").suggest(example)),
    }
    let Some(authority) = uri.authority().filter(|authority| !authority.host().is_empty()) else {
        return Err(ValueError::new("the url has no host").suggest(example));
    };
    if authority.as_str().contains('@') {
        return Err(ValueError::new("a url with a user or a password is refused: the receiver knows us by the signature"));
    }
    // The parser calls a port that is out of range no port at all.
    if authority.as_str() != authority.host() && authority.port_u16().is_none_or(|port| port == 0) {
        return Err(ValueError::new("the url's port is between 1 and 65535"));
    }
    // The parser drops a fragment.
    if text.contains('#') {
        return Err(ValueError::new("a url with a fragment: nobody would see it").suggest(example));
    }
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_is_a_url_that_can_be_reached_without_tls_and_says_no_secret() {
        assert_eq!(url("http://[::1]:9000/hooks/claviger?a=b").unwrap().path(), "/hooks/claviger");
        let refused = |text: &str| url(text).unwrap_err().message;
        assert!(refused("https://hooks.example.com/").contains("TLS to the webhook's receiver is not in this version"));
        assert!(
            refused("http://me:s3cret@host/").contains("with a user or a password")
                && !refused("http://me:s3cret@host/").contains("s3cret")
        );
        for wrong in ["", "host", "/path", "ftp://host/", "http:///path", "http://host:0/", "http://host:99999/", "http://host/#a"] {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }
}
