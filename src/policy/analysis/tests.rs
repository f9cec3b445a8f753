//! What is found in which text.

use std::fmt::Write;

use super::extent::{Depends, ReadExtent};
use crate::policy::syntax::{self, lower};

/// The address, the time and the certificate, in a few words.
fn told(depends: &Depends) -> String {
    let mut told = match &depends.address {
        ReadExtent::Nothing => String::new(),
        ReadExtent::Classes(networks) => networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        ReadExtent::Everything => "address".to_owned(),
    };
    match &depends.time {
        ReadExtent::Nothing => {}
        ReadExtent::Everything => told.push_str(" time"),
        ReadExtent::Classes(calendar) => {
            for (zone, parts) in &calendar.zones {
                let names = [(parts.hour, "hour"), (parts.minute, "minute"), (parts.weekday, "weekday"), (parts.date, "date")];
                let names: Vec<&str> = names.into_iter().filter_map(|(read, name)| read.then_some(name)).collect();
                let _ = write!(told, " {zone}:{}", names.join("+"));
            }
            for instant in &calendar.instants {
                let _ = write!(told, " @{instant}");
            }
        }
    }
    if depends.certificate {
        told.push_str(" certificate");
    }
    told.trim().to_owned()
}

fn expect(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(found(text), *expected, "{text}");
    }
}

fn found(text: &str) -> String {
    let text = format!("package spacelift\nimport rego.v1\n{text}\n");
    let module = syntax::parse("p", &text, None).unwrap();
    let program = lower::policy("p", &module).unwrap_or_else(|faults| panic!("{text}{faults:#?}"));
    told(&super::depends(&program))
}

#[test]
fn what_tells_of_the_key_or_the_snapshot_is_not_read_of_a_request() {
    expect(&[
        ("allow if input.session.login == \"x\"", ""),
        ("allow if \"x\" in input.session.teams", ""),
        ("import input.session as who\nallow if startswith(who.login, \"ci-\")", ""),
        ("allow if { some space in input.spaces; space.id == \"production\" }", ""),
        ("roles[s][\"r\"] if { some s in {\"a\", \"b\"}; input.session.member }", ""),
        ("allow if { who := input.session; who[\"login\"] == \"x\" }", ""),
    ]);
}

#[test]
fn a_certificate_is_read_by_whatever_looks_at_it() {
    for text in [
        "allow if input.request.client_certificate.subject == \"CN=ci\"",
        "allow if input.request.client_certificate != null",
        "allow if input.request.client_certificate",
        "deny if not input.request.client_certificate.san",
        "allow if \"ci.example.com\" in input.request.client_certificate.san.dns",
        "allow if { c := input.request.client_certificate; c.serial == \"4f\" }",
        "allow if { {\"subject\": s} = input.request.client_certificate; s == \"x\" }",
        "import input.request as r\nallow if r.client_certificate.issuer == \"CN=a\"",
        "allow if f(input.request.client_certificate)\nf(c) if c.fingerprint == \"x\"",
        "allow if a\na := true if input.request[\"client_certificate\"].subject",
        "roles[s][\"r\"] if { some s in input.request.client_certificate.san.dns; input.session.member }",
        "team contains input.request.client_certificate.subject",
        "default allow := false\nallow if { some name in input.request.client_certificate.san.uri; startswith(name, \"spiffe://\") }",
    ] {
        assert_eq!(found(text), "certificate", "{text}");
    }
    for text in [
        "allow if input.request[input.session.login] == null",
        "allow if object.get(input, [\"request\", \"client_certificate\"], null) == null",
        "allow if count([v | some v in input]) == 1",
        "allow if { some x in [input.request]; x.client_certificate == null }",
    ] {
        assert!(found(text).ends_with("certificate"), "{text}: {}", found(text));
    }
    expect(&[
        (
            "allow if net.cidr_contains(\"10.0.0.0/8\", input.request.remote_ip)\nunused if input.request.client_certificate.subject",
            "10.0.0.0/8",
        ),
        // Compared with something of the certificate, nothing is known of the address beforehand.
        ("allow if input.request.remote_ip in input.request.client_certificate.san.ip", "address certificate"),
        ("allow if input.session.member with input.request.client_certificate as null", "address time certificate"),
        ("allow if input.session.client_certificate", ""),
    ]);
}

