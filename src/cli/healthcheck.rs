//! `claviger healthcheck`: what an image without a shell or curl asks the process beside it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http::{Method, Uri};
use serde::Serialize;

use super::ask::ask;
use super::failure::Failure;
use super::open_store::StoreArgs;
use super::output::Output;
use crate::config::show_duration;

#[derive(Debug, clap::Args)]
pub(crate) struct Healthcheck {
    #[command(flatten)]
    place: StoreArgs,
    /// The ops listener; else that of the configuration, else `http://127.0.0.1:9464`
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
        let authorities = self.authorities(out)?;
        let Ok((authority, answer)) = tokio::time::timeout(self.timeout, ask_any(&authorities)).await else {
            let asked = authorities.join(" or ");
            return Err(Failure::refused(format_args!("no answer from http://{asked}/readyz within {}", show_duration(self.timeout))));
        };
        let url = format!("http://{authority}/readyz");
        let (status, body) = answer.map_err(|error| Failure::refused(format_args!("no answer from {url}: {error:#}")))?;
        let ready = status.is_success();
        let health = Health { ready, status: status.as_u16(), url: url.clone() };
        out.line(if ready { "ready" } else { "not ready" }, &health)?;
        if ready { Ok(()) } else { Err(Failure::refused(format_args!("{url} answers {status}: {}", body.trim()))) }
    }

    /// Hosts and ports at which the ops listener may be.
    fn authorities(&self, out: &Output) -> Result<Vec<String>, Failure> {
        match &self.url {
            Some(url) => authority_of(url).map(|authority| vec![authority]),
            None => Ok(reachable(self.place.settings(out)?.ops.listen).iter().map(ToString::to_string).collect()),
        }
    }
}

fn authority_of(url: &Uri) -> Result<String, Failure> {
    let host = url.host().filter(|_| url.scheme_str() == Some("http"));
    let host = host.ok_or_else(|| Failure::usage(format_args!("--url: {url} is not a URL such as http://127.0.0.1:9464")))?;
    Ok(format!("{host}:{}", url.port_u16().unwrap_or(80)))
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
async fn ask_any(authorities: &[String]) -> (&str, anyhow::Result<(http::StatusCode, String)>) {
    let mut last = ("", Err(anyhow::anyhow!("there is nowhere to ask")));
    for authority in authorities {
        let answer = ask(Method::GET, authority, "/readyz?verbose").await;
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
        assert_eq!(authority_of(&Uri::from_static("http://localhost")).unwrap(), "localhost:80");
        assert_eq!(authority_of(&Uri::from_static("http://[::1]:9464/")).unwrap(), "[::1]:9464");
        assert!(authority_of(&Uri::from_static("https://localhost")).is_err());
        assert!(authority_of(&Uri::from_static("localhost:9464")).is_err());
    }
}
