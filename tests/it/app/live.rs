//! Every live key of the configuration: changed by SIGHUP while 64 connections ask, in force on the next request, and no request of theirs
//! fails.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use claviger::clock::{Clock as _, SystemClock};
use claviger::config::{Settings, TakesEffect};
use serde_json::Value;

use super::live_upstream::{self, Silent};
use crate::support::echo::claims;
use crate::support::http::{self, Answer};
use crate::support::server::{Key, Server, Setup};

const CONNECTIONS: usize = 64;
/// For a connection that nothing comes on. Far longer than what is waited for here, far shorter than the defaults.
const A_WHILE: Duration = Duration::from_secs(5);

/// One key, and what shows that another value of it is in force.
struct Row {
    key: &'static str,
    /// What the configuration says before, besides what every server here has.
    before: &'static str,
    /// What it says of the key, and of nothing else, afterwards.
    after: &'static str,
    when: When,
    /// What there is to see.
    see: fn(&Seen<'_>) -> String,
    /// What is seen on the first request afterwards.
    expected: &'static str,
}

/// What the 64 connections do while a row looks.
#[derive(Clone, Copy, PartialEq)]
enum When {
    /// They ask. What is seen before is something else.
    Asking,
    /// They asked while the key was changed, and are gone: what is to be seen would end them, or they would hide it.
    Over,
}

/// What a row looks through.
struct Seen<'a> {
    server: &'a Server,
    /// Policies that are for this key alone leave the 64 connections in peace.
    probe: &'a Key,
    /// Where nobody is ever let in.
    silent: SocketAddr,
}

impl Seen<'_> {
    fn get(&self, path: &str, more: &[(&str, &str)]) -> Answer {
        let bearer = format!("Bearer {}", self.probe.text);
        http::get(self.server.proxy(), path, &[&[("Authorization", &*bearer)], more].concat())
    }

    /// What the upstream tells of the request that it got.
    fn upstream(&self, field: &str, more: &[(&str, &str)]) -> Value {
        self.get("/", more).json()[field].clone()
    }

    /// A header of the request as the upstream got it.
    fn header(&self, name: &str, more: &[(&str, &str)]) -> String {
        let headers = self.upstream("headers", more);
        let found = headers.as_array().unwrap().iter().find(|header| header[0] == name);
        found.map(|header| header[1].as_str().unwrap().to_owned()).unwrap_or_default()
    }

    fn token(&self) -> String {
        self.header("authorization", &[]).trim_start_matches("Bearer ").to_owned()
    }

    fn claim(&self, name: &str) -> Value {
        claims(&self.token())[name].clone()
    }

    fn token_header(&self, name: &str) -> String {
        let token = self.token();
        let header = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
        serde_json::from_slice::<Value>(&header).unwrap()[name].as_str().unwrap().to_owned()
    }

    /// Says this on a connection of its own, with the probe's key in the place of KEY.
    fn say(&self, text: &str) -> TcpStream {
        let mut connection = TcpStream::connect(self.server.proxy()).unwrap();
        connection.set_read_timeout(Some(A_WHILE)).unwrap();
        connection.write_all(text.replace("KEY", &self.probe.text).as_bytes()).unwrap();
        connection
    }

    /// What becomes of a connection on which this is said and then nothing more.
    fn fate(&self, text: &str) -> String {
        end_of(&mut self.say(text))
    }

    /// How much a series grows by what is done.
    fn growth(&self, series: &str, mut act: impl FnMut()) -> u64 {
        let before = self.server.metric(series);
        act();
        self.server.metric(series) - before
    }

    /// The line of the log with this in it, once it is there.
    fn line(&self, part: &str) -> Value {
        let mut found = Value::Null;
        self.server.until(part, |server| match server.log().lines().rev().find(|line| line.contains(part)) {
            Some(line) => {
                found = serde_json::from_str(line).unwrap_or_else(|_| line.into());
                true
            }
            None => false,
        });
        found
    }

    /// Whether the server has told that this key is in force: all that is to be seen of it from outside.
    fn is_told(&self, key: &str) -> String {
        self.server.log().lines().any(|line| line.contains("now in force") && line.contains(&format!("\"key\":\"{key}\""))).to_string()
    }
}

const ASK: &str = "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY\r\n\r\n";
const HALF: &str = "GET / HTTP/1.1\r\nHost: x\r\nX-Half: ";
const WEBSOCKET: &str = "GET /ws HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer KEY\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Whether a connection on which nothing more is said ends.
fn end_of(connection: &mut TcpStream) -> String {
    let mut rest = [0; 16 * 1024];
    loop {
        match connection.read(&mut rest) {
            Ok(0) => return "closed".to_owned(),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return "open".to_owned(),
            Err(_) => return "closed".to_owned(),
        }
    }
}

