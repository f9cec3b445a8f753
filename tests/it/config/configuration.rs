//! Configuration: what is accepted, and what is said about what is not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use claviger::config::{Faults, Settings, StoreUrl, TakesEffect, TlsPair, UpstreamProtocol, UpstreamSettings};
use claviger::diagnostics::Colour;
use proptest::prelude::*;

const REFERENCE: &str = include_str!("../../../config/claviger.toml");

/// Keys that the reference shows as comments.
const COMMENTED: [&str; 42] = [
    "routes.*.upstream",
    "upstreams.*.url",
    "upstreams.*.http2",
    "upstreams.*.tls.ca",
    "upstreams.*.tls.cert",
    "upstreams.*.tls.key",
    "upstreams.*.tls.name",
    "upstreams.*.connect_timeout",
    "upstreams.*.response_timeout",
    "limits.rate.requests_per_second",
    "limits.rate.burst",
    "routes.*.rate.requests_per_second",
    "routes.*.rate.burst",
    "routes.*.path",
    "routes.*.methods",
    "routes.*.hosts",
    "routes.*.auth",
    "routes.*.space",
    "routes.*.require",
    "routes.*.cors_preflight",
    "routes.*.response_timeout",
    "routes.*.max_body_bytes",
    "routes.*.name",
    "policies.dir",
    "token.active",
    "token.headers",
    "audit.webhook.url",
    "store.key_file",
    "store.ca",
    "store.password_file",
    "proxy.tls.cert",
    "proxy.tls.key",
    "proxy.client_ca",
    "ops.tls.cert",
    "ops.tls.key",
    "admin.tls.cert",
    "admin.tls.key",
    "upstream.http2",
    "upstream.tls.ca",
    "upstream.tls.cert",
    "upstream.tls.key",
    "upstream.tls.name",
];

fn with_environment(toml: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Settings, Faults> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("claviger.toml");
    std::fs::write(&file, toml).unwrap();
    let own = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>();
    Settings::load(Some(&file), own(variables), &own(flags)).map(|loaded| loaded.settings)
}

fn only_fault(toml: &str) -> (String, Option<String>) {
    let faults = Settings::from_toml(toml).expect_err(toml);
    assert_eq!(faults.len(), 1, "{faults}");
    let fault = faults.iter().next().unwrap();
    (fault.reason.clone(), fault.suggestion.clone())
}

fn warnings(toml: &str) -> Vec<String> {
    let loaded = Settings::from_toml(toml).unwrap_or_else(|faults| panic!("{faults}"));
    loaded.warnings.into_iter().map(|warning| format!("{}: {}", warning.key.unwrap_or_default(), warning.reason)).collect()
}

#[test]
fn the_reference_says_exactly_the_defaults() {
    let loaded = Settings::from_toml(REFERENCE).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(loaded.settings, Settings::default());
    assert_eq!(loaded.warnings, []);
}

#[test]
fn nothing_at_all_says_the_defaults_too() {
    assert_eq!(Settings::from_toml("").unwrap().settings, Settings::default());
    assert_eq!(Settings::load(None, [], &[]).unwrap().settings, Settings::default());
}

fn add_keys(keys: &mut BTreeSet<String>, within: &str, table: &toml::Table) {
    for (name, value) in table {
        match value.as_table() {
            Some(section) => add_keys(keys, &format!("{within}{name}."), section),
            None => drop(keys.insert(format!("{within}{name}"))),
        }
    }
}

#[test]
fn every_key_stands_in_the_reference() {
    let table: toml::Table = REFERENCE.parse().unwrap();
    let mut written = BTreeSet::new();
    add_keys(&mut written, "", &table);
    written.extend(COMMENTED.map(str::to_owned));
    assert_eq!(written, Settings::keys().into_keys().collect());
}

/// The comment right above each key of the reference.
fn comments() -> std::collections::BTreeMap<String, String> {
    let (mut section, mut comment, mut comments) = (String::new(), String::new(), std::collections::BTreeMap::new());
    for line in REFERENCE.lines() {
        let key = line.trim_start_matches("# ").split_once(" = ").map(|(key, _)| key).filter(|key| !key.contains(' '));
        if let Some(name) = line.strip_prefix("# [[") {
            section = format!("{}.*.", name.trim_end_matches(']'));
            comment.clear();
        } else if let Some(name) = line.strip_prefix("# [upstreams.") {
            assert!(name.ends_with(']'), "{name}");
            section = "upstreams.*.".to_owned();
            comment.clear();
        } else if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
            comment.clear();
        } else if let Some(key) = key.filter(|key| !line.starts_with('#') || COMMENTED.contains(&&*format!("{section}{key}"))) {
            comments.insert(format!("{section}{key}"), comment.clone());
            comment.clear();
        } else if line.is_empty() {
            comment.clear();
        } else {
            comment.push_str(line);
        }
    }
    comments
}

#[test]
fn the_reference_says_of_each_key_when_another_value_counts() {
    let comments = comments();
    for (key, takes_effect) in Settings::keys() {
        let comment = &comments[&key];
        let said = [("Read at start.", TakesEffect::AtStart), ("Read once.", TakesEffect::Once)];
        let said = said.iter().find(|(mark, _)| comment.contains(mark)).map_or(TakesEffect::Live, |(_, takes_effect)| *takes_effect);
        assert_eq!(said, takes_effect, "{key}: {comment}");
    }
}

#[test]
fn the_commented_keys_of_the_reference_work_when_uncommented() {
    let uncommented = REFERENCE.replace("# dir = ", "dir = ").replace("# active = ", "active = ").replace("# url = ", "url = ");
    let uncommented = uncommented.replace("# tls.", "tls.").replace("# client_ca = ", "client_ca = ").replace("# rate.", "rate.");
    let uncommented = uncommented.replace("# headers = ", "headers = ");
    let uncommented = uncommented.replace("# http2 = ", "http2 = ").replace("url = \"http://127.0.0.1:3000\"", "url = \"https://api\"");
    let uncommented = uncommented.replace("client_certificates = \"off\"", "client_certificates = \"required\"");
    let is_key = |line: &str| line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let section = |text: &str, head: &str| {
        let (before, keys) = text.split_once(&format!("# {head}")).unwrap();
        let (keys, behind) = keys.split_once("\n\n").unwrap();
        let keys = keys.lines().map(|line| line.strip_prefix("# ").filter(|line| is_key(line)).unwrap_or(line));
        format!("{before}{head}{}\n\n{behind}", keys.collect::<Vec<_>>().join("\n"))
    };
    let uncommented = section(&section(&uncommented, "[upstreams.reports]"), "[[routes]]");
    let loaded = Settings::from_toml(&uncommented).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(loaded.settings.policies.dir, Some(PathBuf::from("policies/")));
    let pair = TlsPair { cert: PathBuf::from("tls/tls.crt"), key: PathBuf::from("tls/tls.key") };
    let Settings { proxy, ops, admin, .. } = &loaded.settings;
    assert_eq!([&proxy.tls, &ops.tls, &admin.tls], [&[pair]; 3]);
    let UpstreamSettings { protocol, tls, .. } = &loaded.settings.upstream;
    assert_eq!((*protocol, tls.files().count(), tls.name.as_deref()), (UpstreamProtocol::Http2, 3, Some("api.internal.example")));
    assert_eq!(loaded.settings.token.headers.len(), 2);
    let reports = &loaded.settings.upstreams["reports"];
    assert_eq!((reports.protocol, reports.tls.files().count()), (UpstreamProtocol::Http2, 3));
    assert_eq!(loaded.settings.routes[0].upstream.as_ref().unwrap().name.as_deref(), Some("reports"));
    let [route] = &loaded.settings.routes[..] else { panic!("{:?}", loaded.settings.routes) };
    assert_eq!((route.path.as_str(), route.require.as_ref().unwrap().to_string()), ("/v1/spaces/{space}/runs", "run:trigger".to_owned()));
    let about: Vec<_> = loaded.warnings.iter().filter_map(|warning| warning.key.as_deref()).collect();
    assert_eq!(about, Vec::<&str>::new());
}

