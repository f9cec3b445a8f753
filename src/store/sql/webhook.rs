//! Who is told of the audit: one row, which one process at a time has in its hands.

use jiff::Timestamp;

use super::backend::Transaction;
use super::sql_store::{SqlStore, every};
use super::statement::query;
use super::text;
use crate::store::error::StoreError;
use crate::store::stored;
use crate::store::webhook::{Held, Receiver, Webhook};

impl SqlStore {
    pub(super) async fn hold(&self, holder: &str, until: Timestamp) -> Result<Option<Webhook>, StoreError> {
        self.backend().settle().await?;
        let mut transaction = Transaction::writing(self.backend()).await?;
        let now = stored::micros(self.clock().now().wall);
        let row = query(text::HOLD_WEBHOOK).bind(holder.to_owned()).bind(now).bind(stored::micros(until));
        let held = every(row, transaction.connection()).await?.pop();
        transaction.commit().await?;
        Ok(held)
    }

    pub(super) async fn settle_webhook(&self, holder: &str, webhook: &Webhook) -> Result<Held, StoreError> {
        self.backend().settle().await?;
        let (url, secret_file) = webhook.receiver.clone().map(|Receiver { url, secret_file }| (url, secret_file)).unzip();
        let mut transaction = Transaction::writing(self.backend()).await?;
        let row = query(text::SET_WEBHOOK).bind(holder.to_owned()).bind(url).bind(secret_file).bind(stored::audit_number(webhook.sent));
        let done = transaction.connection().execute(row).await?;
        transaction.commit().await?;
        Ok(if done == 1 { Held::Still } else { Held::Lost })
    }
}
