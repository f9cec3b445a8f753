//! Clients that show certificates, to the proxy.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use claviger::model::CertificateFingerprint;
use rustls::HandshakeKind;

use crate::support::certificates::{Authority, Issued, Wish};
use crate::support::server::{Server, Setup};
use crate::support::tls::Client;

const ALL: &[&rustls::SupportedProtocolVersion] = rustls::ALL_VERSIONS;

struct World {
    server: Server,
    servers: Authority,
    clients: Authority,
    known: Issued,
    stranger: Issued,
}

impl World {
    fn new(asked: &str) -> Self {
        Self::with(asked, &[])
    }

    /// The same with these policies.
    fn with(asked: &str, policies: &[(&str, &str)]) -> Self {
        let (servers, clients) = (Authority::new("of servers"), Authority::new("of clients"));
        let setup = Setup::new();
        let [cert, key] = servers.issue(Wish::default()).write(&setup.dir().join("tls"));
        let ca = clients.write(&setup.dir().join("clients.crt"));
        let server = setup
            .environment("CLAVIGER_PROXY__TLS__CERT", cert.to_str().unwrap())
            .environment("CLAVIGER_PROXY__TLS__KEY", key.to_str().unwrap())
            .environment("CLAVIGER_PROXY__CLIENT_CA", ca.to_str().unwrap())
            .environment("CLAVIGER_PROXY__CLIENT_CERTIFICATES", asked)
            .policies(policies.iter().copied())
            .start();
        let wish = Wish { subject: "ci", names: &["ci.example.com"], ..Wish::default() };
        Self { server, known: clients.issue(wish), stranger: Authority::new("of clients").issue(wish), servers, clients }
    }

    /// The status of an answer, or that there is none.
    fn status(&self, shown: Option<&Issued>) -> Option<u16> {
        let client = Client::with(&self.servers, ALL, shown);
        client.get(self.server.proxy(), "/", "").ok().map(|answer| answer.status)
    }
}

#[test]
fn where_a_certificate_is_required_nobody_asks_anything_without_one_that_is_vouched_for() {
    let world = World::new("required");
    assert_eq!(world.status(Some(&world.known)), Some(401), "the key is asked for all the same");
    assert_eq!(world.status(None), None);
    assert_eq!(world.status(Some(&world.stranger)), None);
    // Whoever comes back shows the certificate again: it may have ended since.
    let client = Client::with(&world.servers, ALL, Some(&world.known));
    client.get(world.server.proxy(), "/", "").unwrap();
    let again = client.connect(world.server.proxy()).unwrap();
    assert_eq!(again.conn.handshake_kind(), Some(HandshakeKind::Full));
}

#[test]
fn where_a_certificate_is_optional_none_will_do_and_one_that_nobody_vouches_for_will_not() {
    let world = World::new("optional");
    assert_eq!(world.status(Some(&world.known)), Some(401));
    assert_eq!(world.status(None), Some(401));
    assert_eq!(world.status(Some(&world.stranger)), None);
}

/// Gives a role for each thing of a certificate that a test looks at.
const BY_CERTIFICATE: &str = "package spacelift\n\nshown := input.request.client_certificate\n\nallow if input.session.member\n\n\
    roles[\"root\"] contains \"subject\" if shown.subject == \"CN=ci\\\\, or not\"\n\n\
    roles[\"root\"] contains \"dns\" if \"ci.example.com\" in shown.san.dns\n\n\
    roles[\"root\"] contains \"mail\" if \"ci@example.com\" in shown.san.email\n\n\
    roles[\"root\"] contains \"uri\" if \"spiffe://example.org/ci\" in shown.san.uri\n\n\
    roles[\"root\"] contains \"address\" if input.request.remote_ip in shown.san.ip\n\n\
    roles[\"root\"] contains \"issuer\" if shown.issuer == \"CN=of clients\"\n\n\
    roles[\"root\"] contains \"nobody\" if shown == null\n";

const ROLES: [&str; 7] = ["address", "dns", "issuer", "mail", "nobody", "subject", "uri"];