#[test]
fn every_fault_is_told_at_once_with_its_place() {
    let toml = r#"drain_timout = "30s"

[proxy]
listen = ":8080"
trusted_proxies = ["10.0.0.0/8", "10.1.2.3/8"]
credentials = ["bearer", "header:Content-Length"]

[upstream]
url = "https://user:hunter2@api"

[token]
audience = ""
ttl = "1s"
algorithm = "es256"

[[routes]]
path = "v1"

[cach]
max_entries = 5

[log]
level = 3
"#;
    let expected = r#"error: drain_timout: there is no such key
  --> claviger.toml:1:1
   |
 1 | drain_timout = "30s"
   | ^^^^^^^^^^^^
   = help: did you mean `drain_timeout`?

error: proxy.listen: ":8080" is not an address and a port
  --> claviger.toml:4:10
   |
 4 | listen = ":8080"
   |          ^^^^^^^
   = help: write "[::]:8080" for every address of the machine

error: proxy.trusted_proxies: 10.1.2.3/8 has bits behind its prefix
  --> claviger.toml:5:34
   |
 5 | trusted_proxies = ["10.0.0.0/8", "10.1.2.3/8"]
   |                                  ^^^^^^^^^^^^
   = help: did you mean "10.0.0.0/8"?

error: proxy.credentials: content-length cannot carry a credential: it has a meaning of its own to servers and proxies
  --> claviger.toml:6:26
   |
 6 | credentials = ["bearer", "header:Content-Length"]
   |                          ^^^^^^^^^^^^^^^^^^^^^^^

error: upstream.url: a url with a user or a password is refused: the only credential on a request is the token
  --> claviger.toml:9:7
   |
 9 | url = "https://************@api"
   |       ^^^^^^^^^^^^^^^^^^^^^^^^^^

error: token.audience: an empty audience would make the token good for everybody
  --> claviger.toml:12:12
   |
12 | audience = ""
   |            ^^

error: token.ttl: it is between 5s and 24h, not 1s
  --> claviger.toml:13:7
   |
13 | ttl = "1s"
   |       ^^^^

error: token.algorithm: it is one of ES256, EdDSA, RS256, not "es256"
  --> claviger.toml:14:13
   |
14 | algorithm = "es256"
   |             ^^^^^^^
   = help: did you mean "ES256"?

error: routes.0.path: a path begins with a slash
  --> claviger.toml:17:8
   |
17 | path = "v1"
   |        ^^^^
   = help: write "/v1"

error: cach: there is no such section
  --> claviger.toml:19:2
   |
19 | [cach]
   |  ^^^^
   = help: did you mean `[cache]`?

error: log.level: a text in quotes is wanted, not an integer
  --> claviger.toml:23:9
   |
23 | level = 3
   |         ^
   = help: write one of "off", "error", "warn", "info", "debug", "trace"
"#;
    let faults = Settings::from_toml(toml).unwrap_err();
    assert_eq!(faults.render(Colour::Never), expected);
}

#[test]
fn broken_lines_are_told_beside_other_faults() {
    let faults =
        Settings::from_toml("[proxy]\nlisten = \"0.0.0.0:8080\nthreads = -1\n\n[token]\nttl = 30\nissuer = = \"x\"\n").unwrap_err();
    let places: Vec<_> = faults.iter().map(|fault| (fault.place.to_string(), fault.key.clone())).collect();
    let expected = [
        ("claviger.toml:2:23", None),
        ("claviger.toml:3:11", Some("proxy.threads")),
        ("claviger.toml:6:7", Some("token.ttl")),
        ("claviger.toml:7:10", None),
    ];
    let expected: Vec<_> = expected.map(|(place, key)| (place.to_owned(), key.map(str::to_owned))).to_vec();
    assert_eq!(places, expected, "{faults}");
}

#[test]
fn faults_are_json_for_programs() {
    let faults = with_environment("[token]\ntll = \"30s\"\n", &[("CLAVIGER_LOG__LEVEL", "loud")], &[]).unwrap_err();
    let json = serde_json::to_value(&faults).unwrap();
    assert!(json[0]["file"].as_str().unwrap().ends_with("claviger.toml"));
    assert_eq!(json[0]["line"], 2);
    assert_eq!(json[0]["column"], 1);
    assert_eq!(json[0]["key"], "token.tll");
    assert_eq!((&json[0]["severity"], &json[0]["width"]), (&"error".into(), &3.into()));
    assert_eq!(json[0]["text"], "tll = \"30s\"");
    assert_eq!(json[0]["message"], "there is no such key");
    assert_eq!(json[0]["suggestion"], "did you mean `ttl`?");
    assert_eq!(json[1]["file"], serde_json::Value::Null);
    assert_eq!(json[1]["variable"], "CLAVIGER_LOG__LEVEL");
    assert_eq!(json[1]["key"], "log.level");
}

#[test]
fn a_flag_wins_over_the_environment_and_the_environment_over_the_file() {
    let toml = "drain_timeout = \"1s\"\n[token]\nttl = \"10s\"\naudience = \"file\"\nissuer = \"file\"\n";
    let variables = [("CLAVIGER_TOKEN__TTL", "20s"), ("CLAVIGER_TOKEN__AUDIENCE", "environment"), ("CLAVIGER_DRAIN_TIMEOUT", "2s")];
    let settings = with_environment(toml, &variables, &[("token.ttl", "40s"), ("token.ttl", "30s")]).unwrap();
    assert_eq!(settings.token.ttl, Duration::from_secs(30));
    assert_eq!(settings.token.audience, "environment");
    assert_eq!(settings.token.issuer, "file");
    assert_eq!(settings.drain_timeout, Duration::from_secs(2));
}

