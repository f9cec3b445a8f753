//! What is declared in files, so that it can be taken away when no file declares it any more.
//!
//! That something is managed gives nobody anything and takes nothing from anybody: it is no change. But it is forgotten with the thing: what
//! somebody makes later under the same name is theirs.

use super::rows::Rows;
use crate::model::{Resource, Subject};
use crate::store::error::StoreError;

/// Notes that these are declared, but for what is not there, what belongs to the system, and the key that the store began with: none of
/// them is ever taken away because a line is missing in a file.
pub(super) async fn claim(rows: &mut dyn Rows, declared: &[Resource]) -> Result<(), StoreError> {
    for resource in declared {
        if may_be_managed(rows, resource).await? {
            rows.insert_managed(resource).await?;
        }
    }
    Ok(())
}

async fn may_be_managed(rows: &mut dyn Rows, resource: &Resource) -> Result<bool, StoreError> {
    Ok(match resource {
        Resource::Key(id) => {
            let is_there = rows.key(*id).await?.is_some_and(|key| key.revoked_at.is_none());
            is_there && !rows.is_first_key(*id).await?
        }
        Resource::Binding(id) => match rows.binding(*id).await?.map(|binding| binding.subject) {
            Some(Subject::Key(key)) => !rows.is_first_key(key).await?,
            Some(Subject::Group(_)) => true,
            None => false,
        },
        Resource::Space(id) => !id.is_root() && rows.space(id).await?.is_some(),
        Resource::Role(id) => rows.role(id).await?.is_some_and(|role| !role.system),
        Resource::Group(name) => rows.group(name).await?.is_some(),
        Resource::Policy(name) => rows.policy(name).await?.is_some(),
        // There always is one.
        Resource::Strategy => false,
    })
}
