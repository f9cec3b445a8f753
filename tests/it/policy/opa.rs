//! Policies mean here what they mean to OPA, or they are refused when they are saved.
//!
//! `policy/corpus/*.toml` holds policies and questions, `policy/corpus/answers/*.json` what OPA itself said to each; `tests/opa/opa.py`
//! makes the answers anew and says what it takes. Nothing here needs OPA: these tests compare with what is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs};

use aws_lc_rs::digest;
use claviger::model::{RegoVersion, Role, RoleId, Snapshot, Space, SpaceTree, Strategy, SystemRoleClaim, Verdict};
use claviger::policy::{Evaluator, LoginInput, PolicyError, PolicySet, SharedInput};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::policy::question::{LIMITS, Question, source};

/// What all questions have in common: `world.toml`.
#[derive(Deserialize)]
struct World {
    opa: String,
    key_id: String,
    instance: String,
    value: String,
    asker: Asker,
    space: Vec<WorldSpace>,
    role: Vec<WorldRole>,
}

#[derive(Deserialize)]
struct WorldSpace {
    id: String,
    name: String,
    labels: Vec<String>,
    parent: Option<String>,
}

#[derive(Deserialize)]
struct WorldRole {
    id: String,
    name: String,
}

/// Who asks, and when, and from where. What is left out is as `world.toml` has it.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asker {
    login: Option<String>,
    at: Option<String>,
    from: Option<String>,
    root_admin: Option<bool>,
    groups: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Theme {
    #[serde(default)]
    case: Vec<WrittenCase>,
    #[serde(default)]
    values: Vec<Values>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCase {
    name: String,
    rego: Option<RegoVersion>,
    file: Option<PathBuf>,
    text: Option<String>,
    texts: Option<Vec<String>>,
    askers: Option<Vec<Asker>>,
    differs: Option<Difference>,
}

/// Expressions, each to be looked at by way of `world.toml`'s `value`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Values {
    expressions: Vec<String>,
    asker: Option<Asker>,
    differs: Option<Difference>,
}

/// OPA has an answer and Claviger has none. Both stand in the table of `docs/rego.md`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Difference {
    /// The policy is refused when it is saved; a part of what is said then.
    Refused(String),
    /// The evaluation ends with an error, and the request is refused; a part of the error.
    Ends(String),
}

/// A case as both sides see it.
struct Case {
    name: String,
    rego: Option<RegoVersion>,
    texts: Vec<String>,
    askers: Vec<Asker>,
    differs: Option<Difference>,
}

/// `answers/*.json`.
#[derive(Deserialize)]
struct Answers {
    opa: String,
    inputs: Vec<(Told, Json)>,
    #[serde(rename = "answers")]
    of_cases: Vec<Answer>,
}

/// An asker as it goes into digests: login, moment, address, whether it is a root admin, groups.
type Told = (String, String, String, bool, Vec<String>);

#[derive(Deserialize)]
struct Answer {
    case: String,
    digest: String,
    policies: Vec<OfPolicy>,
    together: Option<OfPolicy>,
}

/// What OPA makes of one policy.
#[derive(Deserialize)]
#[serde(untagged)]
enum OfPolicy {
    Refused { refused: String },
    Answers(Vec<OfQuestion>),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum OfQuestion {
    Value(BTreeMap<String, Json>),
    Failed(String),
}

impl fmt::Display for OfQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(rules) => write!(f, "{}", serde_json::to_string(rules).unwrap()),
            Self::Failed(reason) => write!(f, "{reason}"),
        }
    }
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/policy/corpus")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn world() -> World {
    toml::from_str(&read(&corpus().join("world.toml"))).unwrap()
}

