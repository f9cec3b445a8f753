//! Several changes at once: all of them or none.

use std::sync::Arc;

use super::batch::{Batch, Rehearsal};
use super::caller::{Asked, Caller};
use super::change::ATTEMPTS;
use super::error::ControlError;
use super::lockout::Lockout;
use super::manager::Control;
use super::rights::Operation;
use super::standing::Standing;
use crate::model::{Change, Mutation, Revision};
use crate::policy::PolicyFault;
use crate::store::{BatchError, Precondition, StoreError, Unmet};

/// Changes that were made.
#[derive(Debug)]
pub struct MadeAll {
    /// Each; none if an earlier request of the same name has made them.
    pub changes: Vec<Change>,
    /// The last of them; where there is none, what it was all weighed at.
    pub revision: Revision,
    /// What is odd about policies that are put in force.
    pub warnings: Vec<PolicyFault>,
}

/// Why none was made.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct RefusedBatch {
    /// Which of them it is about, counted from 0; `None`: what they all come to, or the store.
    pub index: Option<usize>,
    /// What is wrong with it.
    pub error: ControlError,
}

impl Control {
    /// Makes changes if the caller may make each of them at the very moment at which they are made. They are in force in this process when it
    /// returns.
    ///
    /// Rights are those from before the first: whoever takes their own away with one of them has them for all. A space that one of them makes
    /// is there for those behind it.
    ///
    /// # Errors
    /// Which of them is refused, and why; none has been made then.
    pub async fn change_all(&self, asked: &Asked, batch: Batch, rehearsal: Rehearsal) -> Result<MadeAll, RefusedBatch> {
        let attempts: Vec<_> = batch.mutations.iter().map(Self::attempt).collect();
        let done = self.weigh_and_make_all(asked, batch, rehearsal).await;
        if let (Err(refused), Caller::Key { .. }, Rehearsal::No) = (&done, &asked.caller, rehearsal)
            && let Some(attempt) = attempts.into_iter().nth(refused.index.unwrap_or(0))
        {
            self.note_refused(attempt, refused.error.code(), asked).await;
        }
        done
    }

    async fn weigh_and_make_all(&self, asked: &Asked, batch: Batch, rehearsal: Rehearsal) -> Result<MadeAll, RefusedBatch> {
        let cause = asked.cause();
        let Batch { mutations, declared, only_if } = batch;
        for _ in 0..ATTEMPTS {
            let members = self.members_weighed(&asked.caller, &mutations).await?;
            let _turn = self.turn.lock().await;
            let standing = self.standing(&asked.caller).await?;
            let revision = standing.snapshot().revision;
            if let Some(done) = self.replayed(&cause).await? {
                return Ok(MadeAll { changes: Vec::new(), revision: done.revision, warnings: Vec::new() });
            }
            if !declared.is_empty() {
                standing.check(Operation::Declare, &[]).map_err(ControlError::from)?;
            }
            let with_spaces = standing.with_spaces_of(&mutations);
            let mut warnings = Vec::new();
            for (index, mutation) in mutations.iter().enumerate() {
                let weighed = self.weighed(&asked.caller, mutation, &standing, &with_spaces).await;
                warnings.extend(weighed.map_err(|error| RefusedBatch { index: Some(index), error })?);
            }
            match self.locks_nobody_out(&mutations, &standing, members).await? {
                Lockout::Nobody => {}
                Lockout::Unknown => continue,
            }
            if let Some(Precondition::StoreAt(wanted)) = only_if
                && wanted != revision
            {
                return Err(StoreError::from(Unmet::StoreChanged { wanted, at: revision }).into());
            }
            if let Some(Precondition::ResourceAt(wanted)) = only_if {
                for (index, mutation) in mutations.iter().enumerate() {
                    let at = self.is_at(&mutation.resource(), wanted).await;
                    at.map_err(|error| RefusedBatch { index: Some(index), error: error.into() })?;
                }
            }
            let unchanged = Some(Precondition::StoreAt(revision));
            let made = match rehearsal {
                Rehearsal::Only => self.store.rehearse(mutations.clone(), unchanged).await.map(|()| Vec::new()),
                Rehearsal::No => self.store.apply_declared(mutations.clone(), &declared, &cause, unchanged).await,
            };
            match made {
                // By another process: whatever was weighed may be otherwise now.
                Err(BatchError { error: StoreError::Precondition(Unmet::StoreChanged { .. }), .. }) => {}
                Err(BatchError { index, error }) => return Err(RefusedBatch { index, error: error.into() }),
                Ok(changes) => {
                    // With the last everything before it.
                    if let Some(last) = changes.last() {
                        self.put_in_force(last).await;
                    }
                    let revision = changes.last().map_or(revision, |last| last.revision);
                    return Ok(MadeAll { changes, revision, warnings });
                }
            }
        }
        Err(ControlError::Busy.into())
    }

    /// What is odd about a change that the caller may make.
    async fn weighed(
        &self,
        caller: &Caller,
        mutation: &Mutation,
        standing: &Standing,
        with_spaces: &Standing,
    ) -> Result<Vec<PolicyFault>, ControlError> {
        let (operation, spaces) = self.needed(caller, mutation, with_spaces).await?;
        with_spaces.check(operation, &spaces)?;
        self.reviewed(mutation, standing.snapshot()).await
    }
}

impl Standing {
    /// The same, with the spaces that are made by these. One whose place makes no sense is left out: the store refuses it.
    fn with_spaces_of(&self, mutations: &[Mutation]) -> Self {
        let made = |mutation: &Mutation| if let Mutation::CreateSpace(space) = mutation { Some(space.clone()) } else { None };
        let mut made = mutations.iter().filter_map(made).peekable();
        if made.peek().is_none() {
            return self.clone();
        }
        let mut snapshot = self.snapshot().as_ref().clone();
        made.for_each(|space| _ = snapshot.spaces.add(space));
        self.on(Arc::new(snapshot))
    }
}

impl From<ControlError> for RefusedBatch {
    fn from(error: ControlError) -> Self {
        Self { index: None, error }
    }
}

impl From<StoreError> for RefusedBatch {
    fn from(error: StoreError) -> Self {
        ControlError::from(error).into()
    }
}
