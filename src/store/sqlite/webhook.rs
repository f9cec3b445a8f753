//! Who is told of the audit: one row, which one process at a time has in its hands.

use jiff::Timestamp;
use sqlx::{Connection as _, query};

use super::decode::FromRow as _;
use super::{BEGIN_WRITE, SqliteStore, sql};
use crate::store::{Held, Receiver, StoreError, Webhook, stored};

impl SqliteStore {
    pub(super) async fn hold(&self, holder: &str, until: Timestamp) -> Result<Option<Webhook>, StoreError> {
        self.keep_to_file().await?;
        let mut lease = self.writer.lease().await?;
        let mut transaction = lease.connection().begin_with(BEGIN_WRITE).await?;
        let now = stored::micros(self.clock.now().wall);
        let row = query(sql::HOLD_WEBHOOK).bind(holder.to_owned()).bind(now).bind(stored::micros(until));
        let row = row.fetch_optional(&mut *transaction).await?;
        transaction.commit().await?;
        lease.give_back();
        row.as_ref().map(Webhook::from_row).transpose()
    }

    pub(super) async fn settle_webhook(&self, holder: &str, webhook: &Webhook) -> Result<Held, StoreError> {
        self.keep_to_file().await?;
        let (url, secret_file) = webhook.receiver.clone().map(|Receiver { url, secret_file }| (url, secret_file)).unzip();
        let mut lease = self.writer.lease().await?;
        let mut transaction = lease.connection().begin_with(BEGIN_WRITE).await?;
        let row = query(sql::SET_WEBHOOK).bind(holder.to_owned()).bind(url).bind(secret_file).bind(stored::audit_number(webhook.sent));
        let done = row.execute(&mut *transaction).await?.rows_affected();
        transaction.commit().await?;
        lease.give_back();
        Ok(if done == 1 { Held::Still } else { Held::Lost })
    }
}