/// Every theme with its cases and OPA's answers.
fn themes() -> Vec<(String, Vec<Case>, Answers)> {
    let world = world();
    let mut paths: Vec<PathBuf> = fs::read_dir(corpus()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml") && !path.ends_with("world.toml"));
    paths.sort();
    let load = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let theme: Theme = toml::from_str(&read(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let answers = corpus().join("answers").join(format!("{name}.json"));
        let answers = serde_json::from_str(&read(&answers)).unwrap_or_else(|error| panic!("{}: {error}", answers.display()));
        (name, theme.cases(&world), answers)
    };
    paths.into_iter().map(load).collect()
}

impl Theme {
    fn cases(self, world: &World) -> Vec<Case> {
        let written = self.case.into_iter().map(|case| {
            let texts = match (case.text, case.texts, case.file) {
                (Some(text), None, None) => vec![text],
                (None, Some(texts), None) => texts,
                (None, None, Some(file)) => vec![read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(file))],
                _ => panic!("{} has a text, texts, or a file", case.name),
            };
            let askers = case.askers.unwrap_or_else(|| vec![Asker::default()]);
            Case { name: case.name, rego: case.rego, texts, askers, differs: case.differs }
        });
        let values = self.values.into_iter().flat_map(|values| {
            let Values { expressions, asker, differs } = values;
            expressions.into_iter().map(move |expression| Case {
                texts: vec![world.value.replace("EXPRESSION", &expression)],
                name: expression,
                rego: None,
                askers: vec![asker.clone().unwrap_or_default()],
                differs: differs.clone(),
            })
        });
        written.chain(values).collect()
    }
}

impl Asker {
    fn told(&self, world: &World) -> Told {
        let Self { login, at, from, root_admin, groups } = self.clone();
        let usual = &world.asker;
        (
            login.or_else(|| usual.login.clone()).unwrap(),
            at.or_else(|| usual.at.clone()).unwrap(),
            from.or_else(|| usual.from.clone()).unwrap(),
            root_admin.or(usual.root_admin).unwrap(),
            groups.or_else(|| usual.groups.clone()).unwrap(),
        )
    }
}

/// The question that Claviger asks on an asker's behalf.
fn question((login, at, from, root_admin, groups): &Told, world: &World) -> LoginInput {
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    let mut input = Question::by(login).at(at).from(from).in_groups(&groups).input().clone();
    Arc::make_mut(&mut input.key).id = world.key_id.parse().unwrap();
    input.root_admin = *root_admin;
    input.instance = world.instance.as_str().into();
    input.shared = Arc::new(SharedInput::of(&snapshot(world)));
    input
}

fn snapshot(world: &World) -> Snapshot {
    let mut snapshot = Snapshot::empty(Strategy::Combined);
    let space = |space: &WorldSpace| Space {
        id: space.id.parse().unwrap(),
        name: space.name.clone(),
        description: String::new(),
        parent: space.parent.as_ref().map(|parent| parent.parse().unwrap()),
        labels: space.labels.clone(),
    };
    snapshot.spaces = SpaceTree::from_rows(world.space.iter().map(space)).unwrap();
    let role = |role: &WorldRole| {
        let id: RoleId = role.id.parse().unwrap();
        (id.clone(), Role { id, name: role.name.clone(), description: String::new(), actions: Vec::new(), system: false })
    };
    snapshot.roles = world.role.iter().map(role).collect();
    snapshot
}

/// What a policy says by OPA's answer, or what is wrong with a rule that counts. Written down once more, and not the program's own
/// reading: the two must come to the same.
fn verdict(rules: &BTreeMap<String, Json>) -> Result<Verdict, String> {
    let flag = |name: &str| match rules.get(name) {
        None => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| format!("{name} is {value}")),
    };
    let texts = |name: &str| rules.get(name).map_or_else(|| Ok(BTreeSet::new()), names);
    let mut verdict = Verdict {
        allow: flag("allow")?,
        deny: flag("deny")?,
        admin: flag("admin")?,
        deny_admin: flag("deny_admin")?,
        sample: flag("sample")?,
        teams: texts("team")?,
        ..Verdict::default()
    };
    for (rule, claim) in
        [("space_admin", SystemRoleClaim::Admin), ("space_write", SystemRoleClaim::Write), ("space_read", SystemRoleClaim::Read)]
    {
        verdict.space_roles.extend(texts(rule)?.into_iter().map(|space| (space, claim)));
    }
    if let Some(roles) = rules.get("roles") {
        for (space, roles) in roles.as_object().ok_or_else(|| format!("roles is {roles}"))? {
            verdict.roles.extend(names(roles)?.into_iter().map(|role| (space.clone(), role)));
        }
    }
    Ok(verdict)
}