#[test]
fn every_key_can_be_set_by_variable_and_by_flag() {
    #[expect(clippy::match_same_arms, reason = "keys are listed by their sections")]
    let values = |key: &str| match key {
        "admin.listen" => "off",
        "audit.keep" => "400d",
        "audit.webhook.url" => "http://receiver/hook",
        "admin.requests_per_second" | "cache.max_entries" | "proxy.threads" | "limits.max_connections" | "limits.max_requests" => "7",
        "cache.negative_ttl" | "cache.time_quantum" => "2s",
        "log.access" => "all",
        "log.format" => "json",
        "log.level" => "debug",
        "admin.insecure"
        | "store.insecure"
        | "login.admit_without_roles"
        | "token.confirm_client_certificate"
        | "token.include_actions"
        | "upstream.http2"
        | "upstreams.0.http2" => "true",
        "proxy.via" => "false",
        "proxy.remove_headers" => "x-user-*",
        "login.strategy" => "user-management",
        "ops.listen" | "proxy.listen" => "127.0.0.1:0",
        "audit.webhook.secret_file" | "store.key_file" | "store.ca" | "store.password_file" | "policies.dir" | "token.keys" => "elsewhere",
        "policies.compare_every" => "7",
        "policies.evaluator" => "regorus",
        "cache.max_bytes" | "policies.memory_limit" => "1MiB",
        "limits.max_header_bytes" => "64KiB",
        "limits.max_headers" => "20",
        "token.max_bytes" => "1024",
        "token.active" => "uvDSEwUkZoFtLBPmbkHp6KcbJEBgCVtBkEW8ZyE2KoE",
        "token.typ" => "JWT",
        "proxy.client_ip" => "forwarded",
        "proxy.end_streams" => "any-change",
        "proxy.client_certificates" => "optional",
        "proxy.credentials" => "header:x-key, basic, query:key, cookie:key",
        "proxy.trusted_proxies" => "[\"10.0.0.0/8\", \"::1\"]",
        "store.url" => "sqlite://other.db",
        "store.connections" => "7",
        "token.algorithm" => "EdDSA",
        "token.audience" | "token.issuer" => "somebody",
        "token.header" => "x-token",
        "token.headers" => "{ \"x-auth-subject\" = \"sub\", x-auth-roles = \"roles\" }",
        "upstream.url" | "upstreams.0.url" | "routes.0.upstream" => "https://api, https://other",
        "upstream.tls.name" | "upstreams.0.tls.name" => "api.example",
        "routes.0.path" => "/v1",
        "routes.0.methods" => "POST, GET",
        "routes.0.hosts" => "api.example.com",
        "routes.0.auth" => "none",
        "routes.0.space" => "production",
        "routes.0.require" => "run:trigger",
        "routes.0.cors_preflight" => "true",
        "routes.0.max_body_bytes" => "1MiB",
        "routes.0.name" => "runs",
        "limits.rate.requests_per_second" | "limits.rate.burst" | "routes.0.rate.requests_per_second" | "routes.0.rate.burst" => "7",
        _ => "7s",
    };
    // What says nothing alone.
    let beside = |key: &str| match key.rsplit_once('.') {
        Some(("upstream.tls", "cert")) => ["upstream.url", "upstream.tls.key"].map(str::to_owned).into(),
        Some(("upstream.tls", "key")) => ["upstream.url", "upstream.tls.cert"].map(str::to_owned).into(),
        Some(("upstream.tls", _)) => vec!["upstream.url".to_owned()],
        Some(("upstreams.0.tls", "cert")) => ["upstreams.0.url", "upstreams.0.tls.key"].map(str::to_owned).into(),
        Some(("upstreams.0.tls", "key")) => ["upstreams.0.url", "upstreams.0.tls.cert"].map(str::to_owned).into(),
        Some(("upstreams.0.tls", _)) => vec!["upstreams.0.url".to_owned()],
        Some(("upstreams.0", name)) if name != "url" => vec!["upstreams.0.url".to_owned()],
        Some((section, "cert")) => vec![format!("{section}.key")],
        Some((section, "key")) => vec![format!("{section}.cert")],
        Some(("routes.0", "require")) => ["routes.0.path", "routes.0.space"].map(str::to_owned).into(),
        Some(("limits.rate", "burst")) => vec!["limits.rate.requests_per_second".to_owned()],
        Some(("routes.0.rate", "requests_per_second")) => vec!["routes.0.path".to_owned()],
        Some(("routes.0.rate", "burst")) => ["routes.0.path", "routes.0.rate.requests_per_second"].map(str::to_owned).into(),
        Some(("routes.0", name)) if name != "path" => vec!["routes.0.path".to_owned()],
        Some((_, "client_certificates")) => ["proxy.client_ca", "proxy.tls.cert", "proxy.tls.key"].map(str::to_owned).into(),
        _ => Vec::new(),
    };
    for key in Settings::keys().into_keys().map(|key| key.replace(".*.", ".0.")) {
        let all: Vec<String> = beside(&key).into_iter().chain([key.clone()]).collect();
        let variable = |key: &String| (format!("CLAVIGER_{}", key.replace('.', "__").to_uppercase()), values(key).to_owned());
        let flags: Vec<_> = all.iter().map(|key| (key.clone(), values(key).to_owned())).collect();
        let by_variable = Settings::load(None, all.iter().map(variable), &[]).unwrap_or_else(|faults| panic!("{faults}")).settings;
        let by_flag = Settings::load(None, [], &flags).unwrap_or_else(|faults| panic!("{faults}")).settings;
        assert_ne!(by_variable, Settings::default(), "{key}");
        assert_eq!(by_variable, by_flag, "{key}");
    }
}

#[test]
fn a_wrong_variable_or_flag_is_named() {
    let variables = [("CLAVIGER_TOKEN__TTL", "30"), ("CLAVIGER_TOKN__TTL", "s3cret"), ("CLAVIGER_TOKEN_AUDIENCE", "s3cret")];
    let faults = with_environment("", &variables, &[("proxy.listn", "1"), ("cache.max_entries", "many")]).unwrap_err();
    let expected = r#"error: token_audience: the variable's name is not spelt like this
  --> environment variable CLAVIGER_TOKEN_AUDIENCE
   |
   | CLAVIGER_TOKEN_AUDIENCE
   | ^^^^^^^^^^^^^^^^^^^^^^^
   = help: did you mean `CLAVIGER_TOKEN__AUDIENCE`?

error: token.ttl: "30" is not a duration: 30 has no unit
  --> environment variable CLAVIGER_TOKEN__TTL
   |
   | CLAVIGER_TOKEN__TTL=30
   |                     ^^
   = help: write "30s" for seconds

error: tokn.ttl: there is no such key
  --> environment variable CLAVIGER_TOKN__TTL
   |
   | CLAVIGER_TOKN__TTL
   | ^^^^^^^^^^^^^^^^^^
   = help: did you mean `CLAVIGER_TOKEN__TTL`?

error: cache.max_entries: a whole number is wanted, not "many"
  --> flag --set cache.max_entries
   |
   | --set cache.max_entries=many
   |                         ^^^^

error: proxy.listn: there is no such key
  --> flag --set proxy.listn
   |
   | --set proxy.listn
   |       ^^^^^^^^^^^
   = help: did you mean `proxy.listen`?
"#;
    assert_eq!(faults.render(Colour::Never).replace("    |", "   |"), expected);
}

#[test]
fn a_variable_has_one_spelling() {
    for name in ["CLAVIGER_token__ttl", "CLAVIGER_TOKEN.TTL", "CLAVIGER_Drain_Timeout"] {
        let faults = with_environment("", &[(name, "30s")], &[]).unwrap_err();
        assert!(faults.to_string().contains("did you mean `CLAVIGER_"), "{faults}");
    }
}

