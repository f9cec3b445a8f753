//! The signing keys while a process serves: listed, and changed so that what comes of it is in force when it is answered.

use jiff::Timestamp;

use super::error::ExchangeError;
use super::service::Exchange;
use crate::config::TokenSettings;
use crate::token::{KeyDirectory, ListedKey, TokenError};

impl Exchange {
    /// Every signing key of this process, and where it stands.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub async fn signing_keys(&self) -> Result<Vec<ListedKey>, ExchangeError> {
        let (token, now) = (self.state.load().settings.token.clone(), self.clock.now().wall);
        Ok(self.files.read("the signing keys", move || KeyDirectory::of(&token).list(now)).await??)
    }

    /// Has `roll` change the signing keys of this process, and puts in force what they are then. It is told what is configured, and the time.
    ///
    /// # Errors
    /// Those of `roll`. That what it has done cannot be read is none of them: it is logged, and noticed when it can.
    pub async fn roll_signing_keys<T: Send + 'static>(
        &self,
        roll: impl FnOnce(&TokenSettings, Timestamp) -> Result<T, TokenError> + Send + 'static,
    ) -> Result<T, ExchangeError> {
        let _reloading = self.reloading.lock().await;
        let (token, now) = (self.state.load().settings.token.clone(), self.clock.now().wall);
        let done = self.files.read("the signing keys", move || roll(&token, now)).await??;
        self.read_ring_again().await;
        Ok(done)
    }
}
