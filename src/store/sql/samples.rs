//! Samples: a table that never has more than a hundred rows, and is nobody's truth.

use jiff::{SignedDuration, Timestamp};

use super::backend::Transaction;
use super::rows::SqlRows;
use super::sql_store::SqlStore;
use super::statement::query;
use super::text;
use crate::model::{AuditNote, Cause, KeptSample, Sample, SampleId};
use crate::store::apply::{self, Rows as _};
use crate::store::contract::{SAMPLES_KEPT_FOR, SAMPLES_MAX};
use crate::store::error::StoreError;
use crate::store::stored;

impl SqlStore {
    pub(super) async fn keep(&self, samples: &[Sample]) -> Result<(), StoreError> {
        let mut transaction = Transaction::writing(self.backend()).await?;
        let connection = transaction.connection();
        for sample in samples {
            let Sample { at, key, answer, input } = sample;
            let answer = serde_json::to_string(answer).map_err(|error| stored::nonsense("a sample", error))?;
            let row = query(text::KEEP_SAMPLE).bind(stored::micros(*at)).bind(key.id.to_string()).bind(key.name.as_str().to_owned());
            connection.execute(row.bind(answer).bind(input.to_string())).await?;
        }
        connection.execute(query(text::DROP_OLD_SAMPLES).bind(self.too_old())).await?;
        connection.execute(query(text::DROP_MORE_SAMPLES).bind(SAMPLES_MAX)).await?;
        transaction.commit().await
    }

    pub(super) async fn kept(&self) -> Result<Vec<KeptSample>, StoreError> {
        self.all(query(text::SAMPLES).bind(self.too_old())).await
    }

    pub(super) async fn kept_one(&self, id: SampleId) -> Result<Option<KeptSample>, StoreError> {
        let Ok(number) = i64::try_from(id.0) else { return Ok(None) };
        self.one(query(text::SAMPLE).bind(self.too_old()).bind(number)).await
    }

    pub(super) async fn clear(&self, cause: &Cause) -> Result<u64, StoreError> {
        self.backend().settle().await?;
        let mut transaction = Transaction::writing(self.backend()).await?;
        // Before anything else is locked, as everybody does it who writes into the audit.
        SqlRows::new(transaction.connection()).lock().await?;
        let cleared = transaction.connection().execute(query(text::CLEAR_SAMPLES)).await?;
        if cleared > 0 {
            let clock = self.time(transaction.connection()).await?;
            apply::note(&mut SqlRows::new(transaction.connection()), AuditNote::SamplesCleared { cleared }, cause, &clock).await?;
            self.backend().announce(transaction.connection()).await?;
        }
        transaction.commit().await?;
        self.backend().is_kept().await?;
        self.backend().committed();
        Ok(cleared)
    }

    /// What is as old as this, as it is stored, is shown to nobody any more, though it goes only when another one comes.
    fn too_old(&self) -> i64 {
        let now = self.clock().now().wall;
        let end = SignedDuration::try_from(SAMPLES_KEPT_FOR).ok().and_then(|span| now.checked_sub(span).ok());
        stored::micros(end.unwrap_or(Timestamp::MIN))
    }
}
