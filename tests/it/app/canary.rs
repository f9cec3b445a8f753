//! A key is presented in every way that comes to mind; its secret must be found nowhere but in the client's hands.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::support::http::{self, Answer};
use crate::support::server::{Server, Setup};

/// The part of a key's text that nobody may see: all after the id.
fn secret(key: &str) -> &str {
    key.rsplit_once('_').unwrap().1
}

#[test]
fn a_presented_key_is_found_in_no_log_no_metric_no_answer_no_file_and_not_at_the_upstream() {
    let server = Setup::new()
        .environment("CLAVIGER_LOG__LEVEL", "trace")
        .environment("CLAVIGER_PROXY__CREDENTIALS", "bearer, header:x-api-key, basic, query:api_key, cookie:key")
        .policies([("deny.rego", "package spacelift\n\nallow if true\n\ndeny if input.session.login == \"denied\"\n\nsample if true\n")])
        .start();
    server.make_spaces();
    let good = server.key("good", &["--bind", "deployer@production"]).text;
    let denied = server.key("denied", &["--bind", "deployer@production"]).text;
    let poor = server.key("poor", &[]).text;
    let off = server.key("off", &["--bind", "deployer@production"]).text;
    server.run(&["key", "disable", "off"]);
    let rotated = server.key("rotated", &["--bind", "deployer@production"]).text;
    let successor = server.run(&["key", "rotate", "rotated", "--grace", "0"])["key"].as_str().unwrap().to_owned();
    let mut broken = good.clone();
    broken.pop();
    broken.push(if good.ends_with('x') { 'y' } else { 'x' });
    let unknown = {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_claviger")).args(["key", "generate", "-o", "json"]).output().unwrap();
        let made: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        made["key"].as_str().unwrap().to_owned()
    };
    let keys = [&good, &denied, &poor, &off, &rotated, &successor, &broken, &unknown];

    let mut answers: Vec<Answer> = Vec::new();
    for key in keys {
        let bearer = format!("Bearer {key}");
        let basic = format!("Basic {key}");
        let hop = format!("close, {key}");
        let ways: [&[(&str, &str)]; 12] = [
            &[("Authorization", &bearer)],
            &[("X-API-Key", key)],
            &[("Authorization", &bearer), ("X-API-Key", key)],
            &[("Authorization", &bearer), ("Authorization", &bearer)],
            &[("Authorization", &bearer), ("Proxy-Authorization", &bearer)],
            &[("Authorization", &bearer), ("Authorization_", &bearer)],
            &[("Authorization", &bearer), ("X_API_Key", key)],
            &[("Authorization", &bearer), ("X.API.Key", key)],
            &[("Authorization", key)],
            &[("Authorization", &basic)],
            &[("Authorization", &bearer), ("Connection", &hop)],
            &[("Authorization", &bearer), ("X-Request-Id", "from the client")],
        ];
        answers.extend(ways.iter().map(|headers| http::get(server.proxy(), "/things?page=2", headers)));
        let (encoded, cookie) = (format!("bAsIc {}", BASE64_STANDARD.encode(format!("me:{key}"))), format!("a=1; key={key}; b=2"));
        let (query, referer) = (format!("/things?page=2&api_key={key}"), format!("https://app/?api%5fkey={key}"));
        let twice = format!("{query}&api_key={key}");
        let places: [(&str, &[(&str, &str)]); 8] = [
            ("/things", &[("Authorization", &encoded)]),
            ("/things", &[("Cookie", &cookie)]),
            (&query, &[]),
            (&query, &[("Referer", &referer)]),
            (&query, &[("Cookie", &cookie)]),
            (&query, &[("Authorization", &bearer)]),
            (&twice, &[]),
            ("/things?a;api_key=1", &[("Authorization", &bearer)]),
        ];
        answers.extend(places.iter().map(|(target, headers)| http::get(server.proxy(), target, headers)));
    }
    answers.push(http::exchange(server.proxy(), format!("GET / HTTP/1.1\r\nAuthorization: Bearer {good}\r\n\r\n").as_bytes()));
    answers.push(http::exchange(
        server.proxy(),
        format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {good}\r\nX: \0\r\n\r\n").as_bytes(),
    ));
    answers.push(http::exchange(server.proxy(), format!("{good} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes()));
    assert!(answers.iter().any(|answer| answer.status == 200));
    // Every decision above is kept, so that samples are among the files.
    let samples = |server: &Server| server.run(&["policy", "sample", "list"]).to_string();
    server.until("samples of a key that passed and of one that did not", |server| {
        let kept = samples(server);
        ["good", "denied", "poor"].iter().all(|name| kept.contains(&format!("\"name\":\"{name}\"")))
    });

    let mut places: Vec<(String, Vec<u8>)> = vec![
        ("the log".to_owned(), server.log().into_bytes()),
        ("the metrics".to_owned(), http::get(server.ops(), "/metrics", &[]).body),
        ("what the upstream got".to_owned(), server.echo().received()),
        ("the samples".to_owned(), samples(&server).into_bytes()),
        ("readiness".to_owned(), http::get(server.ops(), "/readyz?verbose", &[]).body),
    ];
    for (number, answer) in answers.iter().enumerate() {
        places.push((format!("answer {number}"), format!("{:?} {}", answer.headers, answer.text()).into_bytes()));
    }
    for entry in std::fs::read_dir(server.dir()).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        places.push((entry.path().display().to_string(), std::fs::read(entry.path()).unwrap()));
    }
    for (place, bytes) in &places {
        for key in keys {
            let needle = secret(key).as_bytes();
            // Half of a secret is too much as well.
            let half = &needle[..needle.len() / 2];
            let found = bytes.windows(half.len()).position(|window| window == half);
            let around = |at: usize| String::from_utf8_lossy(&bytes[at.saturating_sub(300)..at]).into_owned();
            assert!(found.is_none(), "the secret of {} stands in {place} after: {}", &key[..30], around(found.unwrap_or_default()));
        }
    }
    assert!(server.log().contains("\"message\":\"serving\""));
}

#[test]
fn the_log_tells_which_key_was_refused() {
    let deny = "package spacelift\n\nallow if input.session.login != \"poor\"\n\ndeny if input.session.login == \"denied\"\n";
    let server = Setup::new().policies([("deny.rego", deny)]).start();
    server.make_spaces();
    let denied = server.key("denied", &[]).text;
    let poor = server.key("poor", &[]).text;
    let off = server.key("off", &["--bind", "deployer@production"]).text;
    server.run(&["key", "disable", "off"]);
    let rotated = server.key("rotated", &["--bind", "deployer@production"]).text;
    server.run(&["key", "rotate", "rotated", "--grace", "0"]);

    for (key, reason) in [(&denied, "denied"), (&poor, "no_roles"), (&off, "disabled"), (&rotated, "rotated_out")] {
        assert!([401, 403].contains(&server.get(key).status), "{reason}");
        let id = key.split('_').nth(1).unwrap();
        server.until("the line", |server| {
            server.log().lines().any(|line| line.contains("request answered") && line.contains(reason) && line.contains(id))
        });
    }
}

#[test]
fn unknown_malformed_disabled_expired_and_revoked_keys_get_the_same_answer_byte_for_byte() {
    let server = Setup::new().start();
    server.make_spaces();
    let disabled = server.key("disabled", &["--bind", "deployer@production"]).text;
    server.run(&["key", "disable", "disabled"]);
    let revoked = server.key("revoked", &["--bind", "deployer@production"]).text;
    server.run(&["key", "revoke", "revoked"]);
    let expired = server.key("expired", &["--bind", "deployer@production", "--expires", "1s"]);
    server.until("the expiry", |server| server.get(&expired.text).status == 401);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_claviger")).args(["key", "generate"]).output().unwrap();
    let unknown = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let malformed = format!("{}0", &unknown[..unknown.len() - 1]);

    let mut answers = Vec::new();
    for key in [&unknown, &malformed, &disabled, &revoked, &expired.text, &"not-one-of-ours".to_owned()] {
        let mut answer = server.get(key);
        assert_eq!(answer.status, 401);
        let id = answer.json()["request_id"].as_str().unwrap().to_owned();
        // Each request has an id and a date of its own; nothing else may differ.
        answer.headers.retain(|(name, _)| name != "date");
        answers.push(format!("{:?} {}", answer.headers, answer.text()).replace(&id, "ID"));
    }
    for answer in &answers {
        assert_eq!(*answer, answers[0]);
    }
}
