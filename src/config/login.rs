//! `[login]`: which sources of roles count at first, and what becomes of a key without any.

use super::parse::{one_of, truth};
use super::reader::Section;
use crate::model::{AdmitWithoutRoles, Strategy};

/// `[login]`
#[derive(Clone, Debug, PartialEq)]
pub struct LoginSettings {
    /// What a new store starts with. From then on the store's own counts.
    pub strategy: Strategy,
    /// What happens to a key that holds no role at all.
    pub admit_without_roles: AdmitWithoutRoles,
}

impl Default for LoginSettings {
    fn default() -> Self {
        Self { strategy: Strategy::Combined, admit_without_roles: AdmitWithoutRoles::No }
    }
}

impl LoginSettings {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let admits = section.live("admit_without_roles", default.admit_without_roles == AdmitWithoutRoles::Yes, truth);
        let strategies = Strategy::ALL.map(|strategy| (strategy.as_str(), strategy));
        Self {
            strategy: section.once("strategy", default.strategy, one_of(&strategies)),
            admit_without_roles: if admits { AdmitWithoutRoles::Yes } else { AdmitWithoutRoles::No },
        }
    }
}
