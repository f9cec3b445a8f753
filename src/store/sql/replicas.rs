//! Who serves from the store: a row for each process, written by itself.

use super::backend::Transaction;
use super::{SqlStore, every, only, query, text};
use crate::clock::{Clock as _, earlier};
use crate::model::{Replica, ReplicaName, ReplicaReport, Replicas, Revision};
use crate::store::{REPLICAS_KEPT_FOR, REPLICAS_MAX, StoreError, stored};

impl SqlStore {
    pub(super) async fn report(&self, report: &ReplicaReport) -> Result<(), StoreError> {
        let ReplicaReport { name, version, applied, started_at } = report;
        let applied = stored::number(*applied);
        let mut transaction = Transaction::writing(&*self.backend).await?;
        let connection = transaction.connection();
        let clock = self.time(connection).await?;
        // Read under the lock, as every time is that stands in the store.
        let now = clock.now().wall;
        let known = query(text::REPLICA_KNOWN).bind(name.as_str()).bind(applied).bind(stored::micros(now));
        if connection.execute(known).await? == 0 {
            let moved = query(text::REPLICA_SEEN).bind(name.as_str()).bind(applied).bind(stored::micros(now));
            if connection.execute(moved).await? == 0 {
                let too_old = stored::micros(earlier(now, REPLICAS_KEPT_FOR));
                connection.execute(query(text::DROP_OLD_REPLICAS).bind(too_old)).await?;
                connection.execute(query(text::DROP_MORE_REPLICAS).bind(REPLICAS_MAX)).await?;
                let row = query(text::INSERT_REPLICA).bind(name.as_str()).bind(applied).bind(stored::micros(now));
                connection.execute(row.bind(version.as_str()).bind(stored::micros(*started_at))).await?;
            }
            // Others hear of what is new, and not of every sign of life.
            self.backend.announce(connection).await?;
        }
        transaction.commit().await?;
        // Whoever waits in this process for what others have applied need not wait for a timer to hear of it.
        self.backend.committed();
        Ok(())
    }

    pub(super) async fn forget(&self, name: &ReplicaName) -> Result<(), StoreError> {
        let mut transaction = Transaction::writing(&*self.backend).await?;
        transaction.connection().execute(query(text::DELETE_REPLICA).bind(name.as_str())).await?;
        self.backend.announce(transaction.connection()).await?;
        transaction.commit().await?;
        self.backend.committed();
        Ok(())
    }

    pub(super) async fn reported(&self) -> Result<Replicas, StoreError> {
        let mut reading = Transaction::reading(&*self.backend).await?;
        let revision: Revision = only(query(text::LAST_REVISION), reading.connection()).await?;
        let at = self.time(reading.connection()).await?.now().wall;
        let too_old = stored::micros(earlier(at, REPLICAS_KEPT_FOR));
        let all: Vec<Replica> = every(query(text::REPLICAS).bind(too_old), reading.connection()).await?;
        reading.commit().await?;
        Ok(Replicas { revision, at, all })
    }
}
