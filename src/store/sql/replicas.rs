//! Who serves from the store: a row for each process, written by itself.

use super::backend::Transaction;
use super::sql_store::{SqlStore, every, only};
use super::statement::query;
use super::text;
use crate::clock::{Clock as _, earlier};
use crate::model::{Replica, ReplicaName, ReplicaReport, Replicas, Revision};
use crate::store::contract::{REPLICAS_KEPT_FOR, REPLICAS_MAX};
use crate::store::error::StoreError;
use crate::store::stored;

impl SqlStore {
    pub(super) async fn report(&self, reports: &[ReplicaReport]) -> Result<(), StoreError> {
        // In one order everywhere: nobody then waits for somebody who waits for them.
        let mut reports: Vec<&ReplicaReport> = reports.iter().collect();
        reports.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        let mut transaction = Transaction::writing(self.backend()).await?;
        let connection = transaction.connection();
        let clock = self.time(connection).await?;
        // Read under the lock, as every time is that stands in the store.
        let now = clock.now().wall;
        let (mut is_news, mut is_tidy) = (false, false);
        for ReplicaReport { name, version, applied, started_at } in reports {
            let (name, applied, now_micros) = (name.as_str(), stored::number(*applied), stored::micros(now));
            if connection.execute(query(text::REPLICA_KNOWN).bind(name).bind(applied).bind(now_micros)).await? > 0 {
                continue;
            }
            is_news = true;
            if connection.execute(query(text::REPLICA_SEEN).bind(name).bind(applied).bind(now_micros)).await? > 0 {
                continue;
            }
            if !is_tidy {
                let too_old = stored::micros(earlier(now, REPLICAS_KEPT_FOR));
                connection.execute(query(text::DROP_OLD_REPLICAS).bind(too_old)).await?;
                connection.execute(query(text::DROP_MORE_REPLICAS).bind(REPLICAS_MAX)).await?;
                is_tidy = true;
            }
            let row = query(text::INSERT_REPLICA).bind(name).bind(applied).bind(now_micros);
            connection.execute(row.bind(version.as_str()).bind(stored::micros(*started_at))).await?;
        }
        // Others hear of what is new, and not of every sign of life.
        if is_news {
            self.backend().announce(connection).await?;
        }
        transaction.commit().await?;
        // Whoever waits in this process for what others have applied need not wait for a timer to hear of it.
        self.backend().committed();
        Ok(())
    }

    pub(super) async fn forget(&self, name: &ReplicaName) -> Result<(), StoreError> {
        let mut transaction = Transaction::writing(self.backend()).await?;
        transaction.connection().execute(query(text::DELETE_REPLICA).bind(name.as_str())).await?;
        self.backend().announce(transaction.connection()).await?;
        transaction.commit().await?;
        self.backend().committed();
        Ok(())
    }

    pub(super) async fn reported(&self) -> Result<Replicas, StoreError> {
        let mut reading = Transaction::reading(self.backend()).await?;
        let revision: Revision = only(query(text::LAST_REVISION), reading.connection()).await?;
        let at = self.time(reading.connection()).await?.now().wall;
        let too_old = stored::micros(earlier(at, REPLICAS_KEPT_FOR));
        let all: Vec<Replica> = every(query(text::REPLICAS).bind(too_old), reading.connection()).await?;
        reading.commit().await?;
        Ok(Replicas { revision, at, all })
    }
}
