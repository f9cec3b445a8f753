//! Who serves from the store: a row for each process, written by itself.

use sqlx::{Connection as _, Row as _, query};

use super::decode::FromRow as _;
use super::{BEGIN_WRITE, SqliteStore, sql};
use crate::clock::earlier;
use crate::model::{Replica, ReplicaName, ReplicaReport, Replicas};
use crate::store::{REPLICAS_KEPT_FOR, REPLICAS_MAX, StoreError, stored};

impl SqliteStore {
    pub(super) async fn report(&self, report: &ReplicaReport) -> Result<(), StoreError> {
        let ReplicaReport { name, version, applied, started_at } = report;
        let applied = stored::number(*applied);
        let mut lease = self.writer.lease().await?;
        let mut transaction = lease.connection().begin_with(BEGIN_WRITE).await?;
        // Read under the lock, as every time is that stands in the store.
        let now = self.clock.now().wall;
        let seen = query(sql::REPLICA_SEEN).bind(name.as_str().to_owned()).bind(applied).bind(stored::micros(now));
        if seen.execute(&mut *transaction).await?.rows_affected() == 0 {
            let too_old = stored::micros(earlier(now, REPLICAS_KEPT_FOR));
            query(sql::DROP_OLD_REPLICAS).bind(too_old).execute(&mut *transaction).await?;
            query(sql::DROP_MORE_REPLICAS).bind(REPLICAS_MAX).execute(&mut *transaction).await?;
            let row = query(sql::INSERT_REPLICA).bind(name.as_str().to_owned()).bind(applied).bind(stored::micros(now));
            row.bind(version.clone()).bind(stored::micros(*started_at)).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        lease.give_back();
        // Whoever waits in this process for what others have applied need not wait for a timer to hear of it.
        self.watch.committed();
        Ok(())
    }

    pub(super) async fn forget(&self, name: &ReplicaName) -> Result<(), StoreError> {
        let mut lease = self.writer.lease().await?;
        query(sql::DELETE_REPLICA).bind(name.as_str().to_owned()).execute(lease.connection()).await?;
        lease.give_back();
        self.watch.committed();
        Ok(())
    }

    pub(super) async fn reported(&self) -> Result<Replicas, StoreError> {
        let mut lease = self.readers.lease().await?;
        let mut reading = lease.connection().begin().await?;
        let revision = stored::revision(query(sql::LAST_REVISION).fetch_one(&mut *reading).await?.try_get("revision")?)?;
        let at = self.clock.now().wall;
        let too_old = stored::micros(earlier(at, REPLICAS_KEPT_FOR));
        let rows = query(sql::REPLICAS).bind(too_old).fetch_all(&mut *reading).await?;
        reading.commit().await?;
        lease.give_back();
        let all = rows.iter().map(Replica::from_row).collect::<Result<_, _>>()?;
        Ok(Replicas { revision, at, all })
    }
}
