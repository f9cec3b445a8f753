//! What the reader can read, shown on keys that no section has: tables in tables, tables that may be left out, lists of tables.

use std::path::Path;

use toml::de::DeTable;

use super::environment::Raw;
use super::parse::{number, text, truth};
use super::reader::{Override, Reader, Section, TakesEffect};
use super::value::{Origin, table_of};
use crate::diagnostics::{Diagnostic, Source};

#[derive(Debug, PartialEq)]
struct Read {
    burst: u32,
    tls: Option<(String, bool)>,
    routes: Vec<Route>,
}

#[derive(Debug, PartialEq)]
struct Route {
    path: Option<String>,
    methods: u32,
}

fn read_all(reader: &mut Reader<'_>) -> Read {
    let word = || text(|text| Ok(text.to_owned()));
    let tls = |tls: &mut Section<'_, '_>| (tls.live("cert", "none".to_owned(), word()), tls.at_start("strict", false, truth));
    let route = |route: &mut Section<'_, '_>| Route {
        path: route.required("path", TakesEffect::Live, word()),
        methods: route.live("methods", 1, number(0..=9)),
    };
    let read = Read {
        burst: reader.section("limits").section("rate").live("burst", 200, number(1..=1000)),
        tls: reader.section("proxy").optional("tls", tls),
        routes: reader.top().list("routes", route),
    };
    reader.leftovers();
    read
}

/// What a text and variables come to, and what is wrong with them.
fn read(toml: &str, variables: &[(&str, &str)]) -> (Read, Vec<String>) {
    let source = Source { file: Path::new("c.toml"), text: toml };
    let nothing = table_of(&DeTable::new());
    let mut schema = Reader::new(source, &nothing, &[]);
    read_all(&mut schema);
    let raw = Raw::of(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())), &schema);
    let table = table_of(DeTable::parse(toml).unwrap().get_ref());
    let mut reader = Reader::new(source, &table, &raw.overrides);
    let read = read_all(&mut reader);
    let told = |fault: Diagnostic| match &fault.suggestion {
        Some(suggestion) => format!("{fault}; {suggestion}"),
        None => fault.to_string(),
    };
    (read, raw.faults.into_iter().chain(reader.faults).map(told).collect())
}

fn sound(toml: &str, variables: &[(&str, &str)]) -> Read {
    let (read, faults) = read(toml, variables);
    assert_eq!(faults, Vec::<String>::new(), "{toml} {variables:?}");
    read
}

fn route(path: &str, methods: u32) -> Route {
    Route { path: Some(path.to_owned()), methods }
}

#[test]
fn what_is_not_written_has_its_default_or_is_not_there() {
    assert_eq!(sound("", &[]), Read { burst: 200, tls: None, routes: Vec::new() });
}

#[test]
fn a_table_in_a_section_is_read_however_it_is_written() {
    for toml in ["[limits.rate]\nburst = 7", "[limits]\nrate = { burst = 7 }", "[limits]\nrate.burst = 7", "limits.rate.burst = 7"] {
        assert_eq!(sound(toml, &[]).burst, 7, "{toml}");
    }
    assert_eq!(sound("[proxy.tls]\ncert = \"a\"\nstrict = true", &[]).tls, Some(("a".to_owned(), true)));
    assert_eq!(sound("[proxy.tls]", &[]).tls, Some(("none".to_owned(), false)));
}

#[test]
fn a_list_of_tables_is_read_in_its_order() {
    let blocks = "[[routes]]\npath = \"/a\"\n[[routes]]\npath = \"/b\"\nmethods = 3\n";
    for toml in [blocks, "routes = [{ path = \"/a\" }, { path = \"/b\", methods = 3 }]"] {
        assert_eq!(sound(toml, &[]).routes, [route("/a", 1), route("/b", 3)], "{toml}");
    }
}

#[test]
fn variables_reach_keys_in_tables_and_in_entries_of_lists() {
    let toml = "[limits.rate]\nburst = 7\n[[routes]]\npath = \"/a\"\n";
    let variables = [
        ("CLAVIGER_LIMITS__RATE__BURST", "9"),
        ("CLAVIGER_PROXY__TLS__CERT", "b"),
        ("CLAVIGER_ROUTES__0__METHODS", "2"),
        ("CLAVIGER_ROUTES__1__PATH", "/b"),
    ];
    let read = sound(toml, &variables);
    assert_eq!(read, Read { burst: 9, tls: Some(("b".to_owned(), false)), routes: vec![route("/a", 2), route("/b", 1)] });

    let whole = [("CLAVIGER_ROUTES", "[{ path = \"/c\" }, { path = \"/d\", methods = 4 }]"), ("CLAVIGER_ROUTES__1__METHODS", "5")];
    assert_eq!(sound(toml, &whole).routes, [route("/c", 1), route("/d", 5)]);

    // A section, too: nothing that the file says in it counts any more.
    let whole =
        [("CLAVIGER_LIMITS__RATE", "{}"), ("CLAVIGER_PROXY__TLS", " { cert = \"c\", strict = true }"), ("CLAVIGER_PROXY__TLS__CERT", "d")];
    let read = sound(toml, &whole);
    assert_eq!((read.burst, read.tls), (sound("", &[]).burst, Some(("d".to_owned(), true))));
}