#[test]
fn rules_that_no_rule_that_counts_uses_do_not_matter() {
    expect(&[
        ("allow if input.session.member\nunused if input.request.remote_ip == \"10.0.0.1\"", ""),
        ("allow if a\na if b\nb if startswith(input.request.remote_ip, \"10.\")", "address"),
        ("allow if data.spacelift.a\na if startswith(input.request.remote_ip, \"10.\")", "address"),
        ("import data.spacelift.a as b\nallow if b\na if startswith(input.request.remote_ip, \"10.\")", "address"),
    ]);
}

#[test]
fn networks_that_stand_in_the_policy_are_what_the_address_is_told_by() {
    let networks = "10.0.0.0/8 192.0.2.0/24";
    let tests = [
        "allow if net.cidr_contains(\"10.0.0.0/8\", input.request.remote_ip)\ndeny if not net.cidr_contains(\"192.0.2.9/24\", input.session.creator_ip)",
        "nets := {\"10.0.0.0/8\", \"192.0.2.0/24\"}\nallow if { some n in nets; net.cidr_contains(n, input.request.remote_ip) }",
        "nets := [\"10.0.0.0/8\", \"192.0.2.0/24\"]\nallow if net.cidr_contains(nets[_], input.request.remote_ip)",
        "nets := {\"10.0.0.0/8\", \"192.0.2.0/24\"}\nallow if { nets[n]; net.cidr_contains(n, input.request.remote_ip) }",
        "nets := {\"a\": \"10.0.0.0/8\", \"b\": \"192.0.2.0/24\"}\nallow if net.cidr_contains(nets[input.session.login], input.request.remote_ip)",
        "nets := {\"10.0.0.0/8\": 1, \"192.0.2.0/24\": 2}\nallow if { some n, _ in nets; net.cidr_contains(n, input.request.remote_ip) }",
        "nets[\"10.0.0.0/8\"] := 1\nnets[\"192.0.2.0/24\"] := 2\nallow if { some n; nets[n]; net.cidr_contains(n, input.request.remote_ip) }",
        "allow if { ip := input.request.remote_ip; some n in [{\"net\": \"10.0.0.0/8\"}, {\"net\": \"192.0.2.0/24\"}]; net.cidr_contains(n.net, ip) }",
        "ip := input.request.remote_ip\nallow if every n in {\"10.0.0.0/8\", \"192.0.2.0/24\"} { net.cidr_contains(n, ip) == false }",
        "from(nets, ip) if net.cidr_contains(nets[_], ip)\nallow if from({\"10.0.0.0/8\"} | {\"192.0.2.0/24\"}, input.request.remote_ip)",
        "import input.request as r\nallow if { r2 := r; net.cidr_contains(\"10.0.0.0/8\", r2.remote_ip); n := \"192.0.2.0/24\"; n != \"\" }",
        "nets contains \"10.0.0.0/8\"\nnets contains n if { input.session.machine; n := \"192.0.2.0/24\" }\nallow if count([n | some n in nets; net.cidr_contains(n, input.request.remote_ip)]) == 2",
        "allow if { [n, ip] = [nets[_], input.request.remote_ip]; net.cidr_contains(n, ip) }\nnets := [\"10.0.0.0/8\", \"192.0.2.0/24\"]",
        "allow if { net.cidr_intersects(input.request.remote_ip, \"10.0.0.0/8\"); net.cidr_contains(\"192.0.2.0/24\", input.request.remote_ip) }",
        "default nets := {\"10.0.0.0/8\"}\nnets := {\"192.0.2.0/24\"} if input.session.machine\nallow if { some n in nets; net.cidr_contains(n, input.request.remote_ip) with input.session.machine as true }",
    ];
    expect(&tests.map(|test| (test, networks)));
}

#[test]
fn networks_from_elsewhere_or_made_of_parts_tell_everything_of_the_address() {
    let tests = [
        "allow if { some label in input.spaces[_].labels; net.cidr_contains(label, input.request.remote_ip) }",
        "allow if net.cidr_contains(concat(\"/\", [\"10.0.0.0\", \"8\"]), input.request.remote_ip)",
        "allow if net.cidr_contains(sprintf(\"10.%d.0.0/16\", [count(input.session.teams)]), input.request.remote_ip)",
        "net_of(x) := x\nallow if { n := net_of(input.session.login); net.cidr_contains(n, input.request.remote_ip) }",
        "nets contains input.session.login\nnets contains \"10.0.0.0/8\"\nallow if { some n in nets; net.cidr_contains(n, input.request.remote_ip) }",
        "nets := {\"a\": input.session.login, \"b\": \"10.0.0.0/8\"}\nallow if net.cidr_contains(nets.b, input.request.remote_ip)",
        "allow if { x = input.session.login; net.cidr_contains(x, input.request.remote_ip) }",
        "f(n) if net.cidr_contains(n, input.request.remote_ip)\nallow if { f(\"10.0.0.0/8\"); f(input.session.login) }",
    ];
    expect(&tests.map(|test| (test, "address")));
}

