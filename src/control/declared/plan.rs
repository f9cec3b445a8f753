//! From what files say to the changes that bring a store there.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::current::Current;
use super::document::Document;
use super::files::{DeclaredFile, Faults};
use super::outcome::Outcome;
use super::planner::{NewIds, Planner};
use super::policies::ReadBeside;
use super::step::{Deed, FieldChange, Step};
use super::text::PlacedText;
use super::{bindings, keys, policies, prune, roles, spaces};
use crate::config::PolicySettings;
use crate::control::batch::Batch;
use crate::diagnostics::{Diagnostic, Place};
use crate::model::{Mutation, Resource, ResourceKind, Revision, Snapshot, Strategy};
use crate::store::{BatchError, Conflict, Management, Precondition, StoreError, check_texts};

/// What becomes of what earlier files declared and these do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undeclared {
    /// It stays, and is told.
    Keep,
    /// It is taken away.
    Prune,
}

/// What files are read with.
pub struct Reading<'a> {
    /// What stands beside them.
    pub beside: &'a ReadBeside<'a>,
    /// What policies are checked with.
    pub policies: &'a PolicySettings,
    /// What becomes of what is not declared any more.
    pub undeclared: Undeclared,
    /// Ids for what is new.
    pub ids: NewIds,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum NoPlan {
    /// Everything that is wrong with the files.
    #[error("{}", counted(.0.len()))]
    Faults(Vec<Diagnostic>),
    /// The files say nothing, and everything that is managed would go: an empty pipe is no wish to have nothing.
    #[error("the files declare nothing, and all of it would be taken away ({0}); to have that, declare the strategy alone")]
    NothingDeclared(usize),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn counted(faults: usize) -> String {
    if faults == 1 {
        "there is a fault, and nothing was changed".to_owned()
    } else {
        format!("there are {faults} faults, and nothing was changed")
    }
}

/// Why a plan was not carried out; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum NotCarriedOut {
    /// The store is not as it was when the plan was made; the next plan may be another one.
    #[error("the store has been changed meanwhile")]
    Outdated,
    /// A rule of the store that only the whole can break.
    #[error("{}", refused(.step.as_deref(), .error))]
    Refused {
        /// What was refused; `None`: what all of it comes to.
        step: Option<Box<Step>>,
        /// Why.
        error: StoreError,
    },
}

fn refused(step: Option<&Step>, error: &StoreError) -> String {
    match step {
        Some(Step { kind, name, .. }) => format!("{kind} {name}: {error}"),
        None => error.to_string(),
    }
}

/// The changes that bring a store to what files say. None at all is a plan, too.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// In the order in which they are made.
    #[serde(rename = "changes")]
    pub steps: Vec<Step>,
    /// What earlier files declared and these do not, as far as it stays: `role deployer`.
    pub undeclared: Vec<String>,
    /// What is odd about policies that are declared.
    pub warnings: Vec<Diagnostic>,
    /// What is to be managed from now on.
    #[serde(skip)]
    claimed: Vec<Resource>,
    /// What the store was when the plan was made.
    pub revision: Revision,
}

impl Plan {
    /// Reads all files, and what the store holds of what they speak of. Policies that are declared are compiled before it returns, which
    /// may take seconds and gives way to nobody.
    ///
    /// # Errors
    /// Everything that is wrong with the files, in their order; or the store cannot be used.
    pub async fn make(files: &[DeclaredFile], reading: &Reading<'_>, store: &dyn Management) -> Result<Self, NoPlan> {
        let mut faults = Faults::of(files);
        let document = documented(files, &mut faults);
        let current = Current::read(&document, store).await?;
        let plan = planned(&document, &current, reading, &mut faults);
        if !faults.is_empty() {
            return Err(NoPlan::Faults(faults.end()));
        }
        if document.is_empty() && !plan.changes_nothing() {
            return Err(NoPlan::NothingDeclared(plan.steps.len()));
        }
        Ok(plan)
    }

    /// What files come to where there is nothing else yet.
    pub(super) fn from_nothing(files: &[DeclaredFile], reading: &Reading<'_>, strategy: Strategy) -> Result<Self, Vec<Diagnostic>> {
        let mut faults = Faults::of(files);
        let document = documented(files, &mut faults);
        let plan = planned(&document, &Current::nothing(strategy), reading, &mut faults);
        match files.first() {
            _ if !faults.is_empty() => Err(faults.end()),
            Some(first) if document.is_empty() => {
                let why = "nothing is declared: nobody would be let in; to have that, declare the strategy alone";
                Err(vec![Diagnostic::error(Place::whole(&first.name), why)])
            }
            Some(_) | None => Ok(plan),
        }
    }

    /// Everything that is done, in order.
    pub(super) fn mutations(&self) -> impl Iterator<Item = &Mutation> {
        self.steps.iter().flat_map(|step| &step.mutations)
    }

    /// Whether carrying it out would change anything that anybody feels.
    #[must_use]
    pub fn changes_nothing(&self) -> bool {
        self.steps.is_empty()
    }

    /// How much of it takes something away.
    #[must_use]
    pub fn deletions(&self) -> usize {
        self.steps.iter().filter(|step| step.deed == Deed::Delete).count()
    }

