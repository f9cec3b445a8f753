//! What every store holds, whoever has made what else of it.

use super::backend::Connection;
use super::rows::SqlRows;
use super::statement::query;
use super::text;
use crate::model::{SpaceTree, Strategy, SystemRole};
use crate::store::apply::{RoleRows as _, SpaceRows as _};
use crate::store::error::StoreError;

/// What every store holds from its beginning: a state, and the root space as the model has it.
pub(in crate::store) async fn seed(connection: &mut dyn Connection, initial: Strategy) -> Result<(), StoreError> {
    connection.execute(query(text::SEED_STATE).bind(initial.as_str())).await?;
    let mut rows = SqlRows::new(connection);
    for space in SpaceTree::root_only().iter() {
        rows.insert_space(space).await?;
    }
    Ok(())
}

/// The system roles that are not there: all of them in a new store, and in an older one those that were not known when it was made. Not a
/// change: nobody holds them. Somebody's own role keeps its name, and is not the system's.
pub(in crate::store) async fn add_system_roles(connection: &mut dyn Connection) -> Result<(), StoreError> {
    let mut rows = SqlRows::new(connection);
    for role in SystemRole::ALL {
        match rows.role(&role.id()).await? {
            None => rows.insert_role(&role.role()).await?,
            Some(kept) if kept.system => {}
            Some(kept) => tracing::warn!(
                role = %kept.id,
                "this store has a role of its own under the name of one of the system's, which is missing until that one is deleted"
            ),
        }
    }
    Ok(())
}