#[test]
fn every_other_use_of_the_address_tells_everything_of_it() {
    let tests = [
        "allow if startswith(input.request.remote_ip, \"10.\")",
        "allow if input.request.remote_ip > \"1\"",
        "allow if input.request.remote_ip == input.session.login",
        "allow if input.request.remote_ip in input.session.teams",
        "team contains input.request.remote_ip",
        "allow if { ips := [input.request.remote_ip]; ips[0] == \"10.0.0.1\" }",
        "allow if count(net.cidr_contains_matches({\"10.0.0.0/8\"}, input.request.remote_ip)) > 0",
        "allow if { some k; input.session[k] == \"10.0.0.1\" }",
        "allow if object.get(input.session, \"creator_ip\", \"\") == \"10.0.0.1\"",
        "allow if { s := input.session; some _, v in s; v == \"10.0.0.1\" }",
        "allow if { x := input.session.creator_ip; y := x; lower(y) == \"10.0.0.1\" }",
        "ip := input.session.creator_ip\nroles[\"a\"][\"b\"] if { x := {\"ip\": ip}; x.ip == \"10.0.0.1\" }",
        "roles[ip][\"b\"] if { ip := input.request.remote_ip }",
        "allow if member with input.session.login as input.request.remote_ip\nmember if input.session.login == \"10.0.0.1\"",
        "f(ip) := x if { x := ip } else := \"\"\nallow if f(input.request.remote_ip) != input.session.login",
    ];
    expect(&tests.map(|test| (test, "address")));
}

#[test]
fn an_address_compared_with_constants_is_a_network_of_one() {
    let tests = [
        "allow if input.request.remote_ip == \"10.0.0.1\"",
        "allow if input.request.remote_ip != \"10.0.0.1\"",
        "allow if \"10.0.0.1\" = input.request.remote_ip",
        "allow if input.request.remote_ip in {\"10.0.0.1\", \"::ffff:10.0.0.2\", \"2001:DB8::1\", \"no address\", 7}",
        "bastions := {\"10.0.0.1\"}\nallow if bastions[input.request.remote_ip]",
        "names := {\"10.0.0.1\": \"a\"}\nallow if names[input.request.remote_ip] == \"a\"",
        "f(\"10.0.0.1\") := true\nallow if f(input.request.remote_ip)",
    ];
    expect(&tests.map(|test| (test, "10.0.0.1/32")));
    expect(&[(
        "allow if { some ip; ip = input.request.remote_ip; net.cidr_contains(\"10.0.0.0/8\", ip); \"1.1.1.1\" != \"\" }",
        "10.0.0.0/8",
    )]);
}

#[test]
fn the_time_is_told_by_the_parts_that_are_looked_at() {
    expect(&[
        ("allow if { [hour, _, _] := time.clock([input.request.timestamp_ns, \"Europe/Berlin\"]); hour > 8 }", "Europe/Berlin:hour"),
        ("allow if { [hour, _, _] = time.clock(input.request.timestamp_ns); hour > 8 }", "UTC:hour"),
        ("allow if { c := time.clock([input.request.timestamp_ns, \"UTC\"]); c[0] > 8; c[1] < 30 }", "UTC:hour+minute"),
        ("allow if time.clock([input.request.timestamp_ns, \"UTC\"])[0] > 8", "UTC:hour"),
        ("allow if time.weekday([input.request.timestamp_ns, zone]) in {\"Monday\"}\nzone := \"Asia/Kathmandu\"", "Asia/Kathmandu:weekday"),
        ("now := input.request.timestamp_ns\nallow if { [y, m, d] := time.date(now); y == 2026; m == 1; d == 2 }", "UTC:date"),
        (
            "zones := {\"a\": \"UTC\", \"b\": \"Asia/Tokyo\", \"c\": \"Mars\"}\nallow if time.weekday([input.request.timestamp_ns, zones[input.session.login]]) == \"Monday\"",
            "Asia/Tokyo:weekday UTC:weekday",
        ),
        ("allow if { [hour, _, second] := time.clock(input.request.timestamp_ns); hour > second }", "time"),
        ("allow if time.clock(input.request.timestamp_ns)[i] > 8", "time"),
        ("allow if { c := time.clock(input.request.timestamp_ns); count(c) == 3 }", "time"),
        ("allow if time.weekday([input.request.timestamp_ns, input.session.login]) == \"Monday\"", "time"),
        ("allow if time.format(input.request.timestamp_ns) == \"x\"", "time"),
        ("allow if input.request.timestamp_ns % 2000000000 >= 1000000000", "time"),
        ("allow if { t := [input.request.timestamp_ns, \"UTC\"]; time.weekday(t) == \"Monday\" }", "time"),
    ]);
}