#[test]
fn a_variable_that_is_almost_one_that_counts_is_a_warning() {
    let warned = |name: &str| {
        let survey = Settings::survey(None, [(name.to_owned(), "s3cret".to_owned())], &[]);
        assert!(survey.faults.is_none(), "{name}");
        assert!(survey.warnings.iter().all(|warning| !warning.render(Colour::Never).contains("s3cret")));
        survey.warnings.into_iter().map(|warning| warning.suggestion.unwrap()).collect::<Vec<_>>()
    };
    for (name, meant) in [
        ("CLAVIGER_DRAIN_TIMEOT", "CLAVIGER_DRAIN_TIMEOUT"),
        ("CLAVIGER_BOOTSTRAP_KEI", "CLAVIGER_BOOTSTRAP_KEY"),
        ("CLAVIGER_TOKEN_TLL", "CLAVIGER_TOKEN__TTL"),
    ] {
        assert_eq!(warned(name), [format!("did you mean `{meant}`?")], "{name}");
    }
    for name in [
        "CLAVIGER_PORT",
        "CLAVIGER_PORT_8080_TCP",
        "CLAVIGER_PORT_8080_TCP_ADDR",
        "CLAVIGER_PORT_8080_TCP_PORT",
        "CLAVIGER_PORT_8080_TCP_PROTO",
        "CLAVIGER_SERVICE_HOST",
        "CLAVIGER_SERVICE_PORT",
        "CLAVIGER_SERVICE_PORT_HTTP",
        "CLAVIGER_OPS_PORT",
        "CLAVIGER_OPS_SERVICE_HOST",
        "CLAVIGER_PROXY_SERVICE_PORT",
    ] {
        assert_eq!(warned(name), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn what_kubernetes_sets_for_a_service_is_left_alone_whatever_the_service_is_called() {
    for service in ["CLAVIGER_PR__7", "CLAVIGER__X", "CLAVIGER_PROXY__2", "CLAVIGER_TOKEN__TTL"] {
        let url = "tcp://10.96.0.17:8080";
        let variables = [
            ("SERVICE_HOST", "10.96.0.17"),
            ("SERVICE_PORT", "8080"),
            ("SERVICE_PORT_HTTP", "8080"),
            ("PORT", url),
            ("PORT_8080_TCP", url),
            ("PORT_8080_TCP_PROTO", "tcp"),
            ("PORT_8080_TCP_PORT", "8080"),
            ("PORT_8080_TCP_ADDR", "10.96.0.17"),
        ];
        let variables = variables.map(|(name, value)| (format!("{service}_{name}"), value.to_owned()));
        let loaded = Settings::load(None, variables, &[]).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!((loaded.settings, loaded.warnings), (Settings::default(), Vec::new()), "{service}");
    }
    // A key of a section that somebody has misspelt is none of these.
    assert!(with_environment("", &[("CLAVIGER_PROXY__LISTEN_PORT", "8080")], &[]).is_err());
}

#[test]
fn the_end_of_a_line_behind_a_variables_value_does_not_count() {
    let secret = ("CLAVIGER_AUDIT__WEBHOOK__SECRET_FILE", "/s");
    let expected = with_environment("", &[("CLAVIGER_STORE__URL", "sqlite:///a.db"), ("CLAVIGER_TOKEN__KEYS", "/k"), secret], &[]).unwrap();
    for end in ["\n", "\r\n", "\n\n"] {
        let variables = [("CLAVIGER_STORE__URL", format!("sqlite:///a.db{end}")), ("CLAVIGER_TOKEN__KEYS", format!("/k{end}"))];
        let variables = [(variables[0].0, &*variables[0].1), (variables[1].0, &*variables[1].1), secret];
        assert_eq!(with_environment("", &variables, &[]).unwrap(), expected);
    }
    assert_eq!(with_environment("", &[("CLAVIGER_CACHE__NEGATIVE_TTL", "2s\n")], &[]).unwrap().cache.negative_ttl.as_secs(), 2);
    assert_eq!(StoreUrl::parse("sqlite:///a.db\n"), Ok(StoreUrl::Sqlite("/a.db".into())));
}

#[test]
fn no_path_holds_a_control_character() {
    for toml in ["[store]\nurl = \"sqlite:///var/a.db\\n\"", "[token]\nkeys = \"keys\\r\\n\"", "[policies]\ndir = \"pol\\u001bicies\""] {
        let (reason, _) = only_fault(toml);
        assert!(reason.starts_with("a path holds no"), "{reason}");
    }
    assert!(StoreUrl::parse("sqlite:///a\n.db").is_err());
    assert!(with_environment("", &[("CLAVIGER_TOKEN__KEYS", "a\nb")], &[]).is_err());
}

#[test]
fn what_is_no_toml_is_told_with_what_was_meant() {
    for (toml, place, reason, suggestion) in [
        ("[token\nttl = \"30s\"\n", "1:7", "unclosed table", "write `[token]`"),
        ("[proxy]\nlisten = 0.0.0.0:8080 # all\n", "2:13", "invalid float", "write `listen = \"0.0.0.0:8080\"`"),
        ("[proxy]\nlisten = [::]:8080\n", "2:11", "must be quoted", "write `listen = \"[::]:8080\"`"),
        ("[proxy]\ntrusted_proxies = [10.0.0.0/8, ::1]\n", "2:24", "invalid float", "write `trusted_proxies = [\"10.0.0.0/8\", \"::1\"]`"),
        ("[token]\nttl = 30s\n", "2:7", "must be quoted", "write `ttl = \"30s\"`"),
        ("[log]\naccess = True\n", "2:10", "invalid boolean", "write `access = true`"),
        ("[token]\nttl: 30s\n", "2:4", "invalid unquoted key", "write `ttl = \"30s\"`"),
    ] {
        let faults = Settings::from_toml(toml).unwrap_err();
        let fault = faults.iter().next().unwrap();
        assert!(fault.reason.contains(reason), "{fault}");
        assert_eq!(fault.suggestion.as_deref(), Some(suggestion), "{fault}");
        assert!(fault.place.to_string().starts_with(&format!("claviger.toml:{}", &place[..2])), "{fault}");
    }
    for (toml, told) in [
        ("[token]\nttl = \"5m\"\naudience = \"a\"\nttl = \"2m\"\n", "claviger.toml:4:1: `ttl` stands in line 2 already"),
        ("[token]\nttl = \"9s\"\n[log]\n[token]\n", "claviger.toml:4:2: `token` stands in line 1 already"),
        (
            "[cache]\nnegative_ttl = \"1s\"\n[token]\nttl = \"9s\"\n\"ttl\" = \"9s\"\n",
            "claviger.toml:5:1: `\"ttl\"` stands in line 4 already",
        ),
    ] {
        let faults = Settings::from_toml(toml).unwrap_err();
        assert_eq!(faults.iter().map(ToString::to_string).collect::<Vec<_>>(), [told], "{faults}");
    }
}

#[test]
fn an_algorithm_with_a_shared_secret_is_told_why_not() {
    let (message, suggestion) = only_fault("[token]\nalgorithm = \"HS256\"");
    assert!(message.contains("one secret") && suggestion.unwrap().contains("ES256"), "{message}");
}

#[test]
fn variables_that_say_something_else_are_left_alone() {
    let variables = [
        ("CLAVIGER_BOOTSTRAP_KEY", "x"),
        ("CLAVIGER_KEY", "x"),
        ("CLAVIGER_SERVER", "x"),
        ("CLAVIGER_STORE", "x"),
        ("CLAVIGER_CONFIG", "x"),
        ("CLAVIGER_PORT", "tcp://10.0.0.1:80"),
        ("CLAVIGER_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("CLAVIGER_SERVICE_HOST", "10.0.0.1"),
        ("PATH", "/bin"),
        ("TOKEN__TTL", "1h"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(Settings::load(None, variables, &[]).unwrap().settings, Settings::default());
}

#[test]
fn what_is_meant_is_guessed() {
    for (toml, suggestion) in [
        ("[token]\nisuer = 1", "did you mean `issuer`?"),
        ("[proxy]\nttl = \"5s\"", "did you mean `token.ttl`?"),
        ("ttl = \"5s\"", "did you mean `ttl` in `[token]`?"),
        ("[tokens]\nttl = \"5s\"", "did you mean `[token]`?"),
        ("[token]\nttl = 30", "write \"30s\" for seconds"),
        ("[token]\ninclude_actions = \"true\"", "write true without quotes"),
        ("[proxy]\nthreads = \"4\"", "write 4 without quotes"),
        ("[proxy]\nlisten = \"localhost:80\"", "write \"127.0.0.1:80\""),
        ("[proxy]\ntrusted_proxies = \"10.0.0.0/8\"", "write [\"10.0.0.0/8\"]"),
        ("[proxy]\ncredentials = [\"header:x_api_key\"]", "write \"x-api-key\""),
        ("[login]\nstrategy = \"user_management\"", "did you mean \"user-management\"?"),
        ("[upstream]\nurl = \"127.0.0.1:3000\"", "write \"http://127.0.0.1:3000\""),
        ("[upstream]\nurl = \"http://api/v1\"", "write \"http://api\""),
        ("[store]\nurl = \"claviger.db\"", "write \"sqlite://claviger.db\""),
        ("[policies]\nevaluator = \"Regorus\"", "did you mean \"regorus\"?"),
        ("[policies]\ncompare_every = \"1000\"", "write 1000 without quotes"),
        ("[policies]\nmemory_limit = \"64M\"", "sizes look like 6144, \"32KiB\", \"64MiB\""),
        ("[log]\naccess = true", "write one of \"all\", \"errors\", \"none\""),
        ("listen = \"0.0.0.0:80\"", "write it below the section that is meant: `[admin]`, `[ops]` or `[proxy]`"),
        ("\"token.ttl\" = \"5s\"", "did you mean `token.ttl`, without quotes and above all sections?"),
        ("proxy = 5", "write `[proxy]` above its keys"),
        ("[cache]\nmagic = 5", "[cache] has max_bytes, max_entries, negative_ttl, time_quantum"),
    ] {
        assert_eq!(only_fault(toml).1.as_deref(), Some(suggestion), "{toml}");
    }
}

#[test]
fn what_this_version_does_not_do_is_refused_and_not_called_unknown() {
    let (message, _) = only_fault(
        "[audit.webhook]
url = \"https://hooks.example.com/\"
secret_file = \"secret\"",
    );
    assert!(message.contains("not in this version"), "{message}");
}

#[test]
fn every_fault_of_routes_is_told_at_once_and_an_ambiguity_names_both_places() {
    let toml = r#"[[routes]]
path = "/v1/{version}/runs"
methods = ["POST"]

[[routes]]
path = "/v1/spaces/{space}"
space = "{spce}"
methods = ["POST", "get"]

[[routes]]
path = "/v1/spaces/{id}"
methods = ["POST"]
require = "run:trigger"

[[routes]]
path = "/v1/spaces/{any}"
methods = ["PUT", "POST"]
hosts = ["https://api.example.com/", "*.example.com", "*.example.com"]

[[routes]]
path = "/open"
auth = "nobody"

[[routes]]
path = "/open/"
auth = "none"
space = "root"
"#;
    let told: Vec<String> = Settings::from_toml(toml)
        .unwrap_err()
        .iter()
        .map(|fault| {
            let suggestion = fault.suggestion.as_ref().map(|suggestion| format!("; {suggestion}")).unwrap_or_default();
            format!("{}: {}{suggestion}", fault.place, fault.reason)
        })
        .collect();
    let methods_or_hosts = "or give them different methods or hosts";
    assert_eq!(
        told,
        [
            "claviger.toml:7:9: the path has no segment {spce}; did you mean \"{space}\"?".to_owned(),
            "claviger.toml:8:20: \"get\" is another method than GET; write \"GET\"".to_owned(),
            format!(
                "claviger.toml:11:8: POST /v1/spaces/runs is for this route and for /v1/{{version}}/runs, at claviger.toml:2:8, and neither is \
                 more specific; change one of the paths so that one says more than the other wherever they differ, {methods_or_hosts}"
            ),
            "claviger.toml:13:11: an action is allowed in a space, and none is named; say space = \"{id}\" if the path names it, or space = \
             \"root\""
                .to_owned(),
            "claviger.toml:18:10: a host is wanted, not a url; write \"api.example.com\"".to_owned(),
            "claviger.toml:22:8: it is one of required, none, not \"nobody\"".to_owned(),
            "claviger.toml:27:9: where no key is looked at, nothing is known of what its holder may do; leave it out, or say auth = \
             \"required\""
                .to_owned(),
        ]
    );
}

#[test]
fn routes_that_share_a_request_are_told_apart_by_host_path_and_method() {
    for (one, other, clash) in [
        ("path = \"/a\"", "path = \"/a\"", true),
        ("path = \"/a\"", "path = \"/a\"\nmethods = [\"GET\"]", false),
        ("path = \"/a\"\nmethods = [\"GET\"]", "path = \"/a\"\nmethods = [\"HEAD\"]", false),
        ("path = \"/a\"\nmethods = [\"GET\", \"POST\"]", "path = \"/a\"\nmethods = [\"PUT\", \"POST\"]", true),
        ("path = \"/a\"", "path = \"/a\"\nhosts = [\"a\"]", false),
        ("path = \"/a\"\nhosts = [\"a\", \"*.b\"]", "path = \"/a\"\nhosts = [\"*.b\"]", true),
        ("path = \"/a\"\nhosts = [\"x.b\"]", "path = \"/a\"\nhosts = [\"*.b\"]", false),
        ("path = \"/{x}\"", "path = \"/{y}\"", true),
        ("path = \"/a/{x}\"", "path = \"/{y}/b\"", true),
        ("path = \"/a/{x}\"\nmethods = [\"GET\"]", "path = \"/{y}/b\"\nmethods = [\"POST\"]", false),
        ("path = \"/a/{x}\"\nmethods = [\"GET\"]", "path = \"/{y}/b\"\nmethods = [\"HEAD\"]", true),
        ("path = \"/a/{*rest}\"", "path = \"/{y}/b\"", true),
        ("path = \"/a/{*rest}\"", "path = \"/a/{y}\"", false),
        ("path = \"/a\"", "path = \"/a/\"", false),
    ] {
        let read = Settings::from_toml(&format!("[[routes]]\n{one}\n[[routes]]\n{other}\n"));
        assert_eq!(read.is_err(), clash, "{one} {other}: {read:?}");
    }
}

#[test]
fn a_route_that_says_nothing_of_it_is_called_by_what_it_is_for() {
    let toml = "[[routes]]\npath = \"/v1/{*rest}\"\n[[routes]]\npath = \"/v1/runs\"\nmethods = [\"POST\", \"PUT\"]\nhosts = [\"*.a\"]\n\
                [[routes]]\npath = \"/\"\nname = \"home\"\n";
    let names: Vec<String> = Settings::from_toml(toml).unwrap().settings.routes.into_iter().map(|route| route.name).collect();
    assert_eq!(names, ["/v1/{*rest}", "POST,PUT *.a/v1/runs", "home"]);
}

#[test]
fn values_out_of_range_or_without_sense_are_refused() {
    for toml in [
        "drain_timeout = \"2h\"",
        "[proxy]\nthreads = -1",
        "[proxy]\nthreads = 99999999999999999999",
        "[proxy]\nlisten = \"0.0.0.0:99999\"",
        "[proxy]\nclient_ip = \"any\"",
        "[proxy]\ncredentials = []",
        "[proxy]\ncredentials = [\"header:X-Key\", \"header:x-key\"]",
        "[proxy]\ncredentials = [\"header:host\"]",
        "[proxy]\ncredentials = [\"x-api-key\"]",
        "[proxy]\ncredential_headers = [\"authorization\"]",
        "[proxy]\ntrusted_proxies = [\"10.0.0.0/33\"]",
        "[upstream]\nurl = \"http://user:pw@api\"",
        "[upstream]\nurl = \"h2c://api\"\nhttp2 = false",
        "[upstream]\nconnect_timeout = \"0s\"",
        "[token]\nissuer = \"\"",
        "[token]\naudience = \"a b\"",
        "[token]\nttl = \"25h\"",
        "[token]\nttl = 1979-05-27",
        "[token]\nttl = { a = 1 }",
        "[token.ttl]\na = 1",
        "[token]\nheader = \"connection\"",
        "[token]\nkeys = \"\"",
        "[token]\nmax_bytes = 1.5",
        "[token]\nmax_bytes = -1",
        "[token]\nmax_bytes = \"32KiB\"",
        "[cache]\ntime_quantum = \"0s\"",
        "[cache]\ntime_quantum = \"2m\"",
        "[cache]\nnegative_ttl = \"2m\"",
        "[cache]\nmax_entries = 0",
        "[policies]\nevaluator = \"opa\"",
        "[policies]\ncompare_every = -1",
        "[limits]\nmax_header_bytes = \"4KiB\"",
        "[limits.rate]\nburst = 5",
        "[limits.rate]\nrequests_per_second = 0",
        "[log]\nlevel = \"loud\"",
        "[admin]\nlisten = \"on\"",
        "[[proxy]]\nlisten = \"0.0.0.0:8080\"",
    ] {
        only_fault(toml);
    }
}

#[test]
fn the_proxy_is_not_its_own_upstream_and_listeners_keep_apart() {
    for toml in [
        "[upstream]\nurl = \"http://127.0.0.1:8080\"",
        "[upstream]\nurl = \"http://localhost:9464\"",
        "[proxy]\nlisten = \"127.0.0.1:9464\"",
        "[ops]\nlisten = \"0.0.0.0:8080\"",
        "[admin]\nlisten = \"127.0.0.1:8080\"",
        "[admin]\nlisten = \"127.0.0.1:9464\"",
        "[ops]\nlisten = \"127.0.0.1:8081\"",
        "[proxy]\nlisten = \"0.0.0.0:3000\"",
    ] {
        only_fault(toml);
    }
    assert!(Settings::from_toml("[proxy]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"").is_ok());
}

#[test]
fn keys_that_manage_do_not_cross_a_network_in_the_clear_unless_somebody_says_so() {
    for address in ["0.0.0.0:8081", "[::]:8081", "10.0.0.1:8081"] {
        let (message, suggestion) = only_fault(&format!("[admin]\nlisten = \"{address}\""));
        assert!(message.contains("in the clear") && suggestion.unwrap().contains("admin.insecure = true"), "{message}");
        assert!(Settings::from_toml(&format!("[admin]\nlisten = \"{address}\"\ninsecure = true")).is_ok());
    }
    assert!(Settings::from_toml("[admin]\nlisten = \"[::1]:8081\"").is_ok());
    let with = |tls: &str| Settings::from_toml(&format!("[admin]\nlisten = \"0.0.0.0:8081\"\ntls = {tls}"));
    assert!(with("{ cert = \"a.crt\", key = \"a.key\" }").is_ok());
    assert!(with("[]").is_err());
}

#[test]
fn a_listener_has_one_pair_or_several_whichever_layer_says_so() {
    let pair = |cert: &str, key: &str| TlsPair { cert: PathBuf::from(cert), key: PathBuf::from(key) };
    let tls = |toml: &str| Settings::from_toml(toml).unwrap_or_else(|faults| panic!("{toml}: {faults}")).settings.proxy.tls;
    assert_eq!(tls("[proxy]\ntls = { cert = \"a\", key = \"b\" }"), [pair("a", "b")]);
    assert_eq!(tls("[proxy.tls]\ncert = \"a\"\nkey = \"b\""), [pair("a", "b")]);
    let two = "[{ cert = \"a\", key = \"b\" }, { cert = \"c\", key = \"d\" }]";
    let both = [pair("a", "b"), pair("c", "d")];
    assert_eq!(tls(&format!("[proxy]\ntls = {two}")), both);
    assert_eq!(tls("[[proxy.tls]]\ncert = \"a\"\nkey = \"b\"\n[[proxy.tls]]\ncert = \"c\"\nkey = \"d\""), both);
    let one = [("CLAVIGER_PROXY__TLS__CERT", "a"), ("CLAVIGER_PROXY__TLS__KEY", "b")];
    assert_eq!(with_environment("", &one, &[]).unwrap().proxy.tls, [pair("a", "b")]);
    assert_eq!(with_environment("", &[("CLAVIGER_PROXY__TLS", two)], &[]).unwrap().proxy.tls, both);

    for (toml, message) in [
        ("[proxy]\ntls = { cert = \"a\" }", "`key` is missing"),
        ("[proxy]\ntls = [{ cert = \"a\", key = \"b\" }, { key = \"d\" }]", "`cert` is missing"),
        ("[proxy]\ntls = { cert = \"a\", key = \"b\", ca = \"c\" }", "there is no such key"),
        ("[proxy]\nclient_certificates = \"required\"\ntls = { cert = \"a\", key = \"b\" }", "nobody is named who vouches for clients"),
        (
            "[proxy]\nclient_certificates = \"optional\"\nclient_ca = \"ca\"",
            "clients show certificates over TLS alone, which the proxy does not speak",
        ),
    ] {
        assert_eq!(only_fault(toml).0, message, "{toml}");
    }
    assert!(warnings("[proxy]\nclient_ca = \"ca\"")[0].contains("nobody is asked for a certificate"));
}

#[test]
fn claims_beside_the_token_are_a_table_and_each_fault_of_it_is_told() {
    let toml = "[token.headers]\n\"x-auth-subject\" = \"sub\"\nX-Auth-Roles = \"roles\"\n";
    let headers = Settings::from_toml(toml).unwrap().settings.token.headers;
    let told: Vec<_> = headers.iter().map(|header| (header.name.as_str(), header.claim.as_str())).collect();
    assert_eq!(told, [("x-auth-roles", "roles"), ("x-auth-subject", "sub")]);
    for (said, message) in [
        ("headers = \"sub\"", "a table of headers and claims is wanted, not a text"),
        ("headers = { x-a = \"role\" }", "\"role\" is no claim of the token"),
        ("headers = { x-a = 1 }", "the name of a claim is wanted, not an integer"),
        ("headers = { x_a = \"sub\" }", "`_` and `.` in a header's name are read as `-` by some and not by others"),
        ("headers = { x-a = \"sub\", X-A = \"name\" }", "x-a stands here twice"),
        ("headers = { authorization = \"sub\" }", "authorization is where the API finds the token"),
        ("headers = { x-api-key = \"sub\" }", "x-api-key is where clients put their keys"),
    ] {
        assert_eq!(only_fault(&format!("[token]\n{said}")).0, message, "{said}");
    }
    let faults = Settings::from_toml("[token.headers]\nhost = \"sub\"\nx-a = \"subject\"\n").unwrap_err();
    let places: Vec<_> = faults.iter().map(|fault| fault.place.to_string()).collect();
    assert_eq!(places, ["claviger.toml:2:1", "claviger.toml:3:7"], "{faults}");
}

#[test]
fn a_rule_between_keys_says_nothing_about_a_key_that_is_wrong_anyhow() {
    let (message, _) = only_fault("[token]\nttl = \"5\"\n[cache]\ntime_quantum = \"2m\"");
    assert!(message.contains("has no unit"), "{message}");
}

#[test]
fn what_is_odd_but_works_is_a_warning() {
    assert_eq!(
        warnings("[proxy]\nclient_ip = \"x-forwarded-for\""),
        ["proxy.client_ip: no proxy is trusted, so the header never counts: name them in proxy.trusted_proxies"]
    );
    assert_eq!(
        warnings("[proxy]\ntrusted_proxies = [\"0.0.0.0/0\"]"),
        ["proxy.trusted_proxies: everybody is trusted: any client can choose the address that policies see"]
    );
    assert_eq!(warnings("[admin]\nlisten = \"off\""), Vec::<String>::new());
}

#[test]
fn an_h2c_url_is_http_with_http2() {
    let upstream = Settings::from_toml("[upstream]\nurl = \"h2c://api:3000\"").unwrap().settings.upstream;
    assert_eq!(upstream.url.to_string(), "http://api:3000");
    assert_eq!(upstream.protocol, UpstreamProtocol::Http2);
}

#[test]
fn what_is_spoken_to_the_upstream_follows_from_its_url_and_from_http2() {
    use UpstreamProtocol::{Either, Http1, Http2};
    for (said, protocol) in [
        ("url = \"http://api\"", Http1),
        ("url = \"http://api\"\nhttp2 = true", Http2),
        ("url = \"h2c://api\"", Http2),
        ("url = \"h2c://api\"\nhttp2 = true", Http2),
        ("url = \"https://api\"", Either),
        ("url = \"https://api\"\nhttp2 = true", Http2),
        ("url = \"https://api\"\nhttp2 = false", Http1),
    ] {
        let upstream = Settings::from_toml(&format!("[upstream]\n{said}")).unwrap().settings.upstream;
        assert_eq!(upstream.protocol, protocol, "{said}");
    }
}

#[test]
fn an_upstream_is_a_url_or_several_or_a_socket() {
    use UpstreamProtocol::{Either, Http1, Http2};
    for (said, urls, protocol) in [
        ("url = [\"http://a\", \"http://b:81\"]", "http://a, http://b:81", Http1),
        ("url = [\"https://a\"]", "https://a", Either),
        ("url = [\"h2c://a\", \"unix:/run/b.sock\"]", "http://a, unix:/run/b.sock", Http2),
        ("url = \"unix:/run/b.sock\"", "unix:/run/b.sock", Http1),
        ("url = \"unix:///run/b.sock\"\nhttp2 = true", "unix:/run/b.sock", Http2),
    ] {
        let upstream = Settings::from_toml(&format!("[upstream]\n{said}")).unwrap().settings.upstream;
        assert_eq!((upstream.url.to_string().as_str(), upstream.protocol), (urls, protocol), "{said}");
    }
    let long = format!("url = \"unix:/{}\"", "a".repeat(107));
    for (said, message, suggestion) in [
        ("url = []", "an upstream is somewhere, and nothing is named", "urls look like \"http://127.0.0.1:3000\""),
        ("url = [\"http://a\", \"http://a\"]", "http://a stands here twice", ""),
        (
            "url = [\"http://a\", \"https://b\"]",
            "TLS is spoken to all of an upstream's urls, or to none of them",
            "write all of them with https://, or none",
        ),
        (
            "url = [\"https://a\", \"unix:/run/a.sock\"]",
            "TLS is spoken to all of an upstream's urls, or to none of them",
            "write all of them with https://, or none",
        ),
        (
            "url = [\"h2c://a\", \"http://b\"]",
            "HTTP/2 is spoken to all of an upstream's urls, or to none of them",
            "write all of them with h2c://, or all with http://",
        ),
        ("url = \"unix:\"", "the url names no socket", "sockets look like \"unix:/run/app.sock\""),
        ("url = \"/run/app.sock\"", "the url has no scheme", "write \"unix:/run/app.sock\" if it is a socket"),
        (long.as_str(), "the path of a socket has at most 107 bytes, this one has 108", "name a shorter one, or a link to it"),
        (
            "url = [\"http://a\", \"http://127.0.0.1:8080\"]",
            "this is the proxy itself: requests would go round in circles",
            "name the API that stands behind the proxy",
        ),
    ] {
        let (reason, suggested) = only_fault(&format!("[upstream]\n{said}"));
        assert_eq!((reason.as_str(), suggested.unwrap_or_default().as_str()), (message, suggestion), "{said}");
    }
    let dir = with_environment("upstream.url = \"unix:api.sock\"", &[], &[]).unwrap().upstream.url.to_string();
    assert!(dir.starts_with("unix:/") && dir.ends_with("/api.sock"), "beside the file: {dir}");
    let here = with_environment("", &[("CLAVIGER_UPSTREAM__URL", "unix:api.sock")], &[]).unwrap().upstream.url.to_string();
    assert_eq!(here, "unix:api.sock");
}

#[test]
fn a_route_names_an_upstream_that_there_is_or_says_its_url() {
    let toml = "[upstreams.reports]\nurl = \"https://reports\"\ntls = { ca = \"ca.crt\" }\nresponse_timeout = \"5m\"\n\
                [[routes]]\npath = \"/reports\"\nupstream = \"reports\"\n\
                [[routes]]\npath = \"/files\"\nupstream = [\"h2c://a\", \"h2c://b\"]\n\
                [[routes]]\npath = \"/\"\n";
    let settings = Settings::from_toml(toml).unwrap().settings;
    let [reports, files, other] = &settings.routes[..] else { panic!("{:?}", settings.routes) };
    let of = |route| {
        let upstream = settings.upstream_of(route);
        (upstream.url.to_string(), upstream.protocol, upstream.response_timeout.as_secs())
    };
    assert_eq!(of(reports), ("https://reports".to_owned(), UpstreamProtocol::Either, 300));
    assert_eq!(of(files), ("http://a, http://b".to_owned(), UpstreamProtocol::Http2, 60));
    assert_eq!(settings.upstream_of(other), &settings.upstream);
    let by_variables = with_environment(
        "routes = [{ path = \"/\", upstream = \"reports\" }]",
        &[("CLAVIGER_UPSTREAMS__REPORTS__URL", "http://a, http://b")],
        &[],
    );
    assert_eq!(by_variables.unwrap().upstreams["reports"].url.to_string(), "http://a, http://b");

    let route = |upstream: &str| format!("[[routes]]\npath = \"/\"\nupstream = {upstream}\n");
    for (toml, message, suggestion) in [
        (
            format!("[upstreams.reports]\nurl = \"http://a\"\n{}", route("\"report\"")),
            "there is no upstream \"report\"",
            "did you mean \"reports\"?",
        ),
        (route("\"api\""), "there is no upstream \"api\"", "write its url here, or a section `[upstreams.api]` with its url"),
        (
            route("{ url = \"http://a\" }"),
            "a url, a list of urls or the name of an upstream is wanted, not a table",
            "what else there is to say of an upstream stands in a section of its own, `[upstreams.NAME]`",
        ),
        (
            route("\"http://127.0.0.1:9464\""),
            "this is the ops listener itself: requests would go round in circles",
            "name the API that stands behind the proxy",
        ),
        ("[upstreams.a]\nhttp2 = true".to_owned(), "`url` is missing", ""),
        ("[upstreams.A]\nurl = \"http://a\"".to_owned(), "\"A\" is no name of an upstream", "names look like \"reports\", \"billing-v2\""),
        ("upstreams.a = \"http://a\"".to_owned(), "this is a section, not a text", "write `[upstreams.a]` above its keys"),
        ("[upstreams.a]\nurl = \"http://a\"\nulr = 1".to_owned(), "there is no such key", "did you mean `url`?"),
        (
            format!("[upstreams.a]\nurl = \"http://a\"\ntls = {{ ca = \"b\" }}\n{}", route("\"a\"")),
            "the upstream is spoken to in the clear: its url is not https://",
            "write upstreams.a.url with https://, or take upstreams.a.tls out",
        ),
    ] {
        let (reason, suggested) = only_fault(&toml);
        assert_eq!((reason.as_str(), suggested.unwrap_or_default().as_str()), (message, suggestion), "{toml}");
    }
    assert_eq!(
        warnings("[upstreams.a]\nurl = \"http://a\""),
        ["upstreams.a.url: no route is for this upstream: write its name as the upstream of one"]
    );
}

#[test]
fn whoever_says_how_tls_is_spoken_to_the_upstream_has_it_spoken() {
    let toml = "[upstream]\nurl = \"https://api\"\ntls = { ca = \"ca.crt\", cert = \"a.crt\", key = \"/a.key\", name = \"other.example\" }";
    let tls = Settings::from_toml(toml).unwrap().settings.upstream.tls;
    assert!(tls.ca.unwrap().ends_with("ca.crt") && tls.cert.unwrap().ends_with("a.crt"));
    assert_eq!((tls.key, tls.name.as_deref()), (Some("/a.key".into()), Some("other.example")));
    for (said, message) in [
        ("tls = { ca = \"ca.crt\" }", "the upstream is spoken to in the clear: its url is not https://"),
        ("url = \"h2c://api\"\ntls = { name = \"a\" }", "the upstream is spoken to in the clear: its url is not https://"),
        ("url = \"https://api\"\ntls = { cert = \"a\" }", "a certificate takes its key: upstream.tls.key is missing"),
        ("url = \"https://api\"\ntls = { key = \"a\" }", "a certificate takes its key: upstream.tls.cert is missing"),
        ("url = \"https://api\"\ntls = { name = \"https://a\" }", "\"https://a\" is not the name of a host"),
        ("url = \"https://api\"\ntls = { verify = false }", "there is no such key"),
        ("url = \"https://api/v1\"", "the path is the client's: the url ends with its port"),
    ] {
        assert_eq!(only_fault(&format!("[upstream]\n{said}")).0, message, "{said}");
    }
}

#[test]
fn a_files_relative_paths_start_at_the_file_and_those_of_a_flag_at_the_working_directory() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("claviger.toml");
    std::fs::write(&file, "[store]\nurl = \"sqlite://a.db\"\n[policies]\ndir = \"/etc/policies\"\n").unwrap();
    let settings = Settings::load(Some(&file), [], &[("store.url".to_owned(), "sqlite://b.db".to_owned())]).unwrap().settings;
    assert_eq!(settings.store.url, StoreUrl::Sqlite("b.db".into()));
    assert_eq!(settings.policies.dir, Some("/etc/policies".into()));
    assert_eq!(settings.token.keys, dir.path().join("keys"));
    let settings = Settings::load(Some(&file), [], &[]).unwrap().settings;
    assert_eq!(settings.store.url, StoreUrl::Sqlite(dir.path().join("a.db")));
}

#[test]
fn a_file_that_cannot_be_read_is_one_fault() {
    let faults = Settings::load(Some(Path::new("/nowhere/claviger.toml")), [], &[]).unwrap_err();
    assert!(faults.to_string().starts_with("error: cannot be read: "), "{faults}");
    assert!(faults.to_string().contains("--> /nowhere/claviger.toml\n"), "{faults}");
}

#[test]
fn a_file_that_is_not_utf8_is_told_where() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("claviger.toml");
    std::fs::write(&file, b"[token]\nissuer = \"\xff\"\n").unwrap();
    let faults = Settings::load(Some(&file), [], &[]).unwrap_err();
    assert!(faults.to_string().contains("claviger.toml:2:11\n"), "{faults}");
}

#[test]
fn colours_are_sequences_around_the_same_words() {
    let faults = Settings::from_toml("[token]\nttl = 5\n").unwrap_err();
    let coloured = faults.render(Colour::Always);
    let mut plain = String::new();
    for piece in coloured.split('\u{1b}') {
        plain += piece.strip_prefix('[').map_or(piece, |piece| piece.split_once('m').unwrap().1);
    }
    assert!(coloured.contains('\u{1b}'));
    assert_eq!(plain, faults.render(Colour::Never));
}

#[test]
fn a_warning_is_rendered_as_one() {
    let loaded = Settings::from_toml("[proxy]\ntrusted_proxies = [\"0.0.0.0/0\"]\n").unwrap();
    let text = loaded.warnings[0].render(Colour::Never);
    assert!(text.starts_with("warning: proxy.trusted_proxies: everybody is trusted"), "{text}");
}

/// Text that is nearly a configuration.
fn nearly_toml() -> impl Strategy<Value = String> {
    let keys = prop::sample::select(Settings::keys().into_keys().collect::<Vec<_>>());
    let values = prop::sample::select(vec![
        "1",
        "-1",
        "1.5",
        "true",
        "\"\"",
        "\"30s\"",
        "\"0.0.0.0:80\"",
        "[]",
        "[1, \"x\", [2]]",
        "{ a = 1 }",
        "1979-05-27",
        "\"ü\u{1f600}",
        "'''",
        "=",
        "",
        "\"postgres://a:b@c\"",
        "99999999999999999999",
        "0xff",
        "\"\\u0000\"",
    ]);
    let line = (keys, values, any::<bool>()).prop_map(|(key, value, dotted)| match key.split_once('.') {
        Some((section, name)) if !dotted => format!("[{section}]\n{name} = {value}\n"),
        _ => format!("{key} = {value}\n"),
    });
    prop::collection::vec(prop_oneof![4 => line, 1 => "\\PC{0,12}\n"], 0..12).prop_map(|lines| lines.concat())
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_and_every_fault_has_a_rendering(text in prop_oneof![any::<String>(), nearly_toml()]) {
        if let Err(faults) = Settings::from_toml(&text) {
            prop_assert!(faults.len() > 0);
            let rendered = faults.render(Colour::Never);
            prop_assert!(rendered.matches("\n  --> ").count() + rendered.matches("\n   --> ").count() >= faults.len(), "{}", rendered);
            prop_assert!(!rendered.chars().any(|c| c.is_control() && c != '\n'));
        }
    }

    #[test]
    fn no_bytes_in_a_file_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("claviger.toml");
        std::fs::write(&file, bytes).unwrap();
        let _ = Settings::load(Some(&file), [], &[]);
    }

    #[test]
    fn no_variable_or_flag_makes_it_panic(name in "(TOKEN|PROXY|store)?_{0,3}[A-Za-z_.]{0,8}", value in any::<String>(), key in ".{0,12}") {
        let _ = Settings::load(None, [(format!("CLAVIGER_{name}"), value.clone())], &[(key, value)]);
    }
}