/// Asks with a key, and says the roles that the API is told of.
fn roles(world: &World, key: &str, shown: Option<&Issued>) -> Vec<String> {
    let client = Client::with(&world.servers, ALL, shown);
    let answer = client.get(world.server.proxy(), "/", &format!("Authorization: Bearer {key}\r\nX-Forwarded-For: 192.0.2.7\r\n")).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let roles = answer.json()["claims"]["roles"]["root"].clone();
    roles.as_array().unwrap().iter().map(|role| role.as_str().unwrap().to_owned()).collect()
}

const EVALUATIONS: &str = "claviger_policy_evaluations_total{result=\"answered\"}";

#[test]
fn policies_see_the_certificate_that_a_client_has_shown_and_nobody_gets_what_another_one_was_given() {
    let world = World::with("optional", &[("by-certificate.rego", BY_CERTIFICATE)]);
    for role in ROLES {
        world.server.make_role(role, "run:read");
    }
    let key = world.server.key("ci", &[]).text;
    let names = &["CI.example.com", "ci@example.com", "spiffe://example.org/ci", "192.0.2.7", "2001:db8::7"];
    let robot = world.clients.issue(Wish { subject: "robot", names, ..Wish::default() });
    let twin = world.clients.issue(Wish { subject: "robot", names, ..Wish::default() });
    let comma = world.clients.issue(Wish { subject: "ci, or not", names: &[], ..Wish::default() });
    let all = ["address", "dns", "issuer", "mail", "uri"];
    let mut evaluations = 0;
    for round in 0..3 {
        // What was decided while a change was on its way is not kept.
        if round == 2 {
            evaluations = world.server.metric(EVALUATIONS);
        }
        assert_eq!(roles(&world, &key, Some(&robot)), all);
        assert_eq!(roles(&world, &key, Some(&comma)), ["issuer", "subject"]);
        assert_eq!(roles(&world, &key, None), ["nobody"]);
        assert_eq!(roles(&world, &key, Some(&world.known)), ["dns", "issuer"]);
        assert_eq!(roles(&world, &key, Some(&twin)), all);
    }
    // Each certificate, and none, by itself; and none of them again.
    assert_eq!((world.server.metric(EVALUATIONS), evaluations >= 5), (evaluations, true));

    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, &comma.der).as_ref());
    let fingerprint = CertificateFingerprint::from_bytes(bytes);
    let line = format!("\"certificate_subject\":\"CN=ci\\\\, or not\",\"certificate\":\"{fingerprint}\"");
    world.server.until("the log to name it", |server| server.log().contains(&line));

    // What would be: told from the certificate alone.
    let file = comma.write(&world.server.dir().join("shown"))[0].display().to_string();
    let told = |certificate: &[&str]| {
        let told = world.server.run(&[&["explain", "--key", "ci", "--ip", "192.0.2.7"], certificate].concat());
        let grants = told["grants"].as_array().unwrap().iter().map(|grant| grant["role"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        (grants, told["client_certificate"]["subject"].clone())
    };
    assert_eq!(told(&["--certificate", &file]), (vec!["issuer".to_owned(), "subject".to_owned()], "CN=ci\\, or not".into()));
    assert_eq!(told(&[]), (vec!["nobody".to_owned()], serde_json::Value::Null));
    let tested = world.server.run(&["route", "test", "GET", "/", "--key", "ci", "--ip", "192.0.2.7", "--certificate", &file]);
    assert_eq!(tested["sent"]["claims"]["roles"]["root"], serde_json::json!(["issuer", "subject"]));
    let policy = world.server.dir().join("policies/by-certificate.rego").display().to_string();
    let simulate = ["policy", "simulate", "--file", &policy, "--key", "ci"];
    let simulated = world.server.run(&[&simulate[..], &["--certificate", &file]].concat());
    assert!(simulated["simulations"][0]["result"].to_string().contains("subject"), "{simulated}");
    let refused = world.server.try_run(&[&simulate[..], &["--certificate", &policy]].concat());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("there is no certificate in it"), "{refused:?}");
}

#[test]
fn a_policy_that_does_not_look_at_certificates_answers_once_for_all_of_them() {
    let policy = "package spacelift\n\nallow if input.session.member\n\nroles[\"root\"][\"space-reader\"] if input.session.member\n";
    let world = World::with("optional", &[("plain.rego", policy)]);
    let key = world.server.key("ci", &[]).text;
    let mut evaluations = 0;
    for round in 0..3 {
        if round == 2 {
            evaluations = world.server.metric(EVALUATIONS);
        }
        for shown in [Some(&world.known), None, Some(&world.clients.issue(Wish { subject: "other", ..Wish::default() }))] {
            assert_eq!(roles(&world, &key, shown), ["space-reader"]);
        }
    }
    // Two at most: what was decided while a change was on its way is not kept.
    assert_eq!((world.server.metric(EVALUATIONS), evaluations <= 2), (evaluations, true));
}

