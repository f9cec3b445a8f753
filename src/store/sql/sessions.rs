//! Sessions of the console: a row for each, by which every control plane of the store goes.

use jiff::Timestamp;

use super::backend::Transaction;
use super::sql_store::{SqlStore, only};
use super::statement::{Statement, query};
use super::text;
use crate::clock::Clock as _;
use crate::model::{ConsoleSession, KeyId, Revision, SessionDigest};
use crate::store::contract::{SESSIONS_MAX, SESSIONS_OF_KEY_MAX};
use crate::store::error::StoreError;
use crate::store::stored;

impl SqlStore {
    pub(super) async fn remember_session(&self, session: &ConsoleSession) -> Result<(), StoreError> {
        let ConsoleSession { digest, key, secret, key_at, began_at, ends_at } = session;
        let key = key.to_string();
        self.backend().settle().await?;
        let mut transaction = Transaction::writing(self.backend()).await?;
        let connection = transaction.connection();
        // Whoever takes several rows away waits for their turn first: nobody then waits for somebody who waits for them.
        only::<Revision>(query(text::LOCK), connection).await?;
        let now = self.time(connection).await?.now().wall;
        connection.execute(query(text::DROP_ENDED_SESSIONS).bind(stored::micros(now))).await?;
        // Room is made before it comes, so that it is not itself the one that goes.
        connection.execute(query(text::DROP_MORE_SESSIONS_OF_KEY).bind(key.as_str()).bind(SESSIONS_OF_KEY_MAX - 1)).await?;
        connection.execute(query(text::DROP_MORE_SESSIONS).bind(SESSIONS_MAX - 1)).await?;
        // Another one with its digest stays what it is, and this one is refused: nobody is made somebody else by a cookie that they know.
        let row = query(text::INSERT_SESSION).bind(digest.as_bytes().to_vec()).bind(key).bind(secret.as_bytes().to_vec());
        let row = row.bind(stored::number(*key_at)).bind(stored::micros(*began_at)).bind(stored::micros(*ends_at));
        connection.execute(row).await?;
        transaction.commit().await?;
        self.backend().is_kept().await
    }

    pub(super) async fn prolong_session(&self, digest: &SessionDigest, ends_at: Timestamp) -> Result<bool, StoreError> {
        self.backend().settle().await?;
        let mut transaction = Transaction::writing(self.backend()).await?;
        let now = self.time(transaction.connection()).await?.now().wall;
        let renewal = query(text::RENEW_SESSION).bind(digest.as_bytes().to_vec()).bind(stored::micros(ends_at)).bind(stored::micros(now));
        let renewed = transaction.connection().execute(renewal).await?;
        transaction.commit().await?;
        self.backend().is_kept().await?;
        Ok(renewed > 0)
    }

    pub(super) async fn forget_session(&self, digest: &SessionDigest) -> Result<bool, StoreError> {
        Ok(self.forget_by(query(text::END_SESSION).bind(digest.as_bytes().to_vec())).await? > 0)
    }

    pub(super) async fn forget_sessions_of(&self, key: KeyId) -> Result<u64, StoreError> {
        self.forget_by(query(text::END_SESSIONS_OF_KEY).bind(key.to_string())).await
    }

    async fn forget_by(&self, which: Statement) -> Result<u64, StoreError> {
        self.backend().settle().await?;
        let mut transaction = Transaction::writing(self.backend()).await?;
        // As above; and one that is being opened is there by then.
        only::<Revision>(query(text::LOCK), transaction.connection()).await?;
        let gone = transaction.connection().execute(which).await?;
        transaction.commit().await?;
        // An end that nobody else sees is not acknowledged.
        self.backend().is_kept().await?;
        Ok(gone)
    }
}