#[test]
fn a_time_compared_with_constants_is_told_by_where_it_lies() {
    expect(&[
        ("allow if input.request.timestamp_ns < 1800000000000000000", "@1800000000000000000"),
        ("end := time.parse_rfc3339_ns(\"2027-01-15T08:00:00Z\")\nallow if input.request.timestamp_ns < end", "@1800000000000000000"),
        ("ends := {\"a\": 7, \"b\": 9}\nallow if input.request.timestamp_ns < ends[input.session.login]", "@7 @9"),
        ("allow if input.request.timestamp_ns < 1.5", "time"),
        ("allow if input.request.timestamp_ns < 3 + 4", "time"),
        ("allow if input.request.timestamp_ns < count(input.session.teams)", "time"),
        ("allow if { some i, _ in [5, 6]; input.request.timestamp_ns == i }", "time"),
        ("allow if { [x, _, _] = time.clock(input.request.timestamp_ns); x = input.request.timestamp_ns }", "time"),
    ]);
}

#[test]
fn another_address_or_time_for_a_statement_reads_everything() {
    const SAME: &str = "same(ip) if input.request.remote_ip == ip";
    let tests = [
        "allow if { ip := input.request.remote_ip; same(ip) with input.request.remote_ip as \"10.0.0.77\" }",
        "allow if { ip := input.request.remote_ip; not same(ip) with input.request.remote_ip as \"10.0.0.77\" }",
        "allow if { ip := input.request.remote_ip; same(ip) with input as {\"request\": {\"remote_ip\": \"10.0.0.77\"}} }",
        "allow if { ip := input.request.remote_ip; same(ip) with input.request as {\"remote_ip\": \"10.0.0.77\"} }",
        "import input.request as r\nallow if { ip := r.remote_ip; same(ip) with r.remote_ip as \"10.0.0.77\" }",
        "import input.request as r\nallow if { ip := r.remote_ip; same(ip) with r as {\"remote_ip\": \"10.0.0.77\"} }",
        "allow if { ip := input.request.remote_ip; same(ip) with input[\"request\"].remote_ip as \"10.0.0.77\" }",
        "allow if { ip := input.request.remote_ip; input.session.creator_ip == ip with input.session.creator_ip as \"10.0.0.77\" }",
        "allow if { ip := input.request.remote_ip; input.session.creator_ip == ip with input.session as {\"creator_ip\": \"10.0.0.77\"} }",
        "allow if { t := input.request.timestamp_ns; input.request.timestamp_ns > t with input.request.timestamp_ns as 1800000000000000000 }",
        "allow if { ip := input.request.remote_ip; same(ip) with input.request.remote_ip.x as 1 }",
    ];
    expect(&tests.map(|test| format!("{test}\n{SAME}")).each_ref().map(|test| (test.as_str(), "address time certificate")));
    expect(&[
        ("allow if input.session.member with input.session.login as \"x\"", ""),
        ("allow if input.request.remote_ip == \"10.0.0.1\" with input.spaces as []", "10.0.0.1/32"),
        ("allow if input.session.login == input.request.remote_ip with input.session.login as \"10.0.0.1\"", "address"),
    ]);
}

