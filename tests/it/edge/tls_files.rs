//! What is wrong with certificates, before anything runs on them.

use serde_json::Value;

use crate::support::certificates::{Authority, Wish};
use crate::support::place::Place;

fn check(place: &Place, config: &str) -> (i32, Vec<(String, String, String)>) {
    let config = place.file("claviger.toml", config);
    let run = place.run_with(&["check", "--config", &config, "-o", "json"], &[], "");
    let report: Value = serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {} {}", run.out, run.err));
    let text = |fault: &Value, name: &str| fault[name].as_str().unwrap_or_default().to_owned();
    let found = report["faults"].as_array().unwrap().iter();
    let short = |file: String| file.rsplit('/').next().unwrap().to_owned();
    (run.code, found.map(|fault| (text(fault, "key"), short(text(fault, "file")), text(fault, "message"))).collect())
}

const CONFIG: &str = "[ops]\ntls = { cert = \"tls/tls.crt\", key = \"tls/tls.key\" }\n";

#[test]
fn every_fault_of_a_pair_is_told_with_its_file() {
    let (place, authority) = (Place::new(), Authority::new("the authority"));
    let tls = place.path("tls");
    let sound = authority.issue(Wish::default());

    let (code, found) = check(&place, CONFIG);
    assert_eq!((code, found.len()), (1, 1), "{found:?}");
    assert!(found[0].2.contains("No such file"), "{found:?}");

    sound.write(&tls);
    assert_eq!(check(&place, CONFIG), (0, Vec::new()));

    for (wish, reason) in [
        (Wish { to: -1, from: -2, ..Wish::default() }, "has expired"),
        (Wish { from: 1, ..Wish::default() }, "is not valid yet"),
        (Wish { names: &[], ..Wish::default() }, "no subject alternative name"),
    ] {
        authority.issue(wish).write(&tls);
        let (code, found) = check(&place, CONFIG);
        assert_eq!((code, found.len()), (1, 1), "{found:?}");
        assert_eq!((found[0].0.as_str(), found[0].1.as_str()), ("ops.tls.cert", "tls.crt"));
        assert!(found[0].2.contains(reason), "{found:?}");
    }

    let [_, other_key] = authority.issue(Wish::default()).write(&place.path("other"));
    sound.write(&tls);
    std::fs::copy(other_key, tls.join("tls.key")).unwrap();
    for (text, reason) in [
        (None, "not the key of the certificate"),
        (Some("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"), "is encrypted"),
        (Some("hello\n"), "there is no key in it"),
    ] {
        if let Some(text) = text {
            std::fs::write(tls.join("tls.key"), text).unwrap();
        }
        let (code, found) = check(&place, CONFIG);
        assert_eq!((code, found.len()), (1, 1), "{found:?}");
        assert_eq!((found[0].0.as_str(), found[0].1.as_str()), ("ops.tls.key", "tls.key"));
        assert!(found[0].2.contains(reason), "{found:?}");
    }

    sound.write(&tls);
    std::fs::write(tls.join("tls.crt"), "no certificate\n").unwrap();
    std::fs::write(place.path("ca.crt"), "nor here\n").unwrap();
    let both = format!(
        "{CONFIG}[proxy]\ntls = [{{ cert = \"tls/tls.crt\", key = \"tls/tls.key\" }}]\nclient_ca = \"ca.crt\"\nclient_certificates = \"required\"\n"
    );
    let (_, found) = check(&place, &both);
    let keys: Vec<&str> = found.iter().map(|(key, ..)| key.as_str()).collect();
    assert_eq!(keys, ["proxy.tls.cert", "proxy.client_ca", "ops.tls.cert"], "{found:?}");
}

#[test]
fn what_the_upstream_is_spoken_to_by_is_looked_at_as_well() {
    let (place, authority) = (Place::new(), Authority::new("the authority"));
    let config = "[upstream]\nurl = \"https://api\"\ntls = { ca = \"ca.crt\", cert = \"tls/tls.crt\", key = \"tls/tls.key\" }\n";
    let keys = |found: &[(String, String, String)]| found.iter().map(|(key, ..)| key.clone()).collect::<Vec<_>>();

    assert_eq!(keys(&check(&place, config).1), ["upstream.tls.ca", "upstream.tls.cert"]);

    authority.write(&place.path("ca.crt"));
    // Nobody looks for a name in what a client shows.
    authority.issue(Wish { names: &[], ..Wish::default() }).write(&place.path("tls"));
    assert_eq!(check(&place, config), (0, Vec::new()));

    authority.issue(Wish { from: -2, to: -1, ..Wish::default() }).write(&place.path("tls"));
    let (code, found) = check(&place, config);
    assert_eq!((code, keys(&found)), (1, vec!["upstream.tls.cert".to_owned()]));
    assert!(found[0].2.contains("has expired"), "{found:?}");

    std::fs::write(place.path("ca.crt"), "nobody\n").unwrap();
    authority.issue(Wish::default()).write(&place.path("tls"));
    let run = place.run_with(&["serve", "--config", &place.file("claviger.toml", config)], &[], "");
    assert_eq!(run.code, 1, "{}", run.err);
    assert!(run.err.contains("upstream.tls.ca: there is no certificate in it"), "{}", run.err);
}

#[test]
fn what_cannot_be_used_keeps_the_process_from_starting_and_says_why() {
    let place = Place::new();
    let config = place.file("claviger.toml", CONFIG);
    let run = place.run_with(&["serve", "--config", &config], &[], "");
    assert_eq!(run.code, 1, "{}", run.err);
    assert!(run.err.contains("ops.tls.cert: cannot be read: No such file"), "{}", run.err);
}
