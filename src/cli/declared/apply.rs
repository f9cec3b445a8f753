//! `claviger apply`: brings a store to what files say, all of it or nothing.

use std::path::PathBuf;

use serde::Serialize;

use super::files;
use crate::cli::failure::Failure;
use crate::cli::impact::{self, Impact, Proposal};
use crate::cli::open_store::OpenStore;
use crate::cli::output::{self, Format, Output};
use crate::cli::place::Place;
use crate::config::PolicySettings;
use crate::control::declared::{self, DeclaredFile, NewIds, NoPlan, NotCarriedOut, Plan, Reading, Step, Undeclared, schema};
use crate::diagnostics::Diagnostic;
use crate::model::{Change, Revision};

/// How often a plan is made anew because the store has changed meanwhile.
const ATTEMPTS: usize = 8;

/// How much of what stays undeclared is named.
const UNDECLARED_NAMED: usize = 10;

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Apply {
    #[command(flatten)]
    place: Place,
    /// A file that says who has access, YAML or JSON, as `export` writes it; a directory with such files; or `-` for stdin. As often as needed
    #[arg(long = "file", short, value_name = "FILE|DIR", required_unless_present = "schema")]
    files: Vec<PathBuf>,
    /// Tell what would change, ask the store whether it would, and change nothing; ends with 2 if something would
    #[arg(long)]
    dry_run: bool,
    /// Also take away what earlier files declared and these do not: keys are revoked, the rest is deleted
    #[arg(long)]
    prune: bool,
    /// Do not ask before something is taken away or keys are cut off (nobody is asked who does not sit at a terminal)
    #[arg(long, short)]
    yes: bool,
    /// Print the JSON schema of such files, for editors, and do nothing else
    #[arg(long, exclusive = true)]
    schema: bool,
}

/// What was or would be changed, as JSON.
#[derive(Serialize)]
struct Applied<'a> {
    dry_run: bool,
    changes: &'a [Step],
    undeclared: &'a [String],
    warnings: &'a [Diagnostic],
    /// Stands there only if some key is touched.
    #[serde(skip_serializing_if = "Option::is_none")]
    impact: Option<&'a Impact>,
    /// The last change that was made; if none was, the one that the plan was made for.
    revision: Revision,
}

/// A plan that has been told.
struct Told {
    plan: String,
    impact: Option<Impact>,
    /// Somebody was asked, and agreed.
    agreed: bool,
}

