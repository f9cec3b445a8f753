//! `claviger policy sample`: the requests that login policies wanted kept.

use serde_json::json;

use crate::cli::args::value::{joined, time_text};
use crate::cli::failure::Failure;
use crate::cli::open_store::OpenStore;
use crate::cli::output::Output;
use crate::model::{KeptSample, SampleId, SampledAnswer, SampledDecision, SampledVerdict, Via};

#[derive(Debug, clap::Args)]
pub(super) struct SampleCommand {
    #[command(subcommand)]
    verb: SampleVerb,
}

#[derive(Debug, clap::Subcommand)]
enum SampleVerb {
    /// Every sample that is kept, newest first
    List,
    /// One sample: the input that policies saw, what each said, what was decided
    Show {
        /// The sample's number
        #[arg(value_name = "ID")]
        id: SampleId,
    },
    /// Give up every sample
    Clear,
}

impl SampleCommand {
    pub(super) async fn run(&self, store: &OpenStore, out: &Output) -> Result<(), Failure> {
        match &self.verb {
            SampleVerb::List => list(&store.samples().await?, out),
            SampleVerb::Show { id } => show(&store.sample(*id).await?, out),
            SampleVerb::Clear => {
                let cleared = store.clear_samples().await?;
                out.line(
                    &format!("{cleared} {} gone", if cleared == 1 { "sample is" } else { "samples are" }),
                    &json!({ "cleared": cleared }),
                )
            }
        }
    }
}

fn list(kept: &[KeptSample], out: &Output) -> Result<(), Failure> {
    let row = |KeptSample { id, sample }: &KeptSample| {
        vec![
            id.to_string(),
            time_text(Some(sample.at)),
            sample.key.name.to_string(),
            sample.remote_ip().unwrap_or_default().to_owned(),
            answer_text(&sample.answer),
            joined(sample.wanted_by()),
        ]
    };
    out.list("samples", &["ID", "AT", "KEY", "FROM", "ANSWER", "WANTED BY"], kept.iter().map(row), &kept)
}

fn show(kept: &KeptSample, out: &Output) -> Result<(), Failure> {
    let KeptSample { id, sample } = kept;
    let head = [
        ("id", id.to_string()),
        ("at", time_text(Some(sample.at))),
        ("key", format!("{} ({})", sample.key.name, sample.key.id)),
        ("from", sample.remote_ip().unwrap_or_default().to_owned()),
        ("answer", answer_text(&sample.answer)),
        ("groups", joined(&sample.answer.groups)),
    ];
    let because = |via: &Via| match via {
        Via::Binding(id) => format!("binding {id}"),
        Via::Group(name) => format!("group {name}"),
        Via::Policy(name) => format!("policy {name}"),
    };
    let grants = sample.answer.grants.iter().map(|grant| format!("{}@{} ({})", grant.role, grant.space, because(&grant.via)));
    let verdicts = sample.answer.verdicts.iter().map(|verdict| format!("policy {}: {}", verdict.policy, said(verdict)));
    let input =
        serde_json::to_string_pretty(&sample.input).map_err(|error| Failure::refused(format_args!("cannot write JSON: {error}")))?;
    let input = input.lines().map(str::to_owned);
    let rows = head.into_iter().chain(labelled("roles", grants)).chain(labelled("said", verdicts)).chain(labelled("input", input));
    out.record(kept, rows)
}

/// The answer that was given.
pub(super) fn answer_text(answer: &SampledAnswer) -> String {
    let decision = match answer.decision {
        SampledDecision::Allow => "allow",
        SampledDecision::Refuse => "refuse",
    };
    format!("{decision} ({})", answer.code)
}

fn said(verdict: &SampledVerdict) -> String {
    let SampledVerdict { allow, deny, admin, deny_admin, sample, roles, teams, policy: _ } = verdict;
    let flags = [("allow", allow), ("deny", deny), ("admin", admin), ("deny_admin", deny_admin), ("sample", sample)];
    let flags = flags.into_iter().filter(|(_, holds)| **holds).map(|(name, _)| name.to_owned());
    let roles = roles.iter().map(|given| format!("{}@{}", given.role, given.space));
    let teams = (!teams.is_empty()).then(|| format!("teams {}", joined(teams)));
    let said = joined(flags.chain(roles).chain(teams));
    if said.is_empty() { "nothing".to_owned() } else { said }
}

/// Lines under one label.
fn labelled(label: &'static str, lines: impl Iterator<Item = String>) -> impl Iterator<Item = (&'static str, String)> {
    lines.enumerate().map(move |(number, line)| (if number == 0 { label } else { "" }, line))
}
