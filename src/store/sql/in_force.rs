//! What is in force, of the rows of several answers as they come.

use super::backend::Row;
use super::decode::{FromRow, State};
use super::statement::Text;
use super::text;
use crate::model::{Binding, Group, LoginPolicy, Role, Space};
use crate::store::error::StoreError;
use crate::store::stored::nonsense;

/// What is in force, before it is put together.
#[derive(Default)]
pub(super) struct InForce {
    pub(super) state: Option<State>,
    pub(super) spaces: Vec<Space>,
    pub(super) roles: Vec<Role>,
    pub(super) groups: Vec<Group>,
    /// Those of groups.
    pub(super) bindings: Vec<Binding>,
    pub(super) policies: Vec<LoginPolicy>,
}

/// A question, and what becomes of a row that answers it.
type Part = (Text, fn(&mut InForce, &dyn Row) -> Result<(), StoreError>);

impl InForce {
    const PARTS: [Part; 6] = [
        (text::STATE, |all, row| State::from_row(row).map(|state| all.state = Some(state))),
        (text::SPACES, |all, row| Space::from_row(row).map(|space| all.spaces.push(space))),
        (text::ROLES, |all, row| Role::from_row(row).map(|role| all.roles.push(role))),
        (text::GROUPS, |all, row| Group::from_row(row).map(|group| all.groups.push(group))),
        (text::GROUP_BINDINGS, |all, row| Binding::from_row(row).map(|binding| all.bindings.push(binding))),
        (text::POLICIES, |all, row| LoginPolicy::from_row(row).map(|policy| all.policies.push(policy))),
    ];

    pub(super) fn questions() -> [Text; 6] {
        Self::PARTS.map(|(question, _)| question)
    }

    /// Takes a row of the answer to the question of this number.
    pub(super) fn take(&mut self, question: usize, row: &dyn Row) -> Result<(), StoreError> {
        let (_, take) = Self::PARTS.get(question).ok_or_else(|| nonsense("an answer", "nobody asked for it"))?;
        take(self, row)
    }
}