#[test]
fn a_request_that_is_kept_is_simulated_with_the_certificate_that_it_came_with() {
    let kept = format!("{BY_CERTIFICATE}\nsample if shown.subject == \"CN=robot\"\n");
    let world = World::with("optional", &[("by-certificate.rego", &kept)]);
    let key = world.server.key("ci", &["--bind", "space-reader@root"]).text;
    let named = world.clients.issue(Wish { subject: "robot", names: &["spiffe://example.org/ci"], ..Wish::default() });
    roles(&world, &key, Some(&named));
    roles(&world, &key, None);
    world
        .server
        .until("the sample to be kept", |server| server.run(&["policy", "sample", "list"]).as_array().is_some_and(|kept| !kept.is_empty()));
    let policy = world.server.dir().join("policies/by-certificate.rego").display().to_string();
    let simulated = world.server.run(&["policy", "simulate", "--file", &policy, "--all-samples"]);
    assert_eq!(simulated["summary"]["samples"], 1, "{simulated}");
    let result = simulated["simulations"][0]["result"].to_string();
    assert!(result.contains("uri") && !result.contains("nobody"), "{result}");
}

#[test]
fn a_token_is_bound_to_the_certificate_that_its_client_has_shown_and_is_given_to_nobody_else() {
    let world = World::new("optional");
    world.server.make_role("deployer", "run:trigger");
    let key = world.server.key("ci", &["--bind", "deployer@root"]).text;
    let twin = world.clients.issue(Wish { subject: "ci", names: &["ci.example.com"], ..Wish::default() });
    let short = world.clients.issue(Wish { subject: "ci", names: &[], from: -1, to: 1 });
    let claims = |shown: Option<&Issued>| {
        let client = Client::with(&world.servers, ALL, shown);
        let answer = client.get(world.server.proxy(), "/", &format!("Authorization: Bearer {key}\r\n")).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["claims"].clone()
    };
    let of = |shown: &Issued| serde_json::json!({ "x5t#S256": BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, &shown.der)) });
    let configuration = std::fs::read_to_string(world.server.config()).unwrap();
    let put = |said: &str| {
        let with = configuration.replace("[token]\n", &format!("[token]\n{said}\n"));
        std::fs::write(world.server.config(), with).unwrap();
        world.server.signal("HUP");
    };
    world.server.until("the key", |server| {
        Client::with(&world.servers, ALL, None)
            .get(server.proxy(), "/", &format!("X-API-Key: {key}\r\n"))
            .is_ok_and(|answer| answer.status == 200)
    });
    assert_eq!(claims(Some(&world.known))["cnf"], serde_json::Value::Null, "it is off");

    put("confirm_client_certificate = true");

    world.server.until("it to be in force", |_| claims(Some(&world.known))["cnf"] == of(&world.known));
    for _ in 0..3 {
        assert_eq!(claims(Some(&world.known))["cnf"], of(&world.known));
        assert_eq!(claims(None).get("cnf"), None);
        assert_eq!(claims(Some(&twin))["cnf"], of(&twin));
        assert_eq!(claims(Some(&short))["cnf"], of(&short));
    }
    // Each is remembered by itself.
    let issued = world.server.metric("claviger_tokens_issued_total{alg=\"ES256\"}");
    for shown in [Some(&world.known), None, Some(&twin), Some(&short)] {
        claims(shown);
    }
    assert_eq!(world.server.metric("claviger_tokens_issued_total{alg=\"ES256\"}"), issued);
    let file = twin.write(&world.server.dir().join("shown"))[0].display().to_string();
    let explain = ["explain", "--key", "ci"];
    assert_eq!(world.server.run(&[&explain[..], &["--certificate", &file]].concat())["cnf"], of(&twin));
    assert_eq!(world.server.run(&explain).get("cnf"), None);

    put("");

    world.server.until("it to be off", |_| claims(Some(&world.known)).get("cnf").is_none());
}
