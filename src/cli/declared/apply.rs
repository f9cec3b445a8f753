//! `claviger apply`: brings a store to what files say, all of it or nothing.

use std::path::PathBuf;

use serde::Serialize;

use super::files;
use crate::cli::args::{config, input_file};
use crate::cli::failure::Failure;
use crate::cli::open_store::{OpenStore, StoreArgs};
use crate::cli::output::{self, Format, Output};
use crate::config::PolicySettings;
use crate::control::declared::{DeclaredFile, NewIds, NoPlan, NotCarriedOut, Plan, Reading, Step, Undeclared, schema};
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
    place: StoreArgs,
    /// A file that says who has access, YAML or JSON, as `export` writes it; a directory with such files; or `-` for stdin. As often as needed
    #[arg(long = "file", short, value_name = "FILE|DIR", required_unless_present = "schema")]
    files: Vec<PathBuf>,
    /// Tell what would change, ask the store whether it would, and change nothing; ends with 2 if something would
    #[arg(long)]
    dry_run: bool,
    /// Also take away what earlier files declared and these do not: keys are revoked, the rest is deleted
    #[arg(long)]
    prune: bool,
    /// Do not ask before something is taken away (nobody is asked who does not sit at a terminal)
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
    /// The last change that was made; if none was, the one that the plan was made for.
    revision: Revision,
}

impl Apply {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        if self.schema {
            return out.raw(format!("{:#}\n", schema()).as_bytes());
        }
        let (files, unreadable) = files::read(&self.files)?;
        let store = if self.dry_run { self.place.look(out).await? } else { self.place.open(out).await? };
        let policies = store.settings(out)?.policies;
        let mut agreed_to = None;
        for _ in 0..ATTEMPTS {
            let plan = self.plan(&files, &unreadable, &policies, &store, out).await?;
            if self.dry_run {
                return self.tell(&plan, &store, out).await;
            }
            self.agree(&plan, &mut agreed_to, out)?;
            match plan.carry_out(&OpenStore::cause()?, store.as_store()).await {
                Ok(changes) => return self.done(&plan, &changes, agreed_to.is_some(), out),
                // Somebody else was faster; what is to be done may be something else now.
                Err(NotCarriedOut::Outdated) => {}
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
            beside: &|path| input_file::text(path).map_err(|why| why.to_string()),
            policies,
            undeclared: if self.prune { Undeclared::Prune } else { Undeclared::Keep },
            ids: new_ids(store)?,
        };
        let faults = match Plan::make(files, &reading, store.as_store()).await {
            Ok(plan) if unreadable.is_empty() => return Ok(plan),
            Ok(_) => Vec::new(),
            Err(NoPlan::Faults(faults)) => faults,
            Err(NoPlan::Store(error)) => return Err(error.into()),
        };
        let faults: Vec<Diagnostic> = unreadable.iter().cloned().chain(faults).collect();
        match out.format() {
            Format::Table => config::show(&faults),
            Format::Json => out.faults(&faults)?,
        }
        Err(Failure::refused(NoPlan::Faults(faults)))
    }

    /// Asks whoever sits at a terminal before something is taken away, once for each plan.
    fn agree(&self, plan: &Plan, agreed_to: &mut Option<String>, out: &Output) -> Result<(), Failure> {
        let deletions = plan.deletions();
        if deletions == 0 || self.yes || !output::can_ask() {
            return Ok(());
        }
        let told = plan.to_string();
        if agreed_to.as_ref() != Some(&told) {
            out.note(&told);
            output::agree(&format!("do this, and take away what is marked with - ({deletions})?"))?;
            *agreed_to = Some(told);
        }
        Ok(())
    }

    /// What would be done, if the store would have it done.
    async fn tell(&self, plan: &Plan, store: &OpenStore, out: &Output) -> Result<(), Failure> {
        match plan.rehearse(store.as_store()).await {
            // What has come between is told by the next run.
            Ok(()) | Err(NotCarriedOut::Outdated) => {}
            Err(refused @ NotCarriedOut::Refused { .. }) => {
                self.show(plan, plan.revision, &plan.to_string(), out)?;
                return Err(nothing_changed(&refused));
            }
        }
        self.show(plan, plan.revision, &plan.to_string(), out)?;
        if plan.changes_nothing() { Ok(()) } else { Err(Failure::Differs(plan.steps.len())) }
    }

    fn done(&self, plan: &Plan, changes: &[Change], is_told: bool, out: &Output) -> Result<(), Failure> {
        let revision = changes.last().map_or(plan.revision, |change| change.revision);
        let told = if is_told { format!("done, as revision {revision}") } else { plan.to_string() };
        self.show(plan, revision, &told, out)
    }

    fn show(&self, plan: &Plan, revision: Revision, told: &str, out: &Output) -> Result<(), Failure> {
        if out.format() == Format::Table {
            config::show(&plan.warnings);
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
        let applied = Applied { dry_run: self.dry_run, changes: steps, undeclared, warnings, revision };
        match out.format() {
            Format::Json => out.line("", &applied),
            Format::Table => out.text(told),
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
