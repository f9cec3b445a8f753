//! The pace of the loops of this room.

use std::time::Duration;

#[expect(clippy::disallowed_methods, reason = "nobody waits for these loops; tests wait for what they do")]
pub(super) async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}
