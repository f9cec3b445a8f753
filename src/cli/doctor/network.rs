//! What answers: the upstream, asked around the proxy, and a running process by its ops listener.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Response};
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::finding::Finding;
use crate::cli::ask::{Scheme, ask, ask_upstream};
use crate::cli::healthcheck::reachable;
use crate::config::{OpsSettings, Settings, UpstreamProtocol, UpstreamSettings, UpstreamTlsSettings, UpstreamUrl, show_duration};
use crate::diagnostics::Diagnostic;
use crate::edge::tls::{self, PlainSocket, TlsClient, TlsUpstream, UpstreamStream};

const UPSTREAM: &str = "upstream";
const WALK_AROUND: &str = "walk-around";
const PROCESS: &str = "process";
const JWKS: &str = "jwks";

/// The upstream, as it answers.
pub(super) struct Upstream {
    pub(super) finding: Finding,
    /// What it takes for now.
    pub(super) date: Option<Timestamp>,
}

impl Upstream {
    pub(super) fn unknown(finding: Finding) -> Self {
        Self { finding, date: None }
    }
}

/// Every endpoint of every upstream, each once.
pub(super) async fn upstreams(settings: &Settings, now: Timestamp, most: Duration) -> Vec<Upstream> {
    let mut found = Vec::new();
    let mut asked: Vec<(&UpstreamUrl, UpstreamProtocol, &UpstreamTlsSettings)> = Vec::new();
    for (section, upstream) in settings.all_upstreams() {
        let tls = upstream.encryption().map(|wanted| tls::client_for(wanted, &section, now)).transpose();
        for url in upstream.url.all() {
            let question = (url, upstream.protocol, &upstream.tls);
            if !asked.contains(&question) {
                asked.push(question);
                found.push(endpoint(upstream, &section, url, &tls, most).await);
            }
        }
    }
    found
}

async fn endpoint(
    settings: &UpstreamSettings,
    section: &str,
    url: &UpstreamUrl,
    tls: &Result<Option<Arc<TlsClient>>, Vec<Diagnostic>>,
    most: Duration,
) -> Upstream {
    let advice =
        format!("requests get 502 or 504 until it answers: see that it runs, and that what `{section}` says and the network lead to it");
    let silent = || format!("{url} does not answer within {}", show_duration(most));
    let failed = |said: String| Upstream::unknown(Finding::failed(UPSTREAM, said, advice.clone()));
    let tls = match tls {
        Ok(None) => None,
        Ok(Some(client)) => match TlsUpstream::new(url.host(), Arc::clone(client)) {
            Some(tls) => Some(tls),
            None => return failed(format!("no certificate can be for {}", url.host())),
        },
        Err(faults) => {
            let said = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            return Upstream::unknown(Finding::failed(UPSTREAM, said, "`claviger check` shows where"));
        }
    };
    let stream = match timeout(settings.connect_timeout.min(most), connect(url, settings.protocol, tls)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return failed(format!("{url} cannot be reached: {error:#}")),
        Err(_) => return failed(silent()),
    };
    // Whoever speaks nothing but HTTP/2 does not understand the question.
    if stream.agreed_on_http2() || (settings.protocol == UpstreamProtocol::Http2 && !url.is_encrypted()) {
        return Upstream::unknown(Finding::ok(UPSTREAM, format!("{url} takes connections; over HTTP/2 it was not asked")));
    }
    match timeout(most, ask_upstream(Method::HEAD, stream, url.authority(), "/")).await.map(|answered| answered.map_err(said_by_tls)) {
        Ok(Ok(answer)) => {
            let (status, date) = (answer.status(), date(&answer));
            let said = format!("{url} answers {} to HEAD /", status.as_u16());
            let finding = match status.as_u16() {
                502..=504 => Finding::warning(UPSTREAM, said, "what stands in front of the API does not reach it"),
                _ => Finding::ok(UPSTREAM, said),
            };
            Upstream { finding, date }
        }
        Ok(Err(error)) => failed(format!("{url} cannot be reached: {error:#}")),
        Err(_) => failed(silent()),
    }
}

/// What TLS says of a connection that broke, if that is why.
fn said_by_tls(error: anyhow::Error) -> anyhow::Error {
    let said = error.chain().filter_map(|cause| cause.downcast_ref()).find_map(tls::said_by_tls);
    said.map_or(error, Into::into)
}

