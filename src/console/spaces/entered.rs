//! What is entered of a space, for a new one and for one that is there.

use crate::console::fields::{Faults, Fields};

/// Bounds, as the admin API has them: characters of a name, of a description, of a label, and how many labels.
pub(super) const NAME: usize = 256;
const DESCRIPTION: usize = 4096;
const LABEL: usize = 256;
const LABELS: usize = 100;

/// What stands in the fields of a space, but for its id and where it stands.
pub(super) struct SpaceFields {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) labels: Vec<String>,
}

impl SpaceFields {
    /// What is wrong with it is noted.
    pub(super) fn read(fields: &Fields, faults: &mut Faults) -> Self {
        let labels: Vec<String> = fields.lines("labels").map(str::to_owned).collect();
        if labels.len() > LABELS {
            faults.note("labels", format!("there are more than {LABELS} labels"));
        }
        if labels.iter().any(|label| label.chars().count() > LABEL) {
            faults.note("labels", format!("a label is longer than {LABEL} characters"));
        }
        Self { name: fields.short("name", NAME, faults), description: fields.short("description", DESCRIPTION, faults), labels }
    }
}
