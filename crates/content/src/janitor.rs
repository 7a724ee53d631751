//! Clears away what has had its time: idempotency records.

use std::time::Duration;

use prepnexus_storage::{Deadline, Tx, idempotency};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{error::ContentError, service::Content};

/// The pause between two rounds. Every process makes them; rows another is deleting are skipped.
const INTERVAL: Duration = Duration::from_secs(10 * 60);
const ROUND_LIMIT: Duration = Duration::from_secs(10);

/// The task that clears away; stop it with [`Janitor::stop`].
#[derive(Debug)]
pub struct Janitor {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Janitor {
    /// Begins its rounds.
    #[must_use]
    pub fn spawn(content: Content) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(rounds(content, stop.clone()));
        Self { task, stop }
    }

    /// Ends the task.
    pub async fn stop(self) {
        self.stop.cancel();
        let _ended = self.task.await;
    }
}

async fn rounds(content: Content, stop: CancellationToken) {
    while stop
        .run_until_cancelled(tokio::time::sleep(INTERVAL))
        .await
        .is_some()
    {
        match content.prune().await {
            Ok(0) => {}
            Ok(pruned) => tracing::debug!(pruned, "old idempotency records are gone"),
            Err(error) => {
                tracing::warn!(error = %error, "old idempotency records could not be deleted");
            }
        }
    }
}

impl Content {
    /// Deletes the records that are honoured no more; how many. A round that is cut short is
    /// finished by the next.
    ///
    /// # Errors
    /// [`ContentError::Storage`].
    pub async fn prune(&self) -> Result<u64, ContentError> {
        let (now, mut pruned) = (self.clock().now(), 0);
        let deadline = Deadline::after(ROUND_LIMIT);
        loop {
            let prune = |tx: Tx| async move { idempotency::prune(&tx, now).await };
            let batch = self
                .cluster()
                .write("idempotency.prune", deadline, prune)
                .await?
                .value;
            pruned += batch;
            if batch == 0 {
                return Ok(pruned);
            }
        }
    }
}
