//! How many answers one key has: as many as there are classes of requests that the login policies can tell apart, and no more.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use claviger::exchange::Origin;
use claviger::model::{AlternativeNames, CertificateFingerprint, ClientCertificate, LoginPolicy, Mutation, Refusal};
use jiff::Timestamp;

use crate::exchange::world::{World, policy, roles_of};

/// One of the example policies.
fn example(name: &str) -> LoginPolicy {
    let source = std::fs::read_to_string(format!("{}/policies/{name}.rego", env!("CARGO_MANIFEST_DIR"))).unwrap();
    LoginPolicy { name: name.parse().unwrap(), source: source.into(), rego: None }
}

/// The gauge of a cache's entries, once it shows any.
async fn entries(world: &World) -> u64 {
    let house_keeping = tokio::spawn(world.exchange.clone().follow());
    let shown = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let text = world.metrics.render();
            let line = text.lines().find_map(|line| line.strip_prefix("claviger_cache_entries{cache=\"credential\"} "));
            match line.and_then(|entries| entries.parse().ok()) {
                Some(0) | None => tokio::task::yield_now().await,
                Some(entries) => break entries,
            }
        }
    });
    let shown = shown.await.expect("the gauge shows what is remembered");
    house_keeping.abort();
    shown
}

/// How often policies were asked and answered.
fn evaluations(world: &World) -> u64 {
    let text = world.metrics.render();
    let line = text.lines().find_map(|line| line.strip_prefix("claviger_policy_evaluations_total{result=\"answered\"} "));
    line.expect("there is such a counter").parse().unwrap()
}

#[tokio::test]
async fn ten_thousand_clients_of_one_key_make_an_entry_for_each_class_of_networks() {
    let world = World::new().await;
    world.change(Mutation::CreatePolicy(example("restricted-networks"))).await;
    let key = world.key("office-printer", &[], &[]).await;
    // Of each network of the policy, and of none.
    let begins: [(IpAddr, bool); 5] = [
        (Ipv4Addr::new(192, 0, 2, 0).into(), true),
        (Ipv4Addr::new(10, 0, 0, 0).into(), true),
        ("2001:db8:f::".parse::<Ipv6Addr>().unwrap().into(), true),
        ("fd00:c1a5::".parse::<Ipv6Addr>().unwrap().into(), true),
        (Ipv4Addr::new(198, 18, 0, 0).into(), false),
    ];
    for number in 0..10_000_u32 {
        let (begins, is_inside) = begins[number as usize % begins.len()];
        let address = match begins {
            IpAddr::V4(first) if first.octets()[0] == 192 => IpAddr::from(u32::from(first).wrapping_add(number % 256).to_be_bytes()),
            IpAddr::V4(first) => IpAddr::from(u32::from(first).wrapping_add(number).to_be_bytes()),
            IpAddr::V6(first) => IpAddr::from(u128::from(first).wrapping_add(number.into()).to_be_bytes()),
        };
        match world.ask_from(key.digest, &address.to_string()).await {
            Ok(credential) if number < 50 => {
                assert_eq!(roles_of(&world.claims(&credential)), ["space-reader@production"], "{address}");
            }
            answer => assert_eq!(answer.map(drop), if is_inside { Ok(()) } else { Err(Refusal::NoRoles) }, "{address}"),
        }
    }
    assert_eq!(evaluations(&world), 5);
    assert_eq!(entries(&world).await, 5);
}

#[tokio::test]
async fn a_policy_that_tells_addresses_apart_in_other_ways_makes_an_entry_for_each() {
    let world = World::new().await;
    world
        .change(Mutation::CreatePolicy(policy("even", "allow if endswith(input.request.remote_ip, \"2\")\nroles.staging.reader if true")))
        .await;
    let key = world.key("ci", &["deployer@production"], &[]).await;
    for last in 0..20_u8 {
        let credential = world.ask_from(key.digest, &format!("10.0.0.{last}")).await.unwrap();
        let roles: &[&str] = if last % 10 == 2 { &["deployer@production", "reader@staging"] } else { &["deployer@production"] };
        assert_eq!(roles_of(&world.claims(&credential)), roles, "{last}");
    }
    assert_eq!(entries(&world).await, 20);
}