/// Connects as the data plane does. `tls`: of an upstream that is encrypted.
async fn connect(url: &UpstreamUrl, speaks: UpstreamProtocol, tls: Option<TlsUpstream>) -> anyhow::Result<UpstreamStream> {
    let Some(port) = url.port() else {
        let socket = UnixStream::connect(url.path().unwrap_or(Path::new(""))).await?;
        return Ok(UpstreamStream::Plain(PlainSocket::Unix(socket)));
    };
    let socket = TcpStream::connect((url.host(), port)).await?;
    match tls {
        None => Ok(UpstreamStream::Plain(PlainSocket::Tcp(socket))),
        Some(tls) => Ok(tls.shake_hands(socket, speaks).await?),
    }
}

/// Whether others than this process can reach the API, around the proxy: a finding for each place where it is.
pub(super) async fn walk_around(settings: &Settings, most: Duration) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut looked: Vec<&UpstreamUrl> = Vec::new();
    for (_, upstream) in settings.all_upstreams() {
        for url in upstream.url.all() {
            if !looked.contains(&url) {
                looked.push(url);
                found.push(around(url, upstream.connect_timeout.min(most)).await);
            }
        }
    }
    found
}

async fn around(url: &UpstreamUrl, most: Duration) -> Finding {
    let Some(port) = url.port() else { return around_socket(url.path().unwrap_or(Path::new(""))) };
    let host = url.host();
    let is_here = host.eq_ignore_ascii_case("localhost") || url.ip().is_some_and(|ip| ip.is_loopback());
    if !is_here {
        let said = format!("{host} is not this machine: from here nobody sees who else reaches port {port} there");
        let advice = "it must take connections from here alone (a NetworkPolicy, a firewall), or listen on 127.0.0.1 beside a sidecar";
        return Finding::warning(WALK_AROUND, said, advice);
    }
    for ip in own_addresses() {
        let address = SocketAddr::new(ip, port);
        if let Ok(Ok(_)) = timeout(most, TcpStream::connect(address)).await {
            let said = format!("the API takes connections at {address}, too, and not only at {host}");
            let advice = "have it listen on 127.0.0.1 alone; if it cannot, see that a NetworkPolicy or a firewall closes its port: whoever reaches it \
                          is let in without a key";
            return Finding::warning(WALK_AROUND, said, advice);
        }
    }
    Finding::ok(WALK_AROUND, format!("{host} is this machine alone, and nobody takes connections at port {port} of its other addresses"))
}

/// Whoever may write to a socket may connect to it (unix(7)).
fn around_socket(path: &Path) -> Finding {
    const BY_OTHERS: u32 = 0o002;
    let path_shown = path.display();
    match std::fs::metadata(path) {
        Err(error) => Finding::skipped(WALK_AROUND, format!("{path_shown} cannot be looked at: {error}")),
        Ok(socket) if socket.mode() & BY_OTHERS != 0 => {
            let said = format!("every user of this machine who reaches {path_shown} may connect to it");
            Finding::warning(WALK_AROUND, said, "give it to a group of the proxy and the API alone, and take the others' right to write")
        }
        Ok(_) => Finding::ok(WALK_AROUND, format!("{path_shown} is for its owner and its group alone")),
    }
}

