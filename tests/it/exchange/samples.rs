//! What login policies want kept of the requests that they are asked about: taken on the cold path, written beside it.

use std::time::Duration;

use claviger::model::{KeptSample, Mutation, Refusal};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::exchange::world::{HOME, World, policy};

/// Wants every pipeline kept, and sees nothing but the key.
const KEEPER: &str = "allow if input.session.member\n\nroles[\"production\"][\"deployer\"] if input.session.member\n\n\
                      sample if startswith(input.session.login, \"ci\")";

/// A world with a policy in force, and a writer of samples.
struct Sampling {
    world: World,
    writer: JoinHandle<()>,
}

impl Sampling {
    async fn by(rules: &str) -> Self {
        let world = World::new().await;
        world.change(Mutation::CreatePolicy(policy("keeper", rules))).await;
        let writer = tokio::spawn(world.exchange.clone().keep_samples());
        Self { world, writer }
    }

    /// What was kept, oldest first, when all that was queued is written.
    async fn kept(self) -> (World, Vec<KeptSample>) {
        self.world.exchange.close_samples();
        self.writer.await.unwrap();
        let mut kept = self.world.store_elsewhere().await.samples().await.unwrap();
        kept.reverse();
        (self.world, kept)
    }
}

fn counted(world: &World, result: &str) -> u64 {
    let metrics = world.metrics.render();
    let series = format!("claviger_policy_samples_total{{result=\"{result}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_decision_that_a_policy_wants_kept_is_kept_with_its_input_and_its_answer() {
    let sampling = Sampling::by(KEEPER).await;
    let ci = sampling.world.key("ci-1", &[], &["platform"]).await;
    let other = sampling.world.key("other", &[], &[]).await;
    sampling.world.ask(other.digest).await.unwrap();
    sampling.world.ask(ci.digest).await.unwrap();
    let now = sampling.world.clock_in(Duration::ZERO);

    let (world, mut kept) = sampling.kept().await;

    assert_eq!(kept.len(), 1, "{kept:#?}");
    let sample = kept.remove(0).sample;
    assert_eq!((sample.at, sample.key.id, sample.key.name.as_str()), (now, ci.id, "ci-1"));
    assert_eq!((sample.answer.code.as_str(), &sample.answer.groups), ("ok", &vec!["platform".to_owned()]));
    let grants = serde_json::to_value(&sample.answer.grants).unwrap();
    assert_eq!(grants, json!([{ "space": "production", "role": "deployer", "via": { "kind": "policy", "name": "keeper" } }]));
    let verdict = serde_json::to_value(&sample.answer.verdicts[0]).unwrap();
    assert_eq!((&verdict["policy"], &verdict["allow"], &verdict["sample"]), (&json!("keeper"), &json!(true), &json!(true)));
    assert_eq!(verdict["roles"], json!([{ "space": "production", "role": "deployer" }]));
    assert_eq!(sample.remote_ip(), Some(HOME));
    assert_eq!(sample.input["session"]["teams"], json!(["platform"]));
    assert_eq!(sample.input["request"]["timestamp_ns"].as_i64(), i64::try_from(now.as_nanosecond()).ok());
    assert_eq!(sample.input["spaces"].as_array().unwrap().len(), 3);
    assert_eq!(counted(&world, "kept"), 1);
}

#[tokio::test]
async fn a_refusal_is_kept_too() {
    let sampling = Sampling::by("deny if input.session.login == \"ci\"\n\nsample if input.session.member").await;
    let key = sampling.world.key("ci", &["deployer@production"], &[]).await;
    assert_eq!(sampling.world.ask(key.digest).await.err(), Some(Refusal::Denied("keeper".parse().unwrap())));

    let (_, kept) = sampling.kept().await;

    assert_eq!((kept.len(), kept[0].sample.answer.code.as_str(), kept[0].sample.answer.verdicts[0].deny), (1, "denied", true));
}

#[tokio::test]
async fn a_cached_answer_and_an_explanation_take_no_sample() {
    let sampling = Sampling::by(KEEPER).await;
    let key = sampling.world.key("ci", &[], &[]).await;
    let record = sampling.world.store_elsewhere().await.key(key.id).await.unwrap().unwrap();
    for _ in 0..3 {
        sampling.world.ask(key.digest).await.unwrap();
    }
    let explained = sampling.world.exchange.explain(&record, &sampling.world.origin(HOME)).await;

    let (_, kept) = sampling.kept().await;

    assert!(explained.decision.unwrap().sample);
    assert_eq!(kept.len(), 1);
}

#[tokio::test]
async fn what_a_policy_has_said_before_is_kept_with_the_request_that_it_is_used_for() {
    let sampling = Sampling::by(KEEPER).await;
    let networks = "roles[\"staging\"][\"reader\"] if net.cidr_contains(\"10.0.0.0/8\", input.request.remote_ip)";
    sampling.world.change(Mutation::CreatePolicy(policy("networks", networks))).await;
    let key = sampling.world.key("ci", &[], &[]).await;

    // Of the same key from another network only the second policy is asked again.
    for address in [HOME, "192.0.2.7"] {
        sampling.world.ask_from(key.digest, address).await.unwrap();
    }

    let (_, kept) = sampling.kept().await;
    let addresses: Vec<_> = kept.iter().map(|kept| kept.sample.remote_ip().unwrap()).collect();
    assert_eq!(addresses, [HOME, "192.0.2.7"]);
    assert_eq!(kept.iter().map(|kept| kept.sample.answer.grants.iter().count()).collect::<Vec<_>>(), [2, 1]);
}

#[tokio::test]
async fn of_a_flood_ten_a_second_are_kept_and_everybody_is_answered() {
    let sampling = Sampling::by(KEEPER).await;
    let mut keys = Vec::new();
    for number in 0..40 {
        keys.push(sampling.world.key(&format!("ci-{number}"), &[], &[]).await);
    }

    for half in keys.chunks(20) {
        for key in half {
            sampling.world.ask(key.digest).await.unwrap();
        }
        sampling.world.clock.advance(Duration::from_secs(1));
    }

    let (world, kept) = sampling.kept().await;
    let expected: Vec<_> = keys[..10].iter().chain(&keys[20..30]).map(|key| key.id).collect();
    assert_eq!(kept.iter().map(|kept| kept.sample.key.id).collect::<Vec<_>>(), expected);
    assert_eq!((counted(&world, "kept"), counted(&world, "too_many"), counted(&world, "failed")), (20, 20, 0));
}

#[tokio::test]
async fn a_store_that_takes_its_time_with_samples_keeps_no_request_waiting() {
    let sampling = Sampling::by(KEEPER).await;
    let mut keys = Vec::new();
    for number in 0..60 {
        keys.push(sampling.world.key(&format!("ci-{number}"), &[], &[]).await);
    }
    let hold = sampling.world.sluice.hold_next_samples();
    sampling.world.ask(keys[0].digest).await.unwrap();
    hold.reached().await;

    // More than the queue holds.
    for some in keys[1..].chunks(10) {
        sampling.world.clock.advance(Duration::from_secs(1));
        for key in some {
            sampling.world.ask(key.digest).await.unwrap();
        }
    }
    let dropped = counted(&sampling.world, "failed");
    hold.release();

    let (world, kept) = sampling.kept().await;
    assert!(dropped > 0, "the queue has no end");
    assert!(counted(&world, "kept") >= 1 && counted(&world, "kept") + counted(&world, "failed") == 60, "{}", world.metrics.render());
    assert_eq!(kept.len() as u64, counted(&world, "kept"));
}

#[tokio::test]
async fn a_store_that_takes_no_samples_refuses_nobody() {
    let sampling = Sampling::by(&format!("{KEEPER}\n\nteam contains \"home\" if input.request.remote_ip == \"{HOME}\"")).await;
    let key = sampling.world.key("ci", &[], &[]).await;
    sampling.world.ask(key.digest).await.unwrap();
    sampling.world.sluice.break_down();

    // The key is known, so that the policy alone is asked.
    sampling.world.ask_from(key.digest, "192.0.2.7").await.unwrap();

    let (world, _) = sampling.kept().await;
    assert_eq!(counted(&world, "kept") + counted(&world, "failed"), 2);
    assert!(counted(&world, "failed") >= 1);
}

#[tokio::test]
async fn a_sample_that_is_too_large_is_counted_and_not_kept() {
    // Refused, since a token with so many groups is too large as well; the second key's policy says them once more.
    let rules = "deny if count(input.session.teams) > 0\n\n\
                 team contains group if { input.session.login == \"ci-2\"; some group in input.session.teams }";
    let sampling = Sampling::by(&format!("{KEEPER}\n\n{rules}")).await;
    let groups: Vec<String> = (0..300).map(|number| format!("{number:0250}")).collect();
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    for large in ["ci-1", "ci-2"] {
        let key = sampling.world.key(large, &[], &groups).await;
        assert_eq!(sampling.world.ask(key.digest).await.err(), Some(Refusal::Denied("keeper".parse().unwrap())));
    }
    let small = sampling.world.key("ci-3", &[], &[]).await;
    sampling.world.ask(small.digest).await.unwrap();

    let (world, kept) = sampling.kept().await;

    assert_eq!(kept.iter().map(|kept| kept.sample.key.id).collect::<Vec<_>>(), [small.id]);
    assert_eq!((counted(&world, "kept"), counted(&world, "too_large")), (1, 2));
}

#[tokio::test]
async fn what_is_queued_at_the_end_is_written() {
    let sampling = Sampling::by(KEEPER).await;
    let mut keys = Vec::new();
    for number in 0..5 {
        keys.push(sampling.world.key(&format!("ci-{number}"), &[], &[]).await);
    }
    let hold = sampling.world.sluice.hold_next_samples();
    for key in &keys {
        sampling.world.ask(key.digest).await.unwrap();
    }
    hold.reached().await;
    sampling.world.exchange.close_samples();
    hold.release();

    let (_, kept) = sampling.kept().await;

    assert_eq!(kept.iter().map(|kept| kept.sample.key.id).collect::<Vec<_>>(), keys.iter().map(|key| key.id).collect::<Vec<_>>());
}
