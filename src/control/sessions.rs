//! Sessions of those who manage in a browser: begun and ended by whoever holds the key, which the audit tells.

use super::caller::Asked;
use super::error::ControlError;
use super::manager::Control;
use crate::model::{AuditNote, ConsoleSession, SessionDigest};

impl Control {
    /// Remembers a session of a key that has just been presented.
    ///
    /// # Errors
    /// The store is away.
    pub async fn begin_session(&self, session: &ConsoleSession, asked: &Asked) -> Result<(), ControlError> {
        self.store.open_session(session).await?;
        self.store.note(AuditNote::SessionBegan { key: session.key }, &asked.cause()).await?;
        Ok(())
    }

    /// Ends a session, for every process that shares the store.
    ///
    /// # Errors
    /// The store is away.
    pub async fn end_session(&self, digest: &SessionDigest, asked: &Asked) -> Result<(), ControlError> {
        if self.store.end_session(digest).await?
            && let Some(key) = asked.key.as_ref()
        {
            self.store.note(AuditNote::SessionEnded { key: key.id }, &asked.cause()).await?;
        }
        Ok(())
    }
}
