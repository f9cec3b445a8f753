//! Samples: a table that never has more than a hundred rows, and is nobody's truth.

use jiff::{SignedDuration, Timestamp};
use sqlx::{Connection, query};

use super::{BEGIN_WRITE, SqliteStore, sql, stored};
use crate::model::{KeptSample, Sample, SampleId};
use crate::store::{SAMPLES_KEPT_FOR, SAMPLES_MAX, StoreError};

impl SqliteStore {
    pub(super) async fn keep(&self, samples: &[Sample]) -> Result<(), StoreError> {
        let mut lease = self.writer.lease().await?;
        let mut transaction = lease.connection().begin_with(BEGIN_WRITE).await?;
        for sample in samples {
            let Sample { at, key, answer, input } = sample;
            let answer = serde_json::to_string(answer).map_err(|error| stored::nonsense("a sample", error))?;
            let row = query(sql::KEEP_SAMPLE).bind(stored::micros(*at)).bind(key.id.to_string()).bind(key.name.as_str().to_owned());
            row.bind(answer).bind(input.to_string()).execute(&mut *transaction).await?;
        }
        query(sql::DROP_OLD_SAMPLES).bind(self.too_old()).execute(&mut *transaction).await?;
        query(sql::DROP_MORE_SAMPLES).bind(SAMPLES_MAX).execute(&mut *transaction).await?;
        transaction.commit().await?;
        lease.give_back();
        Ok(())
    }

    pub(super) async fn kept(&self) -> Result<Vec<KeptSample>, StoreError> {
        self.all(query(sql::SAMPLES).bind(self.too_old())).await
    }

    pub(super) async fn kept_one(&self, id: SampleId) -> Result<Option<KeptSample>, StoreError> {
        let Ok(number) = i64::try_from(id.0) else { return Ok(None) };
        self.one(query(sql::SAMPLE).bind(self.too_old()).bind(number)).await
    }

    pub(super) async fn clear(&self) -> Result<u64, StoreError> {
        let mut lease = self.writer.lease().await?;
        let gone = query(sql::CLEAR_SAMPLES).execute(lease.connection()).await?.rows_affected();
        lease.give_back();
        Ok(gone)
    }

    /// What is as old as this, as it is stored, is shown to nobody any more, though it goes only when another one comes.
    fn too_old(&self) -> i64 {
        let now = self.clock.now().wall;
        let end = SignedDuration::try_from(SAMPLES_KEPT_FOR).ok().and_then(|span| now.checked_sub(span).ok());
        stored::micros(end.unwrap_or(Timestamp::MIN))
    }
}