    /// All changes, to be made if the store is still as it was when the plan was made.
    #[must_use]
    pub fn batch(&self) -> Batch {
        let mutations = self.steps.iter().flat_map(|step| step.mutations.iter().cloned()).collect();
        Batch { mutations, declared: self.claimed.clone(), only_if: Some(Precondition::StoreAt(self.revision)) }
    }

    /// What came of having [them](Self::batch) made, in the words of the plan.
    ///
    /// # Errors
    /// Nothing has been changed then.
    pub fn carried_out<T>(&self, made: Result<T, BatchError>) -> Result<T, NotCarriedOut> {
        made.map_err(|refused| self.not_carried_out(refused))
    }

    /// What it would leave of a store that holds this; `None`: what the store is going to refuse.
    #[must_use]
    pub fn outcome(&self, before: &Snapshot, at: Timestamp) -> Option<Outcome> {
        Outcome::of(self.steps.iter().flat_map(|step| &step.mutations), before, at)
    }

    fn not_carried_out(&self, BatchError { index, error }: BatchError) -> NotCarriedOut {
        if matches!(error, StoreError::Precondition(_)) {
            return NotCarriedOut::Outdated;
        }
        let steps = self.steps.iter().flat_map(|step| step.mutations.iter().map(move |_| step));
        let step = index.and_then(|index| steps.into_iter().nth(index)).cloned().map(Box::new);
        NotCarriedOut::Refused { step, error }
    }
}

fn documented(files: &[DeclaredFile], faults: &mut Faults<'_>) -> Document {
    let mut document = Document::default();
    for (number, file) in files.iter().enumerate() {
        document.take_in(&file.text, number, faults);
    }
    document
}

fn planned(document: &Document, current: &Current, reading: &Reading<'_>, faults: &mut Faults<'_>) -> Plan {
    let mut planner = Planner { current, faults, ids: reading.ids, steps: Vec::new(), declared: BTreeSet::new() };
    let spaces = spaces::plan(&mut planner, &document.spaces);
    let roles = roles::plan(&mut planner, &document.roles);
    roles::groups(&mut planner, &document.groups);
    let keys = keys::plan(&mut planner, &document.keys);
    bindings::plan(&mut planner, &document.bindings, &spaces, &roles, &keys);
    let of_files = policies::plan(&mut planner, &document.policies, reading.beside);
    strategy(&mut planner, &document.strategies);

    let undeclared = prune::undeclared(&planner);
    let (left, gone) = match reading.undeclared {
        Undeclared::Prune => {
            prune::plan(&mut planner, &undeclared);
            (Vec::new(), prune::policies(&undeclared))
        }
        Undeclared::Keep => {
            let called = undeclared.iter().map(|resource| prune::called(&planner, resource));
            (called.map(|(kind, name)| format!("{kind} {name}")).collect(), Vec::new())
        }
    };
    texts(&mut planner);
    let vocabulary = policies::vocabulary(&current.snapshot, current.key_names.clone(), document);
    let warnings = policies::review(&mut planner, &of_files, &gone, reading.policies, &vocabulary);
    let claimed = planner.declared.difference(&current.managed).cloned().collect();
    Plan { steps: planner.steps, undeclared: left, warnings, claimed, revision: current.snapshot.revision }
}

/// Said in several files, it must be one and the same.
fn strategy(planner: &mut Planner<'_, '_>, said: &[PlacedText]) {
    let mut first: Option<(&PlacedText, Strategy)> = None;
    for text in said {
        let Some(strategy): Option<Strategy> = planner.word(text) else { continue };
        match first {
            None => first = Some((text, strategy)),
            Some((_, same)) if same == strategy => {}
            Some((before, other)) => {
                let place = planner.faults.named(&before.at);
                planner.faults.add(&text.at, format!("there is one strategy: {place} says {other}"));
            }
        }
    }
    if let Some((text, strategy)) = first {
        let fields = vec![FieldChange::between("strategy", planner.current.snapshot.strategy.as_str(), strategy.as_str())];
        planner.update(text.at, (ResourceKind::Strategy, String::new()), fields, || vec![Mutation::SetStrategy(strategy)]);
    }
}

/// What no store takes, whatever it holds.
fn texts(planner: &mut Planner<'_, '_>) {
    let refused: Vec<_> = planner
        .steps
        .iter()
        .filter_map(|step| Some((step.at?, step.mutations.iter().find_map(|mutation| check_texts(mutation).err())?)))
        .collect();
    for (at, conflict) in refused {
        planner.faults.add(&at, Conflict::to_string(&conflict));
    }
}

/// `+`, `~`, `-`: what is made, changed, taken away.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            writeln!(f, "{step}")?;
        }
        let of = |deed: Deed| self.steps.iter().filter(|step| step.deed == deed).count();
        match self.steps.len() {
            0 => f.write_str("nothing to change"),
            _ => write!(f, "{} to create, {} to update, {} to delete", of(Deed::Create), of(Deed::Update), of(Deed::Delete)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_send<T: Send>(_: T) {}

    #[test]
    fn a_plan_can_be_made_by_whoever_serves_requests() {
        let _ = |files: &[DeclaredFile], reading: &Reading<'_>, store: &dyn Management| is_send(Plan::make(files, reading, store));
    }
}
