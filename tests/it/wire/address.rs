//! Whose address counts, asked of the running program: what clients and proxies write into headers, and what policies and the log see.

use serde_json::Value;

use crate::support::http::{self, Answer};
use crate::support::server::{Server, Setup};

/// Says by a role which network the address is from.
const BY_NETWORK: &str = "package spacelift\n\n\
    from(network) if net.cidr_contains(network, input.request.remote_ip)\n\n\
    allow if input.session.member\n\n\
    roles[\"root\"] contains \"client\" if from(\"192.0.2.0/24\")\n\n\
    roles[\"root\"] contains \"client-six\" if from(\"2001:db8::/32\")\n\n\
    roles[\"root\"] contains \"forged\" if from(\"6.6.6.0/24\")\n\n\
    roles[\"root\"] contains \"proxy\" if from(\"127.0.0.0/8\")\n\n\
    roles[\"root\"] contains \"proxy\" if from(\"10.0.0.0/8\")\n\n\
    roles[\"root\"] contains \"other\" if not known\n\n\
    known if {\n\tsome network in [\"192.0.2.0/24\", \"2001:db8::/32\", \"6.6.6.0/24\", \"127.0.0.0/8\", \"10.0.0.0/8\"]\n\
    \tfrom(network)\n}\n";

const ROLES: [&str; 5] = ["client", "client-six", "forged", "proxy", "other"];

pub(super) struct World {
    pub(super) server: Server,
    pub(super) key: String,
}

impl World {
    /// A server that believes `trusted` about addresses, by the header that `client_ip` names.
    pub(super) fn new(client_ip: &str, trusted: &str) -> Self {
        Self::of(Setup::new(), client_ip, trusted)
    }

    pub(super) fn of(setup: Setup, client_ip: &str, trusted: &str) -> Self {
        let setup = setup.environment("CLAVIGER_PROXY__CLIENT_IP", client_ip);
        Self::with(setup.environment("CLAVIGER_PROXY__TRUSTED_PROXIES", trusted))
    }

    pub(super) fn with(setup: Setup) -> Self {
        let server = setup.policies([("network.rego", BY_NETWORK)]).start();
        for role in ROLES {
            server.make_role(role, "run:read");
        }
        let key = server.key("ci", &[]).text;
        Self { server, key }
    }

    fn ask(&self, headers: &[(&str, &str)]) -> Answer {
        let key = format!("Bearer {}", self.key);
        http::get(self.server.proxy(), "/", &[&[("Authorization", &*key)], headers].concat())
    }

    /// Which network the policy saw, or the code of the refusal.
    pub(super) fn seen(&self, headers: &[(&str, &str)]) -> String {
        Self::seen_by(&self.ask(headers))
    }

    /// The same of an answer.
    pub(super) fn seen_by(answer: &Answer) -> String {
        if answer.status != 200 {
            return answer.code();
        }
        let roles = answer.json()["claims"]["roles"]["root"].clone();
        let [Value::String(role)] = roles.as_array().unwrap().as_slice() else { panic!("{roles}") };
        role.clone()
    }

    /// The address that the log names for the last request.
    pub(super) fn logged(&self) -> Option<String> {
        let log = self.server.log();
        let last = log.lines().rev().find(|line| line.contains("\"claviger::access\"")).unwrap();
        serde_json::from_str::<Value>(last).unwrap()["client"].as_str().map(str::to_owned)
    }
}

const TRUSTED: &str = "127.0.0.0/8, 10.0.0.0/8, fd00::/8";