/// By which others know this machine: what it would send from, if it sent anything to addresses that nobody has (RFC 5737, RFC 3849).
fn own_addresses() -> impl Iterator<Item = IpAddr> {
    let far: [(IpAddr, IpAddr); 2] = [
        (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()),
    ];
    let from = |(any, far): (IpAddr, IpAddr)| {
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect((far, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    far.into_iter().filter_map(from).filter(|ip| !ip.is_loopback())
}

fn date<T>(answer: &Response<T>) -> Option<Timestamp> {
    let date = answer.headers().get(http::header::DATE)?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::parse(date).ok()?;
    Some(date.timestamp())
}

/// A process on this machine, as its ops listener tells of it.
pub(super) struct Process {
    finding: Option<Finding>,
    answers: Option<Answers>,
}

struct Answers {
    /// `None`: it is not ready.
    jwks: Result<String, String>,
    metrics: String,
}

impl Process {
    pub(super) fn unknown(finding: Finding) -> Self {
        Self { finding: Some(finding), answers: None }
    }

    pub(super) async fn at(ops: &OpsSettings, most: Duration) -> Self {
        let (listen, scheme) = (ops.listen, Scheme::of(&ops.tls));
        let mut last = format!("nobody answers at {listen}");
        for address in reachable(listen) {
            let authority = address.to_string();
            let url = format!("{}://{authority}", scheme.as_str());
            match timeout(most, ask(Method::GET, scheme, &authority, "/readyz?verbose")).await {
                Ok(Ok(ready)) => return Self::told(scheme, &authority, &ready, most).await,
                Ok(Err(error)) => last = format!("nobody answers at {url}/readyz: {error:#}"),
                Err(_) => last = format!("{url}/readyz does not answer within {}", show_duration(most)),
            }
        }
        let advice = "start `claviger serve`; if it runs, ops.listen says another address than it was started with";
        Self::unknown(Finding::failed(PROCESS, last, advice))
    }

    async fn told(scheme: Scheme, authority: &str, ready: &Response<String>, most: Duration) -> Self {
        let url = format!("{}://{authority}", scheme.as_str());
        let get = async |path: &str| match timeout(most, ask(Method::GET, scheme, authority, path)).await {
            Ok(Ok(answer)) if answer.status().is_success() => Ok(answer.into_body()),
            Ok(Ok(answer)) => Err(format!("{url}{path} answers {}", answer.status().as_u16())),
            Ok(Err(error)) => Err(format!("{url}{path}: {error:#}")),
            Err(_) => Err(format!("{url}{path} does not answer within {}", show_duration(most))),
        };
        let (jwks, metrics) = (get("/.well-known/jwks.json").await, get("/metrics").await.unwrap_or_default());
        let (version, ours) = (label(&metrics, "claviger_build_info", "version"), env!("CARGO_PKG_VERSION"));
        let finding = if !ready.status().is_success() {
            let parts: Vec<&str> = ready.body().lines().filter_map(|line| line.strip_prefix("[-] ")).collect();
            let said = format!("the process at {url} is not ready: {}", parts.join("; "));
            Finding::failed(PROCESS, said, "its log says why; `claviger healthcheck` asks again")
        } else if let Some(version) = version.filter(|version| *version != ours) {
            let said = format!("the process at {url} is ready, and of version {version}; this is {ours}");
            Finding::warning(PROCESS, said, "use the same version for both, or what is said here may not hold for it")
        } else {
            Finding::ok(PROCESS, format!("the process at {url} is ready, version {ours}"))
        };
        Self { finding: Some(finding), answers: Some(Answers { jwks, metrics }) }
    }

    /// What there is to say of it, once.
    pub(super) fn finding(&mut self) -> Option<Finding> {
        self.finding.take()
    }

    /// Whether verifiers are told of the key that signs; `current`: what the directory says that it is.
    pub(super) fn jwks(&self, current: Option<&str>) -> Finding {
        let Some(Answers { jwks, .. }) = &self.answers else {
            return Finding::skipped(JWKS, "no process answers that would publish them");
        };
        let advice = "APIs refuse every token: the process' log says what it has read, SIGHUP makes it read the signing keys again";
        let keys: Vec<String> = match jwks {
            Ok(text) => {
                let set: Value = serde_json::from_str(text).unwrap_or_default();
                let keys = set.get("keys").and_then(Value::as_array);
                keys.into_iter().flatten().filter_map(|key| Some(key.get("kid")?.as_str()?.to_owned())).collect()
            }
            Err(why) => return Finding::failed(JWKS, why.clone(), advice),
        };
        match (keys.len(), current) {
            (0, _) => Finding::failed(JWKS, "the process publishes no key", advice),
            (_, Some(current)) if !keys.iter().any(|kid| kid == current) => {
                Finding::failed(JWKS, format!("the process does not publish the key that signs by token.keys, {current}"), advice)
            }
            (1, _) => Finding::ok(JWKS, "1 key is published"),
            (many, _) => Finding::ok(JWKS, format!("{many} keys are published")),
        }
    }

    /// How many files it may have open, if it tells.
    pub(super) fn open_files(&self) -> Option<u64> {
        let metrics = &self.answers.as_ref()?.metrics;
        let line = metrics.lines().find_map(|line| line.strip_prefix("process_max_fds "))?;
        line.trim().parse().ok()
    }
}

/// The value of a label of the first series of this name.
fn label<'m>(metrics: &'m str, series: &str, label: &str) -> Option<&'m str> {
    let line = metrics.lines().find(|line| line.starts_with(series))?;
    let (_, rest) = line.split_once(&format!("{label}=\""))?;
    rest.split('"').next()
}
