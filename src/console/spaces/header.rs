//! One space, as all its pages begin.

use std::sync::Arc;

use maud::{Markup, html};

use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::version::versioned;
use crate::console::visit::Seen;
use crate::control::Operation;
use crate::model::{Resource, Revision, Snapshot, Space, SpaceId};

/// A space, the last change of it, and what was there then.
pub(super) struct ShownSpace {
    pub(super) space: Space,
    pub(super) at: Revision,
    pub(super) snapshot: Arc<Snapshot>,
}

impl ShownSpace {
    /// Reads it, if whoever looks may see spaces.
    pub(super) async fn read(visit: &Seen, id: &SpaceId) -> Result<Self, Refusal> {
        visit.needs(Operation::ViewSpaces)?;
        let resource = Resource::Space(id.clone());
        let (at, snapshot) = versioned(visit, &resource).await?;
        let space = snapshot.spaces.find(id).cloned().ok_or_else(|| Refusal::not_found(format!("there is no {resource}")))?;
        Ok(Self { space, at, snapshot })
    }

    /// Its own page.
    pub(super) fn page(&self) -> String {
        parts::space_page(&self.space.id)
    }

    /// What its other pages begin with.
    pub(super) fn path(&self) -> String {
        format!("/spaces/{}", self.space.id)
    }

    /// From `root` down to it.
    pub(super) fn way(&self) -> Markup {
        let mut above: Vec<&Space> = self.snapshot.spaces.path_to_root(&self.space.id).skip(1).collect();
        above.reverse();
        html! {
            nav aria-label="Path" {
                a href="/spaces" { "Spaces" }
                @for space in above { " / " (parts::space(&space.id)) }
                " / " code aria-current="page" { (self.space.id) }
            }
        }
    }
}
