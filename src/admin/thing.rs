//! Things by what they are called.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::model::{Invalid, Resource, ResourceKind};

/// Something that there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Thing {
    /// `key`, `space`, `role`, `group`, `binding`, `policy` or `strategy`.
    #[schema(pattern = "^(key|space|role|group|binding|policy|strategy)$")]
    kind: String,
    /// Its id; of a group or a policy its name.
    id: String,
}

impl Thing {
    pub(super) fn of(resource: &Resource) -> Self {
        Self { kind: resource.kind().to_string(), id: resource.id() }
    }

    /// `None`: there is no such kind of thing.
    pub(super) fn resource(&self) -> Option<Result<Resource, Invalid>> {
        let kind = ResourceKind::ALL.into_iter().find(|known| known.to_string() == self.kind)?;
        Some(Resource::called(kind, &self.id))
    }
}
