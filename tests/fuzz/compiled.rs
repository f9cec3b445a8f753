//! A policy's compiled form says what the engine says, for whatever is a policy.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use claviger::config::PolicyEvaluator;
use claviger::model::{KeyId, KeyRecord, PolicyName, Snapshot, Strategy, Verdict};
use claviger::policy::{EvaluationSettings, Evaluator, LoginInput, PolicyError, PolicyLimits, PolicySet, PolicySource, SharedInput};
use jiff::Timestamp;
use tokio::runtime::Runtime;

use crate::{Target, kind};

pub(crate) static COMPILED: Target = Target {
    name: "compiled",
    seeds,
    words: &[
        "package spacelift\n",
        "allow if ",
        "deny if ",
        "allow := ",
        "roles[\"production\"][\"deployer\"] if ",
        "not ",
        "some x in ",
        "every x in ",
        "input.session.login",
        "input.request.remote_ip",
        "input.request.timestamp_ns",
        "startswith(",
        "net.cidr_contains(\"10.0.0.0/8\", ",
        "regex.match(\"^ci-\", ",
        "count(",
        "else := ",
        " with input.session.login as \"x\"",
        "default allow := false\n",
        "team contains ",
        "== ",
        "!= ",
        "true",
        "false",
        "null",
        "[1, 2]",
        "{\"a\": 1}",
        "{1}",
        "\n",
        "{",
        "}",
        " | ",
        " & ",
        " + ",
        "x := ",
        "_",
    ],
    run,
};

/// Policies that begin somewhere: the examples, and what users write.
fn seeds() -> Vec<Vec<u8>> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/policies");
    let files = std::fs::read_dir(directory).expect("there are examples").flatten().map(|entry| entry.path());
    let examples = files.filter(|path| !path.to_string_lossy().ends_with("_test.rego")).filter_map(|path| std::fs::read(path).ok());
    let small = [
        "package spacelift\nallow if startswith(input.session.login, \"ci-\")\ndeny if not net.cidr_contains(\"10.0.0.0/8\", input.request.remote_ip)\n",
        "package spacelift\nimport rego.v1\nteam contains x if some x in [\"a\", input.session.login]\nallow if count(team) > 1\n",
        "package spacelift\nallow { input.session.login == \"ci-deploy\" }\nroles[\"production\"][\"deployer\"] { allow }\n",
        "package spacelift\nhour := time.clock(input.request.timestamp_ns)[0]\nallow if { hour >= 9; hour < 17 }\n",
        "package spacelift\nallow := x if { x := input.session.login == \"a\" } else := true\n",
    ];
    examples.chain(small.map(|text| text.as_bytes().to_vec())).collect()
}

/// Generous, since it is wall clock; what passes it is not compared.
const LIMITS: PolicyLimits = PolicyLimits { time: Duration::from_millis(200), memory: 16 << 20 };

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"));
static EVALUATOR: LazyLock<Evaluator> = LazyLock::new(|| Evaluator::start(1).expect("a thread"));

fn load(text: &str, evaluator: PolicyEvaluator) -> Option<Arc<PolicySet>> {
    let source = PolicySource { name: "fuzzed".parse().expect("a name"), file: None, text: text.into(), rego: None };
    PolicySet::load(&[source], EvaluationSettings { limits: LIMITS, evaluator, compare_every: 0 }).ok().map(Arc::new)
}

fn questions() -> impl Iterator<Item = LoginInput> {
    let asked = [("ci-deploy", "10.1.2.3", "2026-07-01T12:00:00Z"), ("x", "203.0.113.9", "2026-07-04T23:59:59Z")];
    asked.into_iter().map(|(login, address, at)| LoginInput {
        shared: Arc::new(SharedInput::of(&Snapshot::empty(Strategy::Combined))),
        key: Arc::new(KeyRecord {
            id: KeyId::new(1, 2),
            name: login.parse().expect("a name"),
            description: String::new(),
            groups: Vec::new(),
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
            disabled_at: None,
            revoked_at: None,
            secrets: Vec::new(),
            bindings: Vec::new(),
        }),
        root_admin: false,
        remote_ip: address.parse().expect("an address"),
        client_certificate: None,
        at: at.parse().expect("a time"),
        instance: "fuzz".into(),
    })
}

type Answer = Result<Vec<(PolicyName, Verdict)>, PolicyError>;

fn ask(set: &Arc<PolicySet>, input: &LoginInput) -> Answer {
    RUNTIME.block_on(EVALUATOR.ask(Arc::clone(set), input.clone()))
}

fn run(bytes: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    let (Some(compiled), Some(engine)) = (load(text, PolicyEvaluator::Auto), load(text, PolicyEvaluator::Regorus)) else { return 1 };
    let mut kinds = Vec::new();
    for input in questions() {
        let (said, expected) = (ask(&compiled, &input), ask(&engine, &input));
        match (&said, &expected) {
            (Ok(said), Ok(expected)) => assert_eq!(said, expected, "the two forms of\n{text}\ndiffer"),
            (Err(PolicyError::Failed(..)), Err(PolicyError::Failed(..))) => {}
            // How much one takes is its own affair.
            (Err(PolicyError::TimeLimit(_) | PolicyError::MemoryLimit(_) | PolicyError::Paused(..) | PolicyError::Overloaded), _)
            | (_, Err(PolicyError::TimeLimit(_) | PolicyError::MemoryLimit(_) | PolicyError::Paused(..) | PolicyError::Overloaded)) => {
                return 2;
            }
            (Ok(_), Err(PolicyError::Failed(..))) | (Err(PolicyError::Failed(..)), Ok(_)) => {
                panic!("one form of\n{text}\nfails and the other does not: {said:?}, {expected:?}")
            }
        }
        kinds.push(said.map(|verdicts| format!("{verdicts:?}")).ok());
    }
    kind(kinds)
}
