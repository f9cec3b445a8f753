//! What beginners write, and what they are told of it: `mistakes.toml` says what somebody who knows would say, and
//! `docs/policy-mistakes.md` shows what is said.

use std::fmt::Write as _;
use std::path::Path;

use claviger::diagnostics::Severity;
use claviger::model::RegoVersion;
use claviger::policy::{PolicyFault, PolicySource, Vocabulary, review};
use serde::Deserialize;

use super::question::LIMITS;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/policy-mistakes.md");
const HEAD: &str = "\
# Mistakes in policies, and what is said of them

What people write who are new to Rego, or to login policies, and the first thing that Claviger says of it: when a policy is saved, and by
`claviger check` and `claviger policy test`. An *error* is refused; after a *warning* or a *note* the policy can be saved, and does not do
what its author seems to expect.

This page is written by the test that holds it to the program: `CLAVIGER_WRITE_PAGES=1 cargo test --test it -- mistakes`.
";

#[derive(Deserialize)]
struct Mistakes {
    mistake: Vec<Mistake>,
}

#[derive(Deserialize)]
struct Mistake {
    name: String,
    rego: Option<RegoVersion>,
    text: String,
    line: u32,
    says: String,
    message: Vec<String>,
    hint: Vec<String>,
    #[serde(default)]
    never: Vec<String>,
}

impl Mistake {
    /// The first thing that is said of it.
    fn told(&self) -> Option<PolicyFault> {
        let source = PolicySource {
            name: "policy".parse().unwrap(),
            file: Some(Path::new("policy.rego").to_owned()),
            text: self.text.as_str().into(),
            rego: self.rego,
        };
        review(&[source], LIMITS, &Vocabulary::unknown()).into_iter().next()
    }

    /// What is not as somebody who knows would say it.
    fn amiss(&self) -> Vec<String> {
        let Some(told) = self.told() else { return vec!["nothing is said".to_owned()] };
        let hint = told.hint.clone().unwrap_or_default();
        let weights =
            [Severity::Error, Severity::Warning, Severity::Note].map(|severity| (severity, format!("{severity:?}").to_lowercase()));
        let wanted = weights.iter().find(|(_, name)| self.says.split('|').next_back() == Some(name)).unwrap();
        let has = |text: &str, words: &str| words.split('|').any(|word| text.contains(word));
        let mut amiss = Vec::new();
        if told.line != self.line {
            amiss.push(format!("line {} and not {}", told.line, self.line));
        }
        if told.severity > wanted.0 {
            amiss.push(format!("it weighs less than {}", wanted.1));
        }
        amiss.extend(self.message.iter().filter(|words| !has(&told.reason, words)).map(|words| format!("the message lacks {words}")));
        amiss.extend(self.hint.iter().filter(|words| !has(&hint, words)).map(|words| format!("the hint lacks {words}")));
        let said = format!("{} {hint}", told.reason);
        amiss.extend(self.never.iter().filter(|words| said.contains(*words)).map(|words| format!("it says {words}")));
        amiss.iter().map(|what| format!("{}: {what}\n{told}", self.name)).collect()
    }
}

fn mistakes() -> Vec<Mistake> {
    toml::from_str::<Mistakes>(include_str!("mistakes.toml")).unwrap().mistake
}

#[test]
fn what_is_said_of_a_mistake_names_it_where_it_is_and_helps() {
    let mistakes = mistakes();
    assert!(mistakes.len() >= 40);
    let amiss: Vec<String> = mistakes.iter().flat_map(Mistake::amiss).collect();
    assert!(amiss.is_empty(), "{}", amiss.join("\n\n"));
}

#[test]
fn the_page_of_mistakes_shows_what_is_said() {
    let mut page = HEAD.to_owned();
    for mistake in mistakes() {
        let mut name = mistake.name.chars();
        let heading: String = name.next().unwrap().to_uppercase().chain(name).collect();
        let version = mistake.rego.map(|version| format!(", {}", version.as_str())).unwrap_or_default();
        let told = mistake.told().map(|told| told.to_string()).unwrap_or_default();
        write!(page, "\n## {heading}{version}\n\n```rego\n{}```\n\n```console\n{told}\n```\n", mistake.text).unwrap();
    }
    if std::env::var_os("CLAVIGER_WRITE_PAGES").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let shown = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(shown == page, "docs/policy-mistakes.md is not what the program says; see its head");
}
