//! What is entered of a role, for a new one and for one that is there.

use crate::console::fields::{Faults, Fields};
use crate::model::ActionPattern;

/// Bounds, as the admin API has them: characters of a name and of a description, and how many actions.
pub(super) const NAME: usize = 256;
const DESCRIPTION: usize = 4096;
const ACTIONS: usize = 1000;

pub(super) const ACTIONS_HINT: &str =
    "One a line: resource:verb, such as run:trigger; resource:* for all of a resource, *:* for everything";

/// What stands in the fields of a role, but for its id.
pub(super) struct RoleFields {
    pub(super) name: String,
    pub(super) description: String,
    /// Sorted, each once.
    pub(super) actions: Vec<ActionPattern>,
}

impl RoleFields {
    /// What is wrong with it is noted.
    pub(super) fn read(fields: &Fields, faults: &mut Faults) -> Self {
        let mut actions = fields.parsed_lines::<ActionPattern>("actions", faults);
        if actions.len() > ACTIONS {
            faults.note("actions", format!("there are more than {ACTIONS} actions"));
        }
        actions.sort();
        actions.dedup();
        Self { name: fields.short("name", NAME, faults), description: fields.short("description", DESCRIPTION, faults), actions }
    }
}