#[test]
fn flags_reach_them_too() {
    let over = |key: &str, text: &str| Override {
        key: key.to_owned(),
        text: text.to_owned(),
        at: Origin::Flag(key.to_owned(), text.to_owned()),
        name: Origin::FlagKey(key.to_owned()),
    };
    let (source, nothing) = (Source { file: Path::new(""), text: "" }, table_of(&DeTable::new()));
    let flags = [over("limits.rate.burst", "3"), over("routes.0.path", "/z")];
    let mut reader = Reader::new(source, &nothing, &flags);
    assert_eq!(read_all(&mut reader), Read { burst: 3, tls: None, routes: vec![route("/z", 1)] });
    assert_eq!(reader.faults, []);
}

#[test]
fn what_is_wrong_in_the_depth_is_told_with_its_place_and_what_was_meant() {
    for (toml, variables, told) in [
        ("[limits.rate]\nbrust = 7", &[][..], "c.toml:2:1: limits.rate.brust: there is no such key; did you mean `burst`?"),
        ("[limits.rates]\nburst = 7", &[], "c.toml:1:9: limits.rates: there is no such section; did you mean `[limits.rate]`?"),
        ("[limits]\nrate = 7", &[], "c.toml:2:8: limits.rate: this is a section, not an integer; write `[limits.rate]` above its keys"),
        ("[proxy.tls]\ncert = 7", &[], "c.toml:2:8: proxy.tls.cert: a text in quotes is wanted, not an integer; write \"7\""),
        ("[[routes]]\nmethods = 2", &[], "c.toml:1:1: routes.0: `path` is missing"),
        ("[[routes]]\npath = \"/\"\nmethod = 2", &[], "c.toml:3:1: routes.0.method: there is no such key; did you mean `methods`?"),
        ("routes = 7", &[], "c.toml:1:10: routes: a list of tables is wanted, not an integer; write `[[routes]]` above the keys of each"),
        ("routes = [1]", &[], "c.toml:1:10: routes: a list of tables is wanted, not a list; write `[[routes]]` above the keys of each"),
        (
            "",
            &[("CLAVIGER_LIMITS__RATE__BRUST", "7")],
            "environment variable CLAVIGER_LIMITS__RATE__BRUST: limits.rate.brust: there is no such key; \
             did you mean `CLAVIGER_LIMITS__RATE__BURST`?",
        ),
        (
            "",
            &[("CLAVIGER_ROUTES", "[{ path = \"/\", method = 2 }]")],
            "environment variable CLAVIGER_ROUTES: routes.0.method: there is no such key; did you mean `methods`?",
        ),
        (
            "",
            &[("CLAVIGER_PROXY__TLS", "{ certs = \"c\", cert = \"c\" }")],
            "environment variable CLAVIGER_PROXY__TLS: proxy.tls.certs: there is no such key; did you mean `cert`?",
        ),
        (
            "",
            &[("CLAVIGER_PROXY__TLS", "server.crt")],
            "environment variable CLAVIGER_PROXY__TLS: proxy.tls: this is a section: a table is wanted, `{ key = value, … }`; \
             or each of its keys by a variable of its own, like `CLAVIGER_PROXY__TLS__CERT`",
        ),
    ] {
        assert_eq!(read(toml, variables).1, [told], "{toml} {variables:?}");
    }
}

#[test]
fn every_key_says_when_another_value_counts() {
    let (source, nothing) = (Source { file: Path::new(""), text: "" }, table_of(&DeTable::new()));
    let mut reader = Reader::new(source, &nothing, &[]);
    read_all(&mut reader);
    let known: Vec<_> = reader.known.iter().map(|(key, said)| (key.as_str(), said.takes_effect)).collect();
    let of_entries: Vec<_> = reader.of_entries.iter().map(|(key, takes_effect)| (key.as_str(), *takes_effect)).collect();
    assert_eq!(
        known,
        [("limits.rate.burst", TakesEffect::Live), ("proxy.tls.cert", TakesEffect::Live), ("proxy.tls.strict", TakesEffect::AtStart)]
    );
    assert_eq!(of_entries, [("routes.*.methods", TakesEffect::Live), ("routes.*.path", TakesEffect::Live)]);
}