#[tokio::test]
async fn policies_that_read_nothing_of_a_request_make_one_entry_for_all() {
    let world = World::new().await;
    world.change(Mutation::CreatePolicy(example("by-key-name"))).await;
    let key = world.key("ci-cd-production", &["deployer@production"], &[]).await;
    for last in 0..40_u8 {
        world.ask_from(key.digest, &format!("10.0.0.{last}")).await.unwrap();
        world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(evaluations(&world), 1);
    assert_eq!(entries(&world).await, 1);
}

#[tokio::test]
async fn a_window_of_hours_costs_a_question_at_its_edges_and_not_in_each_second() {
    let hour = Duration::from_hours(1);
    let world = World::with(|settings| (settings.token.ttl, settings.store.max_staleness) = (hour, hour)).await;
    world.change(Mutation::CreatePolicy(example("deployment-window"))).await;
    let key = world.key("release-bot", &[], &[]).await;
    world.clock.set_wall("2026-03-02T16:40:00.25Z".parse().unwrap());
    for _ in 0..(20 * 60) {
        assert!(world.roles(key).await.contains(&"deployer@production".to_owned()));
        world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(evaluations(&world), 1, "from 16:40 to 16:59:59 it is the same hour of the same weekday");
    assert!(!world.roles(key).await.contains(&"deployer@production".to_owned()), "it is 17:00:00.25");
    world.clock.set_wall("2026-03-02T16:59:59.999999999Z".parse().unwrap());
    assert!(world.roles(key).await.contains(&"deployer@production".to_owned()), "the clock was set back");
}

/// What a client's certificate says whose name is this.
fn certificate(name: &str, not_after: Timestamp) -> ClientCertificate {
    let mut fingerprint = [0; 32];
    fingerprint[..name.len()].copy_from_slice(name.as_bytes());
    ClientCertificate {
        subject: format!("CN={name}"),
        issuer: "CN=ca".to_owned(),
        serial: "01".to_owned(),
        fingerprint: CertificateFingerprint::from_bytes(fingerprint),
        san: AlternativeNames::default(),
        not_after,
    }
}

#[tokio::test]
async fn a_policy_that_reads_certificates_makes_an_entry_for_each_and_one_for_none() {
    let world = World::new().await;
    let rules = "allow if input.session.member\nroles.staging.reader if input.request.client_certificate.subject == \"CN=one\"";
    world.change(Mutation::CreatePolicy(policy("certificates", rules))).await;
    let key = world.key("ci", &["deployer@production"], &[]).await;
    let ends = world.clock_in(Duration::from_secs(10));
    let ask = async |shown: Option<&str>| {
        let certificate = shown.map(|name| Arc::new(certificate(name, ends)));
        let origin = Origin { certificate, ..world.origin("10.0.0.1") };
        let credential = match world.exchange.cached(&key.digest, &origin) {
            Some(answer) => answer.unwrap(),
            None => world.exchange.credential(&key.digest, &origin).await.unwrap(),
        };
        roles_of(&world.claims(&credential)).contains(&"reader@staging".to_owned())
    };
    for _ in 0..3 {
        assert_eq!((ask(Some("one")).await, ask(Some("two")).await, ask(None).await), (true, false, false));
    }
    assert_eq!(evaluations(&world), 3);
    // Once it has ended it counts as none, whatever is remembered of it.
    world.clock.advance(Duration::from_secs(10));
    assert_eq!((ask(Some("one")).await, ask(None).await), (false, false));
    assert_eq!(evaluations(&world), 3);
}

/// In Berlin the clocks go from 01:59:59 to 03:00:00 on that night, and on the other the hour from two to three comes twice.
#[tokio::test]
async fn an_hour_of_local_time_is_followed_through_changes_of_the_clocks() {
    let world = World::new().await;
    let rules = "allow if { [hour, minute, _] := time.clock([input.request.timestamp_ns, \"Europe/Berlin\"]); hour == 2; minute < 30 }\n\
                 roles.staging.reader if true";
    world.change(Mutation::CreatePolicy(policy("night", rules))).await;
    let key = world.key("ci", &["deployer@production"], &[]).await;
    for (time, is_open) in [
        ("2026-03-29T00:59:59Z", false),
        ("2026-03-29T01:00:00Z", false),
        ("2026-03-30T00:00:00Z", true),
        ("2026-10-24T23:59:59.9Z", false),
        ("2026-10-25T00:00:00Z", true),
        ("2026-10-25T00:30:00Z", false),
        ("2026-10-25T00:59:59Z", false),
        ("2026-10-25T01:00:00Z", true),
        ("2026-10-25T01:30:00Z", false),
        ("2026-10-25T02:00:00Z", false),
    ] {
        world.clock.set_wall(time.parse().unwrap());
        for _ in 0..2 {
            let is_given = world.roles(key).await.contains(&"reader@staging".to_owned());
            assert_eq!(is_given, is_open, "{time}");
        }
    }
}
