//! `claviger policy eval`: what policies say of inputs as they are written down. Needs no store.
//!
//! Nothing is filled in, unlike in a simulation: a field that an input lacks is not there for the policy either.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::RegoArg;
use super::view::PolicyAnswer;
use crate::cli::args::input_file;
use crate::cli::failure::Failure;
use crate::cli::open_store::StoreArgs;
use crate::cli::output::{self, Format, Output};
use crate::model::{PolicyName, Verdict};
use crate::policy::{PolicyError, PolicyFault, PolicySource, Trace, Trial};

#[derive(Debug, clap::Args)]
pub(crate) struct Eval {
    /// Files with a Rego module each, `-` for stdin; every policy is asked by itself
    #[arg(long = "file", value_name = "FILE", required = true, num_args = 1..)]
    files: Vec<PathBuf>,
    /// A file with `input` documents, one after the other as JSON, `-` for stdin
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Which Rego the policies are written in: v0, v1, or auto (v1 is tried first)
    #[arg(long, value_name = "VERSION", default_value = "auto")]
    rego: RegoArg,
}

/// What one policy says of one input, as JSON.
#[derive(Serialize)]
struct EvalLine<'a> {
    policy: &'a PolicyName,
    /// Which one in the file, the first is 1.
    input: usize,
    #[serde(flatten)]
    said: EvalResult<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum EvalResult<'a> {
    Verdict(RuleValues<'a>),
    Error(String),
}

/// The rules that count.
#[expect(clippy::struct_excessive_bools, reason = "one for each rule that is true or false")]
#[derive(Serialize)]
struct RuleValues<'a> {
    allow: bool,
    deny: bool,
    admin: bool,
    deny_admin: bool,
    sample: bool,
    roles: Vec<GrantedRole<'a>>,
    teams: Vec<&'a str>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct GrantedRole<'a> {
    space: &'a str,
    role: &'a str,
}

/// A policy that says nothing, as JSON.
#[derive(Serialize)]
struct FaultyModule<'a> {
    policy: &'a PolicyName,
    faults: &'a [PolicyFault],
}

impl Eval {
    pub(crate) fn run(self, place: &StoreArgs, out: &Output) -> Result<(), Failure> {
        let settings = place.settings(out)?.policies;
        let sources = self.files.iter().map(|file| self.source(file)).collect::<Result<Vec<_>, _>>()?;
        let inputs = inputs(&self.input)?;
        let (mut rows, mut refused) = (Vec::new(), 0);
        for source in &sources {
            match Trial::load(source, &settings) {
                Ok(trial) => show(&trial, &inputs, &mut rows, out)?,
                Err(faults) => {
                    refused += 1;
                    match out.format() {
                        Format::Json => out.json_line(&FaultyModule { policy: &source.name, faults: &faults })?,
                        Format::Table => output::show_policies(&faults),
                    }
                }
            }
        }
        if out.format() == Format::Table && !rows.is_empty() {
            out.list("inputs", &["POLICY", "INPUT", "SAYS"], rows, &())?;
        }
        match refused {
            0 => Ok(()),
            1 => Err(Failure::refused("a policy has a fault")),
            many => Err(Failure::refused(format_args!("{many} policies have faults"))),
        }
    }

    fn source(&self, file: &Path) -> Result<PolicySource, Failure> {
        let name = super::named_as(file)?;
        Ok(PolicySource { name, file: Some(file.to_owned()), text: input_file::text(file)?.into(), rego: self.rego.version() })
    }
}

/// Reads the documents of a file. Each may stand on a line of its own or on many.
fn inputs(file: &Path) -> Result<Vec<Value>, Failure> {
    let text = input_file::text(file)?;
    let inputs: Vec<Value> = serde_json::Deserializer::from_str(&text)
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|error| Failure::usage(format_args!("{}: it is not JSON: {error}", file.display())))?;
    if inputs.is_empty() {
        return Err(Failure::usage(format_args!("{}: there is no input in it", file.display())));
    }
    Ok(inputs)
}

/// As JSON each answer at once; else as rows of a table, which needs all to know how wide it is.
fn show(trial: &Trial, inputs: &[Value], rows: &mut Vec<Vec<String>>, out: &Output) -> Result<(), Failure> {
    for (index, verdict) in trial.ask(inputs).into_iter().enumerate() {
        let input = index + 1;
        match out.format() {
            Format::Json => out.json_line(&EvalLine { policy: &trial.name, input, said: EvalResult::of(&verdict) })?,
            Format::Table => {
                let answer = PolicyAnswer::of(&Trace { verdict, steps: Vec::new(), unheld: Vec::new() });
                rows.push(vec![trial.name.to_string(), input.to_string(), answer.lines().join(", ")]);
            }
        }
    }
    Ok(())
}

impl<'a> EvalResult<'a> {
    fn of(verdict: &'a Result<Verdict, PolicyError>) -> Self {
        match verdict {
            Ok(verdict) => Self::Verdict(RuleValues::of(verdict)),
            Err(error) => Self::Error(error.to_string()),
        }
    }
}

impl<'a> RuleValues<'a> {
    fn of(verdict: &'a Verdict) -> Self {
        let Verdict { allow, deny, admin, deny_admin, sample, roles, space_roles, teams } = verdict;
        let older = space_roles.iter().map(|(space, claim)| GrantedRole { space, role: claim.role().slug() });
        let mut roles: Vec<GrantedRole<'_>> = roles.iter().map(|(space, role)| GrantedRole { space, role }).chain(older).collect();
        roles.sort_unstable();
        roles.dedup();
        let teams = teams.iter().map(String::as_str).collect();
        Self { allow: *allow, deny: *deny, admin: *admin, deny_admin: *deny_admin, sample: *sample, roles, teams }
    }
}
