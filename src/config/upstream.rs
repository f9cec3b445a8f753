//! `[upstream]`: the API that requests are forwarded to; `[upstreams.NAME]`: others, for routes that name them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::parse::{ValueError, duration, truth};
use super::quantity::{hours, millis, secs};
use super::reader::{Section, TakesEffect};
use super::tls::UpstreamTlsSettings;
use super::upstream_url::{UpstreamUrls, urls};

/// The longest name of an upstream, in bytes.
const NAME_MAX: usize = 63;

/// `[upstream]`, or one of `[upstreams.NAME]`
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamSettings {
    /// Where it is.
    pub url: UpstreamUrls,
    /// What is spoken to it.
    pub protocol: UpstreamProtocol,
    /// Counts where the scheme is `https`.
    pub tls: UpstreamTlsSettings,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long the head of an answer may take, from the last byte of the request on.
    pub response_timeout: Duration,
}

/// Which version of HTTP is spoken to the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// HTTP/1.1 alone.
    Http1,
    /// HTTP/2 alone; without TLS with prior knowledge.
    Http2,
    /// What the upstream chooses while the two shake hands: TLS alone has a way to say it.
    Either,
}

impl Default for UpstreamSettings {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:3000".parse().expect("the default is a url"),
            protocol: UpstreamProtocol::Http1,
            tls: UpstreamTlsSettings::default(),
            connect_timeout: secs(1),
            response_timeout: secs(60),
        }
    }
}

impl UpstreamSettings {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let (url, h2c) = section.live("url", (Self::default().url, false), urls);
        Self::at(url, h2c, section)
    }

    /// Those of `[upstreams.NAME]`, by their names. One whose url is missing or wrong is left out, and there is a fault.
    pub(super) fn read_named(top: &mut Section<'_, '_>) -> BTreeMap<String, Option<Self>> {
        top.named("upstreams", |section, name| {
            let has_name = is_name(name) || name == "*";
            if !has_name {
                let suggestion = "names look like \"reports\", \"billing-v2\"";
                section.fault_of_section(format!("{name:?} is no name of an upstream"), Some(suggestion.to_owned()));
            }
            let (url, h2c) = section.required("url", TakesEffect::Live, urls).unwrap_or_else(|| (Self::default().url, false));
            let read = Self::at(url, h2c, section);
            (has_name && section.has("url") && !section.is_faulty("url")).then_some(read)
        })
    }

    /// One of which nothing else is said.
    pub(super) fn of(url: UpstreamUrls, h2c: bool) -> Self {
        let protocol = protocol(&url, h2c, None);
        Self { url, protocol, ..Self::default() }
    }

    fn at(url: UpstreamUrls, h2c: bool, section: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let base = section.base_of("url");
        let url = url.resolved(|path| base.join(path));
        if let Some(reason) = url.too_long() {
            section.fault_of_own("url", reason, Some("name a shorter one, or a link to it".to_owned()));
        }
        let http2 = section.live("http2", None, |value, at| match truth(value, at)? {
            false if h2c => Err(ValueError::new("the url says h2c, so this cannot be false").suggest("write the url with http://").into()),
            http2 => Ok(Some(http2)),
        });
        Self {
            protocol: protocol(&url, h2c, http2),
            url,
            tls: UpstreamTlsSettings::read(&mut section.section("tls")),
            connect_timeout: section.live("connect_timeout", default.connect_timeout, duration(millis(1)..=secs(300))),
            response_timeout: section.live("response_timeout", default.response_timeout, duration(millis(1)..=hours(24))),
        }
    }

    /// Whether TLS is spoken to it.
    pub fn is_encrypted(&self) -> bool {
        self.url.are_encrypted()
    }

    /// How TLS is spoken to it, if it is.
    pub fn encryption(&self) -> Option<&UpstreamTlsSettings> {
        self.is_encrypted().then_some(&self.tls)
    }
}

fn protocol(url: &UpstreamUrls, h2c: bool, http2: Option<bool>) -> UpstreamProtocol {
    match http2 {
        Some(true) => UpstreamProtocol::Http2,
        None if h2c => UpstreamProtocol::Http2,
        None if url.are_encrypted() => UpstreamProtocol::Either,
        Some(false) | None => UpstreamProtocol::Http1,
    }
}

/// Whether an upstream may be called this. A variable's name holds it in capitals, so there are none in it.
pub(super) fn is_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(allowed)
}