impl Apply {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        if self.schema {
            return out.raw(format!("{:#}\n", schema()).as_bytes());
        }
        let (files, unreadable) = files::read(&self.files)?;
        let store = if self.dry_run { self.place.look(out).await? } else { self.place.open(out).await? };
        let policies = store.settings(out).await?.policies;
        let mut last: Option<Told> = None;
        for _ in 0..ATTEMPTS {
            let plan = self.plan(&files, &unreadable, &policies, &store, out).await?;
            // The same plan for a store that has gone on has been told.
            let told = match last.take() {
                Some(told) if told.plan == plan.to_string() => told,
                Some(_) | None => self.tell(&plan, &store, out).await?,
            };
            if self.dry_run {
                return self.would(&plan, &told, &store, out).await;
            }
            match plan.carried_out(store.make_batch(plan.batch()).await) {
                Ok(changes) => {
                    if let Some(last) = changes.last() {
                        store.wait_for(last.revision).await;
                    }
                    return self.done(&plan, &changes, &told, out);
                }
                // Somebody else was faster; what is to be done may be something else now.
                Err(NotCarriedOut::Outdated) => last = Some(told),
                Err(refused @ NotCarriedOut::Refused { .. }) => return Err(nothing_changed(&refused)),
            }
        }
        Err(Failure::refused("nothing was changed: the store changes faster than a plan is made"))
    }

    async fn plan(
        &self,
        files: &[DeclaredFile],
        unreadable: &[Diagnostic],
        policies: &PolicySettings,
        store: &OpenStore,
        out: &Output,
    ) -> Result<Plan, Failure> {
        let reading = Reading {
            beside: &declared::beside,
            policies,
            undeclared: if self.prune { Undeclared::Prune } else { Undeclared::Keep },
            ids: new_ids(store)?,
        };
        let faults = match Plan::make(files, &reading, store.as_management()).await {
            Ok(plan) if unreadable.is_empty() => return Ok(plan),
            Ok(_) => Vec::new(),
            Err(NoPlan::Faults(faults)) => faults,
            Err(nothing @ NoPlan::NothingDeclared(_)) => return Err(Failure::refused(format_args!("nothing was changed: {nothing}"))),
            Err(NoPlan::Store(error)) => return Err(error.into()),
        };
        let faults: Vec<Diagnostic> = unreadable.iter().cloned().chain(faults).collect();
        match out.format() {
            Format::Table => output::show(&faults),
            Format::Json => out.faults(&faults)?,
        }
        Err(Failure::refused(NoPlan::Faults(faults)))
    }

    /// Tells who would feel it, and asks whoever sits at a terminal before something is taken away or somebody is cut off.
    async fn tell(&self, plan: &Plan, store: &OpenStore, out: &Output) -> Result<Told, Failure> {
        let outcome = if plan.changes_nothing() { None } else { plan.outcome(&store.snapshot().await?, store.now()) };
        let impact = match outcome {
            Some(outcome) => impact::foresee(&Proposal::of_plan(outcome), store, out).await?,
            None => None,
        };
        let mut told = Told { plan: plan.to_string(), impact, agreed: false };
        let (deletions, cuts_off) = (plan.deletions(), told.impact.as_ref().is_some_and(Impact::cuts_off));
        if (deletions > 0 || cuts_off) && !self.dry_run && !self.yes && output::can_ask() {
            out.note(&told.plan);
            output::agree(&match deletions {
                0 => "do this, and cut them off?".to_owned(),
                some => format!("do this, and take away what is marked with - ({some})?"),
            })?;
            told.agreed = true;
        }
        Ok(told)
    }

    /// What would be done, if the store would have it done.
    async fn would(&self, plan: &Plan, told: &Told, store: &OpenStore, out: &Output) -> Result<(), Failure> {
        let rehearsed = if plan.changes_nothing() { Ok(()) } else { plan.carried_out(store.rehearse(plan.batch()).await) };
        self.show(plan, told, plan.revision, &told.plan, out)?;
        match rehearsed {
            Err(refused @ NotCarriedOut::Refused { .. }) => Err(nothing_changed(&refused)),
            // What has come between is told by the next run.
            Ok(()) | Err(NotCarriedOut::Outdated) if plan.changes_nothing() => Ok(()),
            Ok(()) | Err(NotCarriedOut::Outdated) => Err(Failure::Differs(plan.steps.len())),
        }
    }

    fn done(&self, plan: &Plan, changes: &[Change], told: &Told, out: &Output) -> Result<(), Failure> {
        let revision = changes.last().map_or(plan.revision, |change| change.revision);
        let text = if told.agreed { format!("done, as revision {revision}") } else { told.plan.clone() };
        self.show(plan, told, revision, &text, out)
    }

    fn show(&self, plan: &Plan, told: &Told, revision: Revision, text: &str, out: &Output) -> Result<(), Failure> {
        if out.format() == Format::Table {
            output::show(&plan.warnings);
            if !plan.undeclared.is_empty() {
                let (count, most) = (plan.undeclared.len(), plan.undeclared.get(..UNDECLARED_NAMED).unwrap_or(&plan.undeclared));
                let more = if most.len() < count { ", …" } else { "" };
                out.note(format_args!(
                    "what earlier files declared and these do not stays ({count}: {}{more}); --prune takes it away",
                    most.join(", ")
                ));
            }
        }
        let Plan { steps, undeclared, warnings, .. } = plan;
        let impact = told.impact.as_ref();
        let applied = Applied { dry_run: self.dry_run, changes: steps, undeclared, warnings, impact, revision };
        match out.format() {
            Format::Json => out.line("", &applied),
            Format::Table => out.text(text),
        }
    }
}

fn nothing_changed(refused: &NotCarriedOut) -> Failure {
    Failure::refused(format_args!("nothing was changed: {refused}"))
}

fn new_ids(store: &OpenStore) -> Result<NewIds, Failure> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Failure::refused(format_args!("the system provides no randomness: {error}")))?;
    Ok(NewIds { unix_ms: u64::try_from(store.now().as_millisecond()).unwrap_or(0), first: u128::from_ne_bytes(bytes) })
}
