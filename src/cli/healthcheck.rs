//! `claviger healthcheck`: what an image without a shell or curl asks the process beside it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http::{Method, Uri};
use serde::Serialize;

use super::ask::{Scheme, ask};
use super::failure::Failure;
use super::open_store::StoreArgs;
use super::output::Output;
use crate::config::show_duration;

#[derive(Debug, clap::Args)]
pub(crate) struct Healthcheck {
    #[command(flatten)]
    place: StoreArgs,
    /// The ops listener, which may show any certificate; else that of the configuration, else `http://127.0.0.1:9464`
    #[arg(long, value_name = "URL")]
    url: Option<Uri>,
    /// How long to wait for an answer
    #[arg(long, value_name = "SPAN", default_value = "2s", value_parser = super::args::value::span)]
    timeout: Duration,
}

#[derive(Serialize)]
struct Health {
    ready: bool,
    status: u16,
    url: String,
}

impl Healthcheck {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let (scheme, authorities) = self.authorities(out)?;
        let told = scheme.as_str();
        let Ok((authority, answer)) = tokio::time::timeout(self.timeout, ask_any(scheme, &authorities)).await else {
            let asked = authorities.join(" or ");
            return Err(Failure::refused(format_args!("no answer from {told}://{asked}/readyz within {}", show_duration(self.timeout))));
        };
        let url = format!("{told}://{authority}/readyz");
        let (status, body) = answer.map_err(|error| Failure::refused(format_args!("no answer from {url}: {error:#}")))?;
        let ready = status.is_success();
        let health = Health { ready, status: status.as_u16(), url: url.clone() };
        out.line(if ready { "ready" } else { "not ready" }, &health)?;
        if ready { Ok(()) } else { Err(Failure::refused(format_args!("{url} answers {status}: {}", body.trim()))) }
    }

    /// Hosts and ports at which the ops listener may be.
    fn authorities(&self, out: &Output) -> Result<(Scheme, Vec<String>), Failure> {
        if let Some(url) = &self.url {
            return authority_of(url).map(|(scheme, authority)| (scheme, vec![authority]));
        }
        let ops = self.place.settings(out)?.ops;
        Ok((Scheme::of(&ops.tls), reachable(ops.listen).iter().map(ToString::to_string).collect()))
    }
}

fn authority_of(url: &Uri) -> Result<(Scheme, String), Failure> {
    let scheme = match url.scheme_str() {
        Some("http") => Some((Scheme::Http, 80)),
        Some("https") => Some((Scheme::Https, 443)),
        Some(_) | None => None,
    };
    let Some(((scheme, port), host)) = scheme.zip(url.host()) else {
        return Err(Failure::usage(format_args!("--url: {url} is not a URL such as http://127.0.0.1:9464")));
    };
    Ok((scheme, format!("{host}:{}", url.port_u16().unwrap_or(port))))
}

/// Where a listener on this address can be reached from the machine itself: one on every address of IPv6 takes IPv4, too, and is on IPv4
/// alone where there is no IPv6.
pub(super) fn reachable(listen: SocketAddr) -> Vec<SocketAddr> {
    let ips = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => vec![Ipv4Addr::LOCALHOST.into()],
        IpAddr::V6(ip) if ip.is_unspecified() => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        ip => vec![ip],
    };
    ips.into_iter().map(|ip| SocketAddr::new(ip, listen.port())).collect()
}

/// The first that somebody answers at, and the answer; else the last and why nobody does.
async fn ask_any(scheme: Scheme, authorities: &[String]) -> (&str, anyhow::Result<(http::StatusCode, String)>) {
    let mut last = ("", Err(anyhow::anyhow!("there is nowhere to ask")));
    for authority in authorities {
        let answer = ask(Method::GET, scheme, authority, "/readyz?verbose").await;
        last = (authority.as_str(), answer.map(|answer| (answer.status(), answer.into_body())));
        if last.1.is_ok() {
            break;
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_every_address_is_reached_over_loopback() {
        for (listen, reached) in [
            ("0.0.0.0:9464", &["127.0.0.1:9464"][..]),
            ("[::]:9464", &["127.0.0.1:9464", "[::1]:9464"]),
            ("10.0.0.7:1", &["10.0.0.7:1"]),
            ("127.0.0.1:80", &["127.0.0.1:80"]),
        ] {
            let addresses = reachable(listen.parse().unwrap());
            assert_eq!(addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), reached);
        }
    }

    #[test]
    fn a_url_names_a_host_and_perhaps_a_port() {
        assert_eq!(authority_of(&Uri::from_static("http://localhost")).unwrap(), (Scheme::Http, "localhost:80".to_owned()));
        assert_eq!(authority_of(&Uri::from_static("http://[::1]:9464/")).unwrap(), (Scheme::Http, "[::1]:9464".to_owned()));
        assert_eq!(authority_of(&Uri::from_static("https://localhost")).unwrap(), (Scheme::Https, "localhost:443".to_owned()));
        assert!(authority_of(&Uri::from_static("ftp://localhost")).is_err());
        assert!(authority_of(&Uri::from_static("localhost:9464")).is_err());
    }
}