const fn row(
    key: &'static str,
    (before, after): (&'static str, &'static str),
    when: When,
    see: fn(&Seen<'_>) -> String,
    expected: &'static str,
) -> Row {
    Row { key, before, after, when, see, expected }
}

#[expect(clippy::too_many_lines, reason = "a row for each key")]
fn rows() -> Vec<Row> {
    use When::{Asking, Over};
    vec![
        row(
            "drain_delay",
            ("", "drain_delay = \"0s\""),
            Over,
            |seen| {
                let asked_at = SystemClock::start().now().wall;
                seen.server.signal("TERM");
                let begun: jiff::Timestamp = seen.line("draining: no new connections")["timestamp"].as_str().unwrap().parse().unwrap();
                // The default is five seconds.
                (begun.as_second() - asked_at.as_second() < 4).to_string()
            },
            "true",
        ),
        row(
            "drain_timeout",
            ("", "drain_timeout = \"1s\""),
            Over,
            |seen| {
                let _hanging = seen.say(&ASK.replace("GET /", "GET /hang"));
                seen.server.until("the request", |server| server.metric("claviger_http_requests_in_flight") > 0);
                seen.server.signal("TERM");
                seen.line("were cut")["level"].to_string()
            },
            "\"WARN\"",
        ),
        row(
            "proxy.trusted_proxies",
            ("", "proxy.trusted_proxies = []"),
            Asking,
            |seen| seen.header("x-forwarded-for", &[("X-Forwarded-For", "198.51.100.7")]),
            "127.0.0.1",
        ),
        row(
            "proxy.client_ip",
            ("log.access = \"all\"", "proxy.client_ip = \"forwarded\""),
            Asking,
            |seen| {
                let path = format!("/{}", seen.server.log().len());
                seen.get(&path, &[("Forwarded", "for=203.0.113.9"), ("X-Forwarded-For", "198.51.100.7")]);
                seen.line(&format!("\"{path}\""))["client"].to_string()
            },
            "\"203.0.113.9\"",
        ),
        row(
            "proxy.credentials",
            ("", "proxy.credentials = [\"bearer\", \"query:key\"]"),
            Asking,
            |seen| {
                let answer = http::get(seen.server.proxy(), &format!("/?key={}", seen.probe.text), &[]);
                // Where a key may stand, nothing goes on to the upstream.
                format!("{} {}", answer.status, answer.text().contains("key="))
            },
            "200 false",
        ),
        row(
            "proxy.remove_headers",
            ("", "proxy.remove_headers = [\"x-mine\"]"),
            Asking,
            |seen| ["x-mine", "x-user"].map(|name| seen.header(name, &[("X-Mine", "mine"), ("X-User", "me")])).join(" "),
            " me",
        ),
        row("proxy.via", ("", "proxy.via = false"), Asking, |seen| seen.header("via", &[]), ""),
        row(
            "proxy.end_streams",
            ("proxy.end_streams = \"never\"", "proxy.end_streams = \"revoked\""),
            Over,
            |seen| {
                let mut open = seen.say(WEBSOCKET);
                assert!(open.read(&mut [0; 1024]).unwrap() > 0);
                seen.server.run(&["key", "revoke", "probe"]);
                end_of(&mut open)
            },
            "closed",
        ),
        row("upstream.url", ("", "upstream.url = \"http://OTHER\""), Asking, |seen| seen.upstream("address", &[]).to_string(), "\"OTHER\""),
        row("upstream.http2", ("", "upstream.http2 = true"), Asking, |seen| seen.upstream("version", &[]).to_string(), "\"HTTP/2.0\""),
        row(
            "upstream.connect_timeout",
            ("upstream.connect_timeout = \"20s\"", "upstream.connect_timeout = \"300ms\""),
            Over,
            |seen| {
                let earlier = told(seen.server, "upstream.url");
                let configuration = std::fs::read_to_string(seen.server.config()).unwrap();
                std::fs::write(seen.server.config(), with(&configuration, &format!("upstream.url = \"http://{}\"", seen.silent))).unwrap();
                reload(seen.server);
                seen.server.until("the upstream to be in force", |server| told(server, "upstream.url") > earlier);
                let mut status = [0; 12];
                // Far sooner than before.
                seen.say(ASK).read_exact(&mut status).map_or("no answer".to_owned(), |()| String::from_utf8_lossy(&status).into_owned())
            },
            "HTTP/1.1 504",
        ),
        row(
            "upstream.response_timeout",
            ("", "upstream.response_timeout = \"2s\""),
            Asking,
            |seen| seen.get("/slow", &[]).status.to_string(),
            "504",
        ),
        row(
            "login.admit_without_roles",
            ("", "login.admit_without_roles = true"),
            Asking,
            |seen| {
                let nobody = seen.server.key(&format!("nobody-{}", seen.server.log().len()), &[]);
                seen.server.until("the key", |server| server.get(&nobody.text).status != 401);
                seen.server.get(&nobody.text).status.to_string()
            },
            "200",
        ),
        row(
            "token.issuer",
            ("", "token.issuer = \"https://other.example\""),
            Asking,
            |seen| {
                let document = http::get(seen.server.ops(), "/.well-known/openid-configuration", &[]).json();
                format!("{} {}", seen.claim("iss"), document["issuer"])
            },
            "\"https://other.example\" \"https://other.example\"",
        ),
        row("token.audience", ("", "token.audience = \"others\""), Asking, |seen| seen.claim("aud").to_string(), "\"others\""),
        row(
            "token.ttl",
            ("", "token.ttl = \"30s\""),
            Asking,
            |seen| {
                let claims = claims(&seen.token());
                (claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap()).to_string()
            },
            // And the five seconds that it is backdated by.
            "35",
        ),
        row(
            "token.algorithm",
            ("", "token.keys = \"others\"\ntoken.algorithm = \"EdDSA\""),
            Asking,
            |seen| seen.token_header("alg"),
            "EdDSA",
        ),
        row(
            "token.keys",
            ("", "token.keys = \"same\""),
            Asking,
            |seen| {
                let kid = seen.token_header("kid");
                let published = http::get(seen.server.ops(), "/.well-known/jwks.json", &[]).text().contains(&kid);
                let ring = std::fs::read_to_string(seen.server.dir().join("same/ring.toml")).unwrap();
                format!("{published} {}", ring.contains(&kid))
            },
            "true true",
        ),
        row("token.active", ("token.active = \"FIRST\"", "token.active = \"SECOND\""), Asking, |seen| seen.token_header("kid"), "SECOND"),
        row("token.typ", ("", "token.typ = \"JWT\""), Asking, |seen| seen.token_header("typ"), "JWT"),
        row(
            "token.backdate",
            ("", "token.backdate = \"5m\""),
            Asking,
            |seen| (SystemClock::start().now().wall.as_second() - seen.claim("nbf").as_i64().unwrap() >= 300).to_string(),
            "true",
        ),
        row(
            "token.header",
            ("", "token.header = \"x-token\""),
            Asking,
            |seen| seen.header("x-token", &[("X-Token", "mine")]).starts_with("Bearer ").to_string(),
            "true",
        ),
        row(
            "token.headers",
            ("", "token.headers = { x-auth-subject = \"sub\", x-auth-roles = \"roles\" }"),
            Asking,
            |seen| {
                let sent = [("X_Auth_Subject", "api::root"), ("X-Auth-Roles", "root:space-admin")];
                let is_ours = seen.header("x-auth-subject", &sent) == seen.claim("sub").as_str().unwrap();
                format!("{is_ours} {}", seen.header("x-auth-roles", &sent).contains("root:deployer"))
            },
            "true true",
        ),
        row("token.max_bytes", ("", "token.max_bytes = 1100"), Asking, |seen| seen.claim("roles_scope").to_string(), "\"bound\""),
        row(
            "token.include_actions",
            ("routes = [{ path = \"/{*rest}\", space = \"root\" }]", "token.include_actions = true"),
            Asking,
            |seen| seen.claim("actions").is_array().to_string(),
            "true",
        ),
        // Nobody shows a certificate here: see `edge::client_certificates`.
        row(
            "token.confirm_client_certificate",
            ("", "token.confirm_client_certificate = true"),
            Asking,
            |seen| seen.is_told("token.confirm_client_certificate"),
            "true",
        ),
        row(
            "limits.rate.requests_per_second",
            ("", "limits.rate.requests_per_second = 900000"),
            Asking,
            |seen| seen.server.get(&seen.probe.text).headers.iter().any(|(name, _)| name == "ratelimit-policy").to_string(),
            "true",
        ),
        row(
            "limits.rate.burst",
            ("limits.rate.requests_per_second = 900000", "limits.rate.burst = 950000"),
            Asking,
            |seen| seen.server.get(&seen.probe.text).headers.iter().any(|(_, value)| value.contains("q=950000")).to_string(),
            "true",
        ),
        row(
            "store.max_staleness",
            ("", "store.max_staleness = \"5s\""),
            Over,
            |seen| {
                std::fs::rename(seen.server.dir().join("claviger.db"), seen.server.dir().join("gone.db")).unwrap();
                // Far sooner than the default's minute.
                seen.server.until("the refusal", |server| server.get(&seen.probe.text).status == 503);
                "refused".to_owned()
            },
            "refused",
        ),
        row("policies.dir", ("", "policies.dir = \"deny\""), Asking, |seen| seen.get("/", &[]).status.to_string(), "403"),
        row(
            "policies.time_limit",
            ("policies.dir = \"large\"\npolicies.time_limit = \"10s\"", "policies.time_limit = \"10ms\""),
            Asking,
            |seen| seen.get("/", &[]).status.to_string(),
            "503",
        ),
        row(
            "policies.memory_limit",
            ("policies.dir = \"large\"\npolicies.time_limit = \"10s\"", "policies.memory_limit = \"1MiB\""),
            Asking,
            |seen| seen.get("/", &[]).status.to_string(),
            "503",
        ),
        row(
            "policies.evaluator",
            ("policies.dir = \"large\"\npolicies.time_limit = \"10s\"", "policies.evaluator = \"regorus\""),
            Asking,
            |seen| seen.is_told("policies.evaluator"),
            "true",
        ),
        row(
            "policies.compare_every",
            ("policies.dir = \"large\"\npolicies.time_limit = \"10s\"", "policies.compare_every = 1"),
            Asking,
            |seen| seen.is_told("policies.compare_every"),
            "true",
        ),
        row("audit.keep", ("", "audit.keep = \"400d\""), Asking, |seen| seen.is_told("audit.keep"), "true"),
        row(
            "audit.webhook.url",
            ("", "audit.webhook.url = \"http://127.0.0.1:9/hook\""),
            Asking,
            |seen| seen.is_told("audit.webhook.url"),
            "true",
        ),
        row(
            "audit.webhook.secret_file",
            ("", "audit.webhook.secret_file = \"elsewhere\""),
            Asking,
            |seen| seen.is_told("audit.webhook.secret_file"),
            "true",
        ),
        row("audit.webhook.timeout", ("", "audit.webhook.timeout = \"1s\""), Asking, |seen| seen.is_told("audit.webhook.timeout"), "true"),
        row(
            "audit.webhook.give_up_after",
            ("", "audit.webhook.give_up_after = \"1h\""),
            Asking,
            |seen| seen.is_told("audit.webhook.give_up_after"),
            "true",
        ),
        row(
            "cache.max_entries",
            ("", "cache.max_entries = 1"),
            Asking,
            |seen| {
                let others: Vec<Key> = ["one", "two", "three"]
                    .map(|name| format!("{name}-{}", seen.server.log().len()))
                    .iter()
                    .map(|name| seen.server.key(name, &["--bind", "deployer@root"]))
                    .collect();
                for other in &others {
                    seen.server.until("the key", |server| server.get(&other.text).status == 200);
                }
                let missed = seen.growth("claviger_cache_requests_total{cache=\"credential\",result=\"miss\"}", || {
                    for other in others.iter().cycle().take(30) {
                        seen.server.get(&other.text);
                    }
                });
                (missed > 10).to_string()
            },
            "true",
        ),
        row("cache.max_bytes", ("", "cache.max_bytes = \"1MiB\""), Asking, |seen| seen.is_told("cache.max_bytes"), "true"),
        row(
            "cache.time_quantum",
            ("policies.dir = \"hour\"\ntoken.ttl = \"1h\"", "cache.time_quantum = \"1h\""),
            Asking,
            |seen| seen.get("/", &[]).status.to_string(),
            "200",
        ),
        row(
            "cache.negative_ttl",
            ("", "cache.negative_ttl = \"0s\""),
            Asking,
            |seen| {
                let remembered = seen.growth("claviger_cache_requests_total{cache=\"absence\",result=\"hit\"}", || {
                    for _ in 0..5 {
                        http::get(seen.server.proxy(), "/", &[("X-API-Key", "nobodys")]);
                    }
                });
                (remembered > 0).to_string()
            },
            "false",
        ),
        row(
            "limits.max_header_bytes",
            ("", "limits.max_header_bytes = \"16KiB\""),
            Asking,
            |seen| seen.get("/", &[("X-Long", &*"x".repeat(20_000))]).status.to_string(),
            "431",
        ),
        row(
            "admin.requests_per_second",
            ("", "admin.requests_per_second = 1"),
            Asking,
            |seen| {
                let bearer = format!("Bearer {}", seen.probe.text);
                let ask = || http::get(seen.server.admin(), "/api/v1/whoami", &[("Authorization", &*bearer)]).status;
                (0..15).fold(0, |_, _| ask()).to_string()
            },
            "429",
        ),
        row(
            "limits.max_headers",
            ("", "limits.max_headers = 20"),
            Asking,
            |seen| seen.get("/", &[("X-Line", "x"); 30]).status.to_string(),
            "431",
        ),
        row(
            "limits.max_connections",
            ("", "limits.max_connections = 5"),
            Over,
            |seen| {
                let _hanging: Vec<TcpStream> = (0..5).map(|_| seen.say(&ASK.replace("GET /", "GET /hang"))).collect();
                seen.server.until("the requests", |server| server.metric("claviger_http_requests_in_flight") >= 5);
                let connections = |server: &Server| server.metric("claviger_http_connections{listener=\"proxy\"}");
                let mut waiting = seen.say(ASK);
                waiting.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
                let waits = waiting.read(&mut [0]).is_err();
                format!("{waits} {}", connections(seen.server))
            },
            "true 5",
        ),
        row(
            "limits.max_requests",
            ("", "limits.max_requests = 2"),
            Over,
            |seen| {
                // One that has just come may not have been let in yet, or have been refused itself, as long as others were under way.
                let hanging = std::cell::RefCell::new(Vec::new());
                seen.server.until("a request to be refused", |_| {
                    hanging.borrow_mut().push(seen.say(&ASK.replace("GET /", "GET /hang")));
                    seen.get("/", &[]).status == 503
                });
                seen.get("/", &[]).code()
            },
            "overloaded",
        ),
        row("limits.header_timeout", ("", "limits.header_timeout = \"2s\""), Asking, |seen| seen.fate(HALF), "closed"),
        row("limits.idle_timeout", ("", "limits.idle_timeout = \"3s\""), Asking, |seen| seen.fate(ASK), "closed"),
        row("limits.websocket_idle_timeout", ("", "limits.websocket_idle_timeout = \"1s\""), Asking, |seen| seen.fate(WEBSOCKET), "closed"),
        row(
            "log.format",
            ("", "log.format = \"text\""),
            Asking,
            |seen| {
                let path = format!("/{}", seen.server.log().len());
                http::get(seen.server.proxy(), &path, &[]);
                seen.line(&path).is_string().to_string()
            },
            "true",
        ),
        row(
            "log.level",
            ("", "log.level = \"error\""),
            Asking,
            |seen| {
                let said = |server: &Server| server.log().matches("have been reloaded").count();
                let before = said(seen.server);
                reload(seen.server);
                let path = format!("/{}", seen.server.log().len());
                http::get(seen.server.proxy(), &path, &[]);
                // Lines are written in order, and this one at every level.
                seen.line(&path);
                (said(seen.server) > before).to_string()
            },
            "false",
        ),
        row(
            "log.access",
            ("", "log.access = \"all\""),
            Asking,
            |seen| {
                let (path, last) = (format!("/{}", seen.server.log().len()), format!("/last-{}", seen.server.log().len()));
                seen.get(&path, &[]);
                // Lines are written in order, and this one whatever is said of others.
                http::get(seen.server.proxy(), &last, &[]);
                seen.line(&last);
                seen.server.log().contains(&format!("\"{path}\"")).to_string()
            },
            "true",
        ),
    ]
}

/// How often the server has told that another value of this key is in force.
fn told(server: &Server, key: &str) -> usize {
    server.log().lines().filter(|line| line.contains("now in force") && line.contains(key)).count()
}

/// Has the configuration read anew, and returns when that is over.
fn reload(server: &Server) {
    let over = |server: &Server| {
        ["ok", "error"].map(|result| server.metric(&format!("claviger_config_reloads_total{{result=\"{result}\"}}"))).iter().sum::<u64>()
    };
    let before = over(server);
    server.signal("HUP");
    server.until("the reload", |server| over(server) > before);
}

/// A flag that is raised however its scope is left: a test that fails must not leave others asking.
struct Raised<'a>(&'a AtomicBool);

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks on 64 connections at once, again and again, until it is told to stop.
/// `over`: what requests may be refused with, because there are to be more of them than may be.
fn keep_asking(proxy: SocketAddr, key: &Key, over: Option<&str>, stop: &AtomicBool) -> Result<usize, String> {
    let request = ASK.replace("KEY", &key.text).replace("GET /", "GET /load");
    let connect = || {
        let connection = TcpStream::connect(proxy).unwrap();
        connection.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        connection
    };
    let mut connections: Vec<TcpStream> = (0..CONNECTIONS).map(|_| connect()).collect();
    let mut answered = 0;
    while !stop.load(Ordering::Relaxed) {
        for connection in &mut connections {
            connection.write_all(request.as_bytes()).map_err(|error| format!("a request could not be sent: {error}"))?;
        }
        for connection in &mut connections {
            let answer = read_answer(connection)?;
            if answer.status != 200 && over.is_none_or(|over| answer.code() != over) {
                return Err(format!("{}: {}", answer.status, answer.text()));
            }
            answered += 1;
            if answer.headers.iter().any(|(name, value)| name == "connection" && value == "close") {
                *connection = connect();
            }
        }
    }
    Ok(answered)
}