#[test]
fn a_peer_that_is_not_trusted_is_itself_whatever_it_writes() {
    for client_ip in ["x-forwarded-for", "forwarded", "peer"] {
        let world = World::new(client_ip, "10.0.0.0/8");
        for headers in [
            &[][..],
            &[("X-Forwarded-For", "6.6.6.6")],
            &[("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "10.1.1.1")],
            &[("X-Forwarded-For", "10.1.1.1")],
            &[("Forwarded", "for=6.6.6.6")],
            &[("Forwarded", "for=6.6.6.6, for=10.1.1.1")],
            &[("X-Real-IP", "6.6.6.6")],
            &[("X_Forwarded_For", "6.6.6.6")],
            &[("True-Client-IP", "6.6.6.6"), ("CF-Connecting-IP", "6.6.6.6"), ("X-Client-IP", "6.6.6.6"), ("Client-IP", "6.6.6.6")],
            &[("X-Forwarded-For", "garbage"), ("Forwarded", "=;,")],
        ] {
            assert_eq!(world.seen(headers), "proxy", "{client_ip}: {headers:?}");
        }
    }
}

#[test]
fn of_x_forwarded_for_the_right_most_that_is_no_trusted_proxy_counts() {
    let world = World::new("x-forwarded-for", TRUSTED);
    for (lines, expected) in [
        (&["192.0.2.7"][..], "client"),
        (&["6.6.6.6, 192.0.2.7"], "client"),
        (&["6.6.6.6", "192.0.2.7"], "client"),
        (&["6.6.6.6, 192.0.2.7, 10.1.1.1"], "client"),
        (&["6.6.6.6", "192.0.2.7", "10.1.1.1", "127.0.0.9"], "client"),
        (&["6.6.6.6,192.0.2.7\t,  10.1.1.1  "], "client"),
        // Garbage on the far side is the client's own word, and nobody reads it.
        (&["\"6.6.6.6\", ;;, ::::, 192.0.2.7"], "client"),
        (&["garbage", "192.0.2.7, 10.1.1.1"], "client"),
        (&["2001:db8::7"], "client-six"),
        (&["6.6.6.6, 2001:DB8:0:0::7, fd00::1"], "client-six"),
        // Written as IPv6, they are the same addresses: a proxy is no client, and a client is in its network.
        (&["6.6.6.6, ::ffff:192.0.2.7"], "client"),
        (&["6.6.6.6, ::ffff:c000:207, ::ffff:10.1.1.1"], "client"),
        // Gateways write ports and brackets, and lists have empty elements.
        (&["6.6.6.6, 192.0.2.7:51234"], "client"),
        (&["6.6.6.6, 192.0.2.7,, 10.1.1.1:80,"], "client"),
        (&["6.6.6.6, [2001:db8::7]"], "client-six"),
        (&["6.6.6.6, [2001:db8::7]:443, 10.1.1.1"], "client-six"),
        (&[" , ,"], "proxy"),
        // Everybody on the way is trusted: it began at the left-most.
        (&["10.2.2.2, 10.1.1.1"], "proxy"),
        (&[][..], "proxy"),
        // Not the embedded one: these are addresses of their own.
        (&["::192.0.2.7"], "other"),
        (&["64:ff9b::192.0.2.7"], "other"),
        (&["2002:c000:207::"], "other"),
    ] {
        let headers: Vec<(&str, &str)> = lines.iter().map(|line| ("X-Forwarded-For", *line)).collect();
        assert_eq!(world.seen(&headers), expected, "{lines:?}");
    }
    assert_eq!(world.seen(&[("x-forwarded-FOR", "192.0.2.7"), ("Forwarded", "for=6.6.6.6")]), "client");
    assert_eq!(world.seen(&[("X-Forwarded-For", "192.0.2.7"), ("X_Forwarded_For", "6.6.6.6")]), "client");
    assert_eq!(world.seen(&[("X-Forwarded-For", "192.0.2.7"), ("X-Forwarded_For", "6.6.6.6")]), "client");
    assert_eq!(world.seen(&[("X-Forwarded-For", "::ffff:192.0.2.7")]), "client");
    world.server.until("the log to name it unmapped", |_| world.logged().as_deref() == Some("192.0.2.7"));
}

#[test]
fn an_entry_of_x_forwarded_for_that_cannot_be_read_makes_the_address_unknown() {
    let world = World::new("x-forwarded-for", TRUSTED);
    for entry in [
        "unknown",
        "_hidden",
        "localhost",
        "192.0.2.7:",
        "192.0.2.7:x",
        "192.0.2.7:99999",
        "[2001:db8::7",
        "[2001:db8::7]x",
        "[192.0.2.7]",
        "fe80::1%eth0",
        "2001:db8::7%1",
        "::ffff:192.0.2.7%0",
        "192.0.2.07",
        "192.0.2",
        "3221225991",
        "0xc0000207",
        "192.0.2.256",
        "192.0.2.7.",
        "192.0.2.7/32",
        "192.0.2.7 6.6.6.6",
        "192.0.2.7;6.6.6.6",
        "\"192.0.2.7\"",
        "for=192.0.2.7",
        "192.0.2.7#",
        "2001:db8:::7",
        "1:2:3:4:5:6:7:8:9",
        "::ffff:192.0.2.999",
        "\u{ff11}92.0.2.7",
        "192.0.2.7\u{a0}",
    ] {
        // At the near end, and in the middle of what trusted proxies have written: what stands farther left is never taken instead.
        for line in [entry.to_owned(), format!("6.6.6.6, {entry}"), format!("6.6.6.6, {entry}, 10.1.1.1")] {
            assert_eq!(world.seen(&[("X-Forwarded-For", &line)]), "unavailable", "{line:?}");
        }
        assert_eq!(
            world.seen(&[("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", entry), ("X-Forwarded-For", "10.1.1.1")]),
            "unavailable"
        );
    }
    let long = "6.6.6.6, ".repeat(1000) + "192.0.2.7";
    assert_eq!(world.seen(&[("X-Forwarded-For", &long)]), "client");
}

#[test]
fn of_forwarded_the_right_most_that_is_no_trusted_proxy_counts() {
    let world = World::new("forwarded", TRUSTED);
    for (lines, expected) in [
        (&["for=192.0.2.7"][..], "client"),
        (&["for=6.6.6.6, for=192.0.2.7"], "client"),
        (&["for=6.6.6.6", "FOR=192.0.2.7;proto=https;by=10.1.1.1", "for=10.1.1.1"], "client"),
        (&["for=\"192.0.2.7:4711\""], "client"),
        (&["for=\"[2001:db8::7]\""], "client-six"),
        (&["for=\"[2001:db8::7]:4711\", for=\"[fd00::1]\""], "client-six"),
        (&["for=6.6.6.6, for=\"[::ffff:192.0.2.7]\", for=\"[::ffff:10.1.1.1]:1\""], "client"),
        (&["for=\"\\1\\9\\2.0.2.7\""], "client"),
        // What looks like an element inside of a quoted string is none.
        (&["host=\"a, for=6.6.6.6\";for=192.0.2.7"], "client"),
        (&["for=192.0.2.7;host=\", for=6.6.6.6\""], "client"),
        (&["for=192.0.2.7;host=\"\\\", for=6.6.6.6, x=\\\"\""], "client"),
        (&["by=6.6.6.6;for=192.0.2.7;host=6.6.6.6"], "client"),
        (&["for=10.2.2.2"], "proxy"),
        (&[][..], "proxy"),
    ] {
        let headers: Vec<(&str, &str)> = lines.iter().map(|line| ("Forwarded", *line)).collect();
        assert_eq!(world.seen(&headers), expected, "{lines:?}");
    }
    assert_eq!(world.seen(&[("Forwarded", "for=192.0.2.7"), ("X-Forwarded-For", "6.6.6.6")]), "client");
}

#[test]
fn an_element_of_forwarded_that_cannot_be_read_makes_the_address_unknown() {
    let world = World::new("forwarded", TRUSTED);
    for element in [
        ";",
        "for",
        "for=",
        "for=\"\"",
        "for=unknown",
        "for=_hidden",
        "for=\"_hidden:80\"",
        "proto=https",
        "for=2001:db8::7",
        "for=[2001:db8::7]",
        "for=\"2001:db8::7\"",
        "for=192.0.2.7:80",
        "for=\"192.0.2.7",
        "for=\"192.0.2.7\\",
        "for=192.0.2.7\"",
        "for=\"[2001:db8::7%25eth0]\"",
        "for=\"[fe80::1%eth0]\"",
        "for=\"[192.0.2.7]\"",
        "for=\"[2001:db8::7\"",
        "for=\"192.0.2.7:99999\"",
        "for=\"192.0.2.7:\"",
        "for=192.0.2.7;for=192.0.2.8",
        "for=192.0.2.7 for=192.0.2.8",
        "for =192.0.2.7",
        "for= 192.0.2.7",
        "for=192.0.2.07",
        "for=192.0.2.7;host=\"",
        "f\u{f6}r=192.0.2.7",
        "192.0.2.7",
    ] {
        for line in [element.to_owned(), format!("for=6.6.6.6, {element}")] {
            assert_eq!(world.seen(&[("Forwarded", &line)]), "unavailable", "{line:?}");
        }
        assert_eq!(world.seen(&[("Forwarded", "for=6.6.6.6"), ("Forwarded", element), ("Forwarded", "for=10.1.1.1")]), "unavailable");
    }
}

#[test]
fn an_answer_for_one_address_is_never_given_to_another() {
    let world = World::new("x-forwarded-for", TRUSTED);
    for _ in 0..3 {
        for (address, expected) in [
            ("192.0.2.7", "client"),
            ("6.6.6.6", "forged"),
            ("garbage", "unavailable"),
            ("::ffff:192.0.2.7", "client"),
            ("8.8.8.8", "other"),
        ] {
            assert_eq!(world.seen(&[("X-Forwarded-For", address)]), expected);
        }
    }
}

#[test]
fn the_upstream_is_told_of_a_clients_address_by_a_trusted_proxy_alone() {
    let seen = |trusted: &str| {
        let world = World::new("x-forwarded-for", trusted);
        let answer = world.ask(&[("X-Forwarded-For", "192.0.2.7"), ("X-Real-IP", "6.6.6.6"), ("Forwarded", "for=6.6.6.6")]).json();
        let lines: Vec<(String, String)> = serde_json::from_value(answer["headers"].clone()).unwrap();
        let about = |name: &str| lines.iter().filter(|(found, _)| found == name).map(|(_, value)| value.clone()).collect::<Vec<_>>();
        (about("x-forwarded-for"), about("forwarded").join(", ").contains("6.6.6.6"), lines)
    };
    let (forwarded_for, forwarded, lines) = seen("10.0.0.0/8");
    assert_eq!((forwarded_for, forwarded), (vec!["127.0.0.1".to_owned()], false));
    assert!(!lines.iter().any(|(_, value)| value.contains("6.6.6.6") || value.contains("192.0.2.7")), "{lines:?}");
    let (forwarded_for, ..) = seen(TRUSTED);
    assert_eq!(forwarded_for, ["192.0.2.7, 127.0.0.1"]);
}
