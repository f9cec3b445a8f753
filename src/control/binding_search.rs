//! Lists of bindings, as people ask for them: a page at a time, however many there are.

use super::key_search::LOOK_FOR;
use super::manager::Control;
use crate::model::{Binding, BindingId};
use crate::store::{BindingFilter, LOOKED_THROUGH_AT_ONCE, ListPart, StoreError};

/// Bindings that were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingsFound {
    /// In their order.
    pub bindings: Vec<Binding>,
    /// There may be more after this one.
    pub looked_to: Option<BindingId>,
}

impl Control {
    /// The bindings that are wanted, as far as they were found by looking through so many, if that does not take longer than anybody would wait.
    ///
    /// # Errors
    /// The store is away.
    pub async fn bindings_found(&self, wanted: &BindingFilter, look_through: u32) -> Result<BindingsFound, StoreError> {
        let (limit, mut after, began) = (wanted.limit as usize, wanted.after, self.monotonic());
        let (mut bindings, mut looked_through): (Vec<Binding>, u32) = (Vec::new(), 0);
        loop {
            // One more tells whether there is another page.
            let wanted = BindingFilter { after, limit: wanted.limit.saturating_add(1), ..wanted.clone() };
            let ListPart { items, looked_to } = self.store.bindings_where(&wanted).await?;
            looked_through = looked_through.saturating_add(LOOKED_THROUGH_AT_ONCE);
            bindings.extend(items);
            if bindings.len() > limit {
                bindings.truncate(limit);
                let looked_to = bindings.last().map(|binding| binding.id);
                return Ok(BindingsFound { bindings, looked_to });
            }
            let Some(end) = looked_to else { return Ok(BindingsFound { bindings, looked_to: None }) };
            if looked_through >= look_through || self.monotonic().saturating_sub(began) >= LOOK_FOR {
                // There may be more: the page ends here, wherever it has come to.
                return Ok(BindingsFound { bindings, looked_to: Some(end) });
            }
            after = Some(end);
        }
    }
}