/// One answer of a connection that goes on.
fn read_answer(connection: &mut TcpStream) -> Result<Answer, String> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 8 * 1024]);
    loop {
        let count = connection.read(&mut piece).map_err(|error| format!("no answer: {error}"))?;
        if count == 0 {
            return Err(format!("closed instead of an answer, after {:?}", String::from_utf8_lossy(&bytes)));
        }
        bytes.extend_from_slice(&piece[..count]);
        let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
        if length.is_some_and(|length| bytes.len() >= head + 4 + length) {
            return Ok(http::parse(&bytes));
        }
    }
}

/// A configuration with these keys said differently.
fn with(configuration: &str, keys: &str) -> String {
    fn merge(into: &mut toml::Table, from: toml::Table) {
        for (key, value) in from {
            match (into.get_mut(&key), value) {
                (Some(toml::Value::Table(into)), toml::Value::Table(from)) => merge(into, from),
                (_, value) => drop(into.insert(key, value)),
            }
        }
    }
    let mut table: toml::Table = configuration.parse().unwrap();
    merge(&mut table, keys.parse().unwrap());
    table.to_string()
}

/// What a row has to find before it begins.
fn prepare(server: &Server, key: &str) {
    let policy = |dir: &str, text: &str| {
        std::fs::create_dir(server.dir().join(dir)).unwrap();
        std::fs::write(server.dir().join(dir).join("gate.rego"), format!("package spacelift\n\n{text}\n")).unwrap();
    };
    let of_probe = "input.session.login == \"probe\"";
    policy("deny", &format!("deny if {of_probe}"));
    policy(
        "large",
        &format!(
            "text := \"0123456789012345678901234567890123456789\"\n\ndeny if {{\n\t{of_probe}\n\tcount([concat(\"\", [text, \"x\"]) | some _ in numbers.range(1, 20000)]) == 1\n}}"
        ),
    );
    policy("hour", &format!("deny if {{\n\t{of_probe}\n\tinput.request.timestamp_ns % 3600000000000 != 0\n}}"));
    for (dir, algorithm) in [("others", "EdDSA"), ("same", "ES256")] {
        let dir = server.dir().join(dir);
        let made = server.try_run(&["token", "keys", "--keys", dir.to_str().unwrap(), "publish", "--algorithm", algorithm]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
    if key == "token.max_bytes" {
        for number in 0..12 {
            server.run(&["space", "create", &format!("{}-{number}", "long-name-of-a-space".repeat(3)), "--parent", "root"]);
        }
    }
}

/// Changes one key, and says what is wrong with that.
fn change(row: &Row) -> Result<(), String> {
    let (upstream, other, silent) = (live_upstream::start(), live_upstream::start(), Silent::start());
    let server = Setup::new().quiet().without("CLAVIGER_DRAIN_DELAY").start();
    server.make_role("deployer", "run:trigger");
    prepare(&server, row.key);
    let (load, probe) = (server.key("load", &["--bind", "deployer@root"]), server.key("probe", &["--bind", "deployer@root"]));
    // One more signing key, which is published and does not sign.
    let second = server.run(&["token", "keys", "publish"])["kid"].as_str().unwrap().to_owned();
    let ring = server.dir().join("keys/ring.toml");
    let first: toml::Table = std::fs::read_to_string(&ring).unwrap().parse().unwrap();
    let first = first["active"].as_str().unwrap();
    let fill = |text: &str| text.replace("SECOND", &second).replace("FIRST", first).replace("OTHER", &other.to_string());
    if row.key == "token.active" {
        // Two that say which key signs are a fault.
        std::fs::remove_file(ring).unwrap();
    }
    let before = std::fs::read_to_string(server.config()).unwrap();
    let before = with(&with(&before, &format!("upstream.url = \"http://{upstream}\"")), &fill(row.before));
    std::fs::write(server.config(), &before).unwrap();
    reload(&server);
    let in_force = server.metric("claviger_config_last_reload_success") > 0;
    assert!(in_force, "{}: {}", row.key, server.log());
    server.until("the keys", |server| [&load, &probe].iter().all(|key| server.get(&key.text).status != 401));

    let seen = Seen { server: &server, probe: &probe, silent: silent.address() };
    let expected = fill(row.expected);
    let stop = AtomicBool::new(false);
    let over = (row.key == "limits.max_requests").then_some("overloaded");
    let (asked, found) = std::thread::scope(|scope| {
        let asking = scope.spawn(|| keep_asking(server.proxy(), &load, over, &stop));
        let asks_until_here = Raised(&stop);
        server.until("the connections", |server| server.metric("claviger_http_connections{listener=\"proxy\"}") >= CONNECTIONS as u64);
        if row.when == When::Asking {
            let earlier = (row.see)(&seen);
            assert_ne!(earlier, expected, "{}: it shows before it is changed; the log:\n{}", row.key, server.log());
        }
        let told_before = told(&server, row.key);
        std::fs::write(server.config(), with(&before, &fill(row.after))).unwrap();
        reload(&server);
        // The file is watched, too: what was read may have been the one before. At its new level, the log does not tell of itself.
        if row.key == "log.level" {
            reload(&server);
        } else {
            server.until("the key to be in force", |server| told(server, row.key) > told_before);
        }
        let found = (row.when == When::Asking).then(|| (row.see)(&seen));
        drop(asks_until_here);
        (asking.join().unwrap(), found)
    });
    let asked = asked.map_err(|fault| format!("{fault}; the log:\n{}", server.log()))?;
    if asked < CONNECTIONS {
        return Err(format!("only {asked} requests were answered meanwhile"));
    }
    let found = found.unwrap_or_else(|| (row.see)(&seen));
    if found == expected { Ok(()) } else { Err(format!("{found} instead of {expected}; the log:\n{}", server.log())) }
}

/// Live keys that take clients, or an upstream, of another kind: see `edge::tls_reload` and `edge::upstream_tls_reload`, which change what
/// stands behind them under load.
const OF_TLS: [&str; 12] = [
    "admin.tls.cert",
    "admin.tls.key",
    "ops.tls.cert",
    "ops.tls.key",
    "proxy.client_ca",
    "proxy.client_certificates",
    "proxy.tls.cert",
    "proxy.tls.key",
    "upstream.tls.ca",
    "upstream.tls.cert",
    "upstream.tls.key",
    "upstream.tls.name",
];

#[test]
fn a_connection_that_was_made_by_other_limits_ends_with_its_next_answer() {
    let server = Server::start();
    let mut connection = TcpStream::connect(server.proxy()).unwrap();
    connection.set_read_timeout(Some(A_WHILE)).unwrap();
    let mut closes = || {
        connection.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let answer = read_answer(&mut connection).unwrap();
        answer.headers.contains(&("connection".to_owned(), "close".to_owned()))
    };
    assert!(!closes());

    let before = std::fs::read_to_string(server.config()).unwrap();
    std::fs::write(server.config(), with(&before, "limits.max_headers = 50")).unwrap();
    reload(&server);

    assert!(closes());
    assert_eq!(end_of(&mut connection), "closed");
}

#[test]
fn every_live_key_is_in_force_on_the_next_request_and_no_request_fails() {
    let rows = rows();
    let listed: BTreeSet<&str> = rows.iter().map(|row| row.key).collect();
    let live: Vec<String> =
        Settings::keys().into_iter().filter(|(_, takes_effect)| *takes_effect == TakesEffect::Live).map(|(key, _)| key).collect();
    // Those of routes and of their upstreams are in force together: see the tests below.
    let live: Vec<String> = live.into_iter().filter(|key| !key.starts_with("routes.") && !key.starts_with("upstreams.")).collect();
    let (of_tls, live): (Vec<String>, Vec<String>) = live.into_iter().partition(|key| OF_TLS.contains(&key.as_str()));
    let without_row: Vec<&String> = live.iter().filter(|key| !listed.contains(key.as_str())).collect();
    assert!(without_row.is_empty() && live.len() == rows.len(), "live keys without a row here: {without_row:?}");
    assert_eq!(of_tls.len(), OF_TLS.len());

    let (waiting, faults) = (Mutex::new(rows), Mutex::new(Vec::new()));
    let next = || waiting.lock().unwrap().pop();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while let Some(row) = next() {
                    if let Err(fault) = change(&row) {
                        faults.lock().unwrap().push(format!("{}: {fault}", row.key));
                    }
                }
            });
        }
    });

    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn upstreams_that_come_and_go_are_in_force_on_the_next_request_and_no_request_fails() {
    let [a, b, c] = [(); 3].map(|()| live_upstream::start());
    let server = Setup::new().quiet().start();
    server.make_role("deployer", "run:trigger");
    let load = server.key("load", &["--bind", "deployer@root"]);
    let before = std::fs::read_to_string(server.config()).unwrap();
    let all = "[{ path = \"/{*rest}\" }]";
    let own = format!("[{{ path = \"/own\", upstream = \"own\" }}, {{ path = \"/{{*rest}}\", upstream = [\"http://{a}\"] }}]");
    let configurations = [
        (format!("upstream.url = [\"http://{a}\", \"http://{b}\"]\nroutes = {all}"), "/", vec![a, b]),
        (format!("upstream.url = [\"http://{b}\", \"http://{c}\"]\nroutes = {all}"), "/", vec![b, c]),
        (format!("upstream.url = [\"http://{a}\"]\nroutes = {own}\nupstreams.own.url = \"http://{c}\""), "/own", vec![c]),
        (
            format!("upstream.url = [\"http://{b}\"]\nroutes = {own}\nupstreams.own.url = [\"http://{b}\", \"http://{c}\"]"),
            "/own",
            vec![b, c],
        ),
    ];
    let address = |path: &str| {
        let answer = http::get(server.proxy(), path, &[("Authorization", &format!("Bearer {}", load.text))]);
        if answer.status == 200 { answer.json()["address"].as_str().unwrap_or_default().to_owned() } else { answer.status.to_string() }
    };
    let put = |(keys, path, expected): &(String, &str, Vec<SocketAddr>)| {
        std::fs::write(server.config(), with(&before, keys)).unwrap();
        reload(&server);
        let expected: BTreeSet<String> = expected.iter().map(ToString::to_string).collect();
        // The file is watched, too: what was read may have been the one before.
        server.until("it to be in force", |_| (0..8).map(|_| address(path)).collect::<BTreeSet<_>>() == expected);
    };
    server.until("the key", |server| server.get(&load.text).status == 200);
    put(&configurations[0]);

    let stop = AtomicBool::new(false);
    let asked = std::thread::scope(|scope| {
        let asking = scope.spawn(|| keep_asking(server.proxy(), &load, None, &stop));
        let asks_until_here = Raised(&stop);
        server.until("the connections", |server| server.metric("claviger_http_connections{listener=\"proxy\"}") >= CONNECTIONS as u64);
        for configuration in configurations.iter().cycle().take(8) {
            put(configuration);
        }
        drop(asks_until_here);
        asking.join().unwrap()
    });

    let asked = asked.unwrap_or_else(|fault| panic!("{fault}; the log:\n{}", server.log()));
    assert!(asked >= CONNECTIONS, "only {asked} requests were answered meanwhile");
}