#[test]
fn two_values_of_one_rule_are_compared() {
    expect(&[
        (
            "ip := input.request.remote_ip\nip := \"10.0.0.1\" if input.session.login == \"a\"\nallow if net.cidr_contains(\"10.0.0.0/8\", ip)",
            "10.0.0.0/8 10.0.0.1/32",
        ),
        ("ip := input.request.remote_ip\nip := input.session.login if input.session.admin\nallow if ip != \"\"", "address"),
        ("f(x) := input.request.remote_ip if x\nf(_) := \"10.0.0.1\" if input.session.admin\nallow if f(true) != \"\"", "10.0.0.1/32"),
        (
            "pick := v if { some g in [1, 2]; v := c(g) }\nc(1) := \"10.0.0.1\"\nc(2) := input.request.remote_ip\nallow if net.cidr_contains(\"10.0.0.0/8\", pick)",
            "10.0.0.0/8 10.0.0.1/32",
        ),
        (
            "end := input.request.timestamp_ns\nend := 1800000000000000000 if input.session.admin\nallow if end > 5",
            "@5 @1800000000000000000",
        ),
        (
            "c := time.clock([input.request.timestamp_ns, \"UTC\"])\nc := time.clock([input.request.timestamp_ns, \"Asia/Tokyo\"]) if input.session.admin\nallow if c[0] > 8",
            "time",
        ),
        // Each has one value, whatever the request is.
        ("c := time.clock([input.request.timestamp_ns, \"UTC\"])\nallow if c[0] > 8", "UTC:hour"),
        ("f(z) := time.clock([input.request.timestamp_ns, z])\nallow if f(\"UTC\")[0] > 8", "UTC:hour"),
        ("asked := input.request\nallow if asked.remote_ip == \"10.0.0.1\"", "10.0.0.1/32"),
        ("ip := input.request.remote_ip if input.session.member\nallow if net.cidr_contains(\"10.0.0.0/8\", ip)", "10.0.0.0/8"),
        // The names of fields are literals.
        ("m[\"10.0.0.1\"] := true\nallow if m[input.request.remote_ip]", "10.0.0.1/32"),
    ]);
}

#[test]
fn what_is_not_understood_reads_everything() {
    let tests = [
        "allow if input.request",
        "x := input\nallow if x.session.member",
        "allow if a with data.spacelift.b as true\na if b\nb if input.session.member",
        "allow if { some k; input[k].remote_ip }",
        "allow if count(input.request) == 2",
    ];
    expect(&[
        (tests[0], ""),
        (tests[1], ""),
        (tests[2], "address time certificate"),
        (tests[3], "address time certificate"),
        (tests[4], "address time certificate"),
    ]);
}

#[test]
fn documents_of_several_rules_are_what_these_put_into_them() {
    expect(&[
        (
            "nets.office := \"10.0.0.0/8\"\nnets.home := \"192.0.2.0/24\"\nallow if { some n in nets; net.cidr_contains(n, input.request.remote_ip) }",
            "10.0.0.0/8 192.0.2.0/24",
        ),
        (
            "nets[\"10.0.0.0/8\"].x := 1\nnets[\"192.0.2.0/24\"].y := 2\nallow if { some n, _ in nets; net.cidr_contains(n, input.request.remote_ip) }",
            "10.0.0.0/8 192.0.2.0/24",
        ),
        (
            "nets.office := \"10.0.0.0/8\"\nnets.home := input.session.login\nallow if { some n in nets; net.cidr_contains(n, input.request.remote_ip) }",
            "address",
        ),
        ("seen.ip := input.request.remote_ip\nseen.login := input.session.login\nallow if seen[_] == \"10.0.0.1\"", "address"),
        ("seen.ip := input.request.remote_ip\nseen.login := input.session.login\nallow if seen.ip == \"10.0.0.1\"", "10.0.0.1/32"),
        ("seen[k] := input.request.remote_ip if k := \"ip\"\nallow if seen.ip == \"10.0.0.1\"", "address"),
        ("roles[s].r if { some s in {\"a\"}; input.request.remote_ip == \"10.0.0.1\" }\nroles.b.q if input.session.admin", "10.0.0.1/32"),
        ("allow if data.other.thing == input.request.remote_ip", "address"),
        ("allow if not data.other.thing", ""),
    ]);
}

#[test]
fn the_address_is_compared_wherever_it_is_looked_for() {
    let tests = [
        "allow if input.request.remote_ip in {\"10.0.0.1\"}",
        "allow if 0, input.request.remote_ip in [\"10.0.0.1\"]",
        "allow if input.request.remote_ip, 1 in {\"10.0.0.1\": 1}",
        "allow if { x := {\"10.0.0.1\": 1}; x[input.session.creator_ip] == 1 }",
        "allow if { some x in [\"10.0.0.1\"]; x == input.request.remote_ip }",
        "allow if { some x; {\"10.0.0.1\": 1}[x]; x == input.request.remote_ip }",
        "allow if { {input.request.remote_ip: 1} = {\"10.0.0.1\": 1} }",
        "allow if [input.request.remote_ip, 1] = [\"10.0.0.1\", 1]",
        "allow if every x in [\"10.0.0.1\"] { x == input.request.remote_ip }",
        "allow if not input.request.remote_ip == \"10.0.0.1\"",
        "allow if count([1 | input.request.remote_ip == \"10.0.0.1\"]) == 1",
    ];
    for test in tests {
        let found = found(test);
        assert!(found.starts_with("10.0.0.1/32") || found.starts_with("address"), "{test}: {found}");
    }
}
