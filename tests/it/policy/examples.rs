//! `policies/`: each example passes its own tests, and all of them make sense together.

use std::sync::Arc;

use claviger::model::{PolicyName, Verdict};
use claviger::policy::testing::{self, TestOutcome};
use claviger::policy::{PolicySet, read_dir};

use crate::policy::question::{LIMITS, Question, examples};

fn load_all() -> Arc<PolicySet> {
    let sources = read_dir(examples()).unwrap();
    match PolicySet::load(&sources, LIMITS) {
        Ok(set) => Arc::new(set),
        Err(faults) => panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

#[test]
fn every_test_of_every_example_passes() {
    let results = match testing::run_dir(examples(), LIMITS) {
        Ok(results) => results,
        Err(faults) => panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    };
    let failed: Vec<_> = results.iter().filter(|result| result.outcome != TestOutcome::Passed).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(results.len() >= 30, "only {} tests were found", results.len());
}

#[test]
fn every_example_has_tests() {
    for source in read_dir(examples()).unwrap() {
        let tests = examples().join(format!("{}_test.rego", source.name));
        assert!(tests.is_file(), "{} is missing", tests.display());
    }
}

#[tokio::test]
async fn together_the_examples_give_each_key_what_it_is_due() {
    let set = load_all();
    let giving = |answer: Vec<(PolicyName, Verdict)>| -> Vec<String> {
        let of_policy = |(policy, verdict): (PolicyName, Verdict)| {
            let roles: Vec<String> = verdict.roles.iter().map(|(space, role)| format!("{policy}: {role}@{space}")).collect();
            roles
        };
        answer.into_iter().flat_map(of_policy).collect()
    };

    let answer = Question::by("monitoring-agent").ask(&set).await.unwrap();
    assert!(answer.iter().map(|(policy, _)| policy.as_str()).is_sorted());
    assert_eq!(
        giving(answer),
        ["many-environments: observer@development", "many-environments: observer@production", "many-environments: observer@staging"]
    );

    let answer = Question::by("nobody").ask(&set).await.unwrap();
    assert_eq!(answer.len(), read_dir(examples()).unwrap().len());
    assert!(answer.iter().all(|(_, verdict)| *verdict == Verdict::default()), "{answer:?}");

    let answer = Question::by("release-bot").at("2026-07-01T12:00:00Z").ask(&set).await.unwrap();
    let given = giving(answer);
    assert!(
        given.contains(&"by-key-name: deployer@production".to_owned())
            && given.contains(&"deployment-window: deployer@production".to_owned())
    );
}

#[tokio::test]
async fn a_denial_of_one_example_stands_beside_the_roles_of_the_others() {
    let answer = Question::by("vault-1").from("198.51.100.1").ask(&load_all()).await.unwrap();
    let denied: Vec<&str> = answer.iter().filter(|(_, verdict)| verdict.deny).map(|(policy, _)| policy.as_str()).collect();
    assert_eq!(denied, ["restricted-networks"]);
}