#[test]
fn a_configuration_that_is_about_to_be_written_anew_does_not_put_the_defaults_in_force() {
    let server = Server::start();
    server.make_role("deployer", "run:trigger");
    let key = server.key("ci", &["--bind", "deployer@root"]);
    server.until("the key", |server| server.get(&key.text).status == 200);
    let before = std::fs::read_to_string(server.config()).unwrap();

    std::fs::write(server.config(), "").unwrap();
    reload(&server);

    // The log and the metrics each come in their own time.
    server.until("the failure to be told", |server| server.log().contains("there is nothing in it"));
    server.until("the failure", |server| server.metric("claviger_config_last_reload_success") == 0);
    assert_eq!(server.get(&key.text).status, 200);
    std::fs::write(server.config(), with(&before, "proxy.via = false")).unwrap();
    server.until("what was written to be in force", |server| told(server, "proxy.via") > 0);
    server.until("the success", |server| server.metric("claviger_config_last_reload_success") == 1);
}

#[test]
fn other_routes_are_in_force_on_the_next_request() {
    let server = Server::with_spaces();
    let key = server.key("ci", &["--bind", "deployer@production"]);
    let before = std::fs::read_to_string(server.config()).unwrap();
    let bearer = format!("Bearer {}", key.text);
    let status = |path: &str| http::get(server.proxy(), path, &[("Authorization", &bearer)]).status;
    let put = |routes: &str| {
        std::fs::write(server.config(), with(&before, routes)).unwrap();
        reload(&server);
    };
    server.until("the key", |_| status("/v1/runs") == 200);

    put("routes = [{ path = \"/v1/runs\", auth = \"none\" }]");
    assert_eq!((http::get(server.proxy(), "/v1/runs", &[]).status, status("/v1/other")), (200, 404));
    put("routes = [{ path = \"/v1/{*rest}\", space = \"staging\", require = \"run:trigger\" }]");
    assert_eq!((http::get(server.proxy(), "/v1/runs", &[]).status, status("/v1/runs")), (401, 403));
    server.until("what has changed to be told", |server| server.log().contains("routes.0.require"));
    // What is wrong changes nothing.
    put("routes = [{ path = \"/v1/{*rest}\" }, { path = \"/v1/{*all}\" }]");
    assert_eq!((status("/v1/runs"), status("/")), (403, 404));
    std::fs::write(server.config(), &before).unwrap();
    reload(&server);
    assert_eq!(status("/"), 200);
}