/// Names in a set or an array, which JSON does not tell apart, or in an object of booleans.
fn names(value: &Json) -> Result<BTreeSet<String>, String> {
    let wrong = || format!("{value} is not names");
    match value {
        Json::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect(),
        Json::Object(items) if items.values().all(Json::is_boolean) => {
            Ok(items.iter().filter(|(_, held)| **held == Json::Bool(true)).map(|(name, _)| name.clone()).collect())
        }
        _ => Err(wrong()),
    }
}

/// What Claviger makes of a policy: verdicts or errors, or why it is refused.
async fn claviger(text: &str, rego: Option<RegoVersion>, questions: &[LoginInput], evaluator: &Evaluator) -> Result<Vec<Said>, String> {
    let set = match PolicySet::load(&[source("policy", text, rego)], LIMITS) {
        Ok(set) => Arc::new(set),
        Err(faults) => return Err(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    };
    let mut said = Vec::new();
    for question in questions {
        said.push(evaluator.ask(set.clone(), question.clone()).await.map(|mut answer| answer.remove(0).1));
    }
    Ok(said)
}

type Said = Result<Verdict, PolicyError>;

/// Where Claviger and OPA do not come to the same, in words.
async fn disagreements(case: &Case, answer: &Answer, world: &World, evaluator: &Evaluator) -> Vec<String> {
    let questions: Vec<LoginInput> = case.askers.iter().map(|asker| question(&asker.told(world), world)).collect();
    let mut wrong = Vec::new();
    let mut together: Vec<Option<Verdict>> = vec![Some(Verdict::default()); questions.len()];
    for (text, of_opa) in case.texts.iter().zip(&answer.policies) {
        let of_claviger = claviger(text, case.rego, &questions, evaluator).await;
        match (of_claviger, of_opa, &case.differs) {
            (Err(_), OfPolicy::Refused { .. }, None) => {}
            (Err(faults), OfPolicy::Answers(_), Some(Difference::Refused(reason))) if faults.contains(reason) => {}
            (Err(faults), OfPolicy::Answers(_), _) => wrong.push(format!("OPA takes it, and Claviger refuses it: {faults}")),
            (Ok(_), OfPolicy::Refused { refused }, _) => wrong.push(format!("Claviger takes it, and OPA refuses it: {refused}")),
            (Err(_), OfPolicy::Refused { .. }, Some(_)) => wrong.push("both refuse it".to_owned()),
            (Ok(said), OfPolicy::Answers(answers), differs) => {
                for (index, (said, of_opa)) in said.iter().zip(answers).enumerate() {
                    if !agree(said, of_opa, differs.as_ref()) {
                        wrong.push(format!("question {index}: OPA says {of_opa}, and Claviger {said:?}"));
                    }
                    match said {
                        Ok(said) => together[index].as_mut().map(|all| add(all, said)).unwrap_or_default(),
                        Err(_) => together[index] = None,
                    }
                }
            }
        }
    }
    if let Some(OfPolicy::Answers(answers)) = &answer.together {
        for (index, (all, of_opa)) in together.iter().zip(answers).enumerate() {
            let of_opa = if let OfQuestion::Value(rules) = of_opa { verdict(rules).ok() } else { None };
            if *all != of_opa {
                wrong.push(format!("question {index}: all together OPA says {of_opa:?}, and Claviger {all:?}"));
            }
        }
    }
    wrong
}

fn agree(said: &Said, of_opa: &OfQuestion, differs: Option<&Difference>) -> bool {
    let expected = match of_opa {
        OfQuestion::Value(rules) => verdict(rules).ok(),
        OfQuestion::Failed(_) => None,
    };
    match (said, expected, differs) {
        (Ok(said), Some(expected), None) => *said == expected,
        (Err(PolicyError::Failed(..)), None, None) => true,
        (Err(error), Some(_), Some(Difference::Ends(reason))) => error.to_string().contains(reason),
        _ => false,
    }
}

/// The verdicts of several policies are merged by joining them.
fn add(all: &mut Verdict, one: &Verdict) {
    all.allow |= one.allow;
    all.deny |= one.deny;
    all.admin |= one.admin;
    all.deny_admin |= one.deny_admin;
    all.sample |= one.sample;
    all.roles.extend(one.roles.iter().cloned());
    all.space_roles.extend(one.space_roles.iter().cloned());
    all.teams.extend(one.teams.iter().cloned());
}

#[tokio::test]
async fn login_policies_mean_what_they_mean_to_opa() {
    let (world, evaluator) = (world(), Evaluator::start(1).unwrap());
    let (mut asked, mut wrong) = (0, Vec::new());
    for (theme, cases, answers) in themes() {
        for (case, answer) in cases.iter().zip(&answers.of_cases) {
            asked += case.askers.len();
            let of_case = disagreements(case, answer, &world, &evaluator).await;
            wrong.extend(of_case.into_iter().map(|wrong| format!("{theme}: {}: {wrong}", case.name)));
        }
    }
    assert!(wrong.is_empty(), "{} of {asked} cases differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(asked >= 300, "only {asked} cases were found");
}

#[test]
fn the_committed_answers_are_those_to_this_very_corpus() {
    let (world, text) = (world(), read(&corpus().join("world.toml")));
    for (theme, cases, answers) in themes() {
        assert_eq!(answers.opa, world.opa, "{theme}: the answers are of this version of OPA");
        let answered: Vec<(&str, &str)> = answers.of_cases.iter().map(|answer| (answer.case.as_str(), answer.digest.as_str())).collect();
        let digests: Vec<(&str, String)> = cases.iter().map(|case| (case.name.as_str(), case_digest(case, &world, &text))).collect();
        let asked: Vec<(&str, &str)> = digests.iter().map(|(name, digest)| (*name, digest.as_str())).collect();
        assert_eq!(answered, asked, "{theme}: has been changed; tests/opa/opa.py makes the answers anew");
        for (case, answer) in cases.iter().zip(&answers.of_cases) {
            assert_eq!(case.texts.len(), answer.policies.len(), "{theme}: {}", case.name);
            for policy in answer.policies.iter().chain(&answer.together) {
                let OfPolicy::Answers(questions) = policy else { continue };
                assert_eq!(case.askers.len(), questions.len(), "{theme}: {}", case.name);
            }
        }
    }
}

fn case_digest(case: &Case, world: &World, world_text: &str) -> String {
    let askers = case.askers.iter().map(|asker| serde_json::to_string(&asker.told(world)).unwrap());
    let rego = case.rego.map_or("", RegoVersion::as_str).to_owned();
    let parts = [world_text.to_owned(), rego].into_iter().chain(case.texts.iter().cloned()).chain(askers);
    let framed: Vec<String> = parts.map(|part| format!("{}:{part},", part.len())).collect();
    let digest = digest::digest(&digest::SHA256, framed.concat().as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

#[tokio::test]
async fn opa_was_asked_with_the_very_input_that_policies_get() {
    let (world, evaluator) = (world(), Evaluator::start(1).unwrap());
    let mut compared = BTreeSet::new();
    for (theme, _, answers) in themes() {
        for (told, input) in answers.inputs {
            if compared.insert(told.clone()) {
                let text = format!("package spacelift\nallow if input == {input}\n");
                let said = claviger(&text, None, &[question(&told, &world)], &evaluator).await.unwrap();
                assert!(said[0].as_ref().unwrap().allow, "{theme}: OPA was asked with {input}");
            }
        }
    }
    assert!(compared.len() > 50, "only {} inputs were found", compared.len());
}

#[test]
fn every_difference_from_opa_stands_in_the_table_and_every_row_has_a_case() {
    let table = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rego.md"));
    let rows: BTreeSet<&str> = table.lines().filter_map(|line| line.split("| “").nth(1)?.split('”').next()).collect();
    let cases = themes().into_iter().flat_map(|(_, cases, _)| cases);
    let told: BTreeSet<String> =
        cases.filter_map(|case| case.differs.map(|(Difference::Refused(reason) | Difference::Ends(reason))| reason)).collect();
    assert_eq!(told.iter().map(String::as_str).collect::<BTreeSet<_>>(), rows);
}
