//! Clears away what has had its time: idempotency records, and recorded changes.

use std::time::Duration;

use prepnexus_storage::{Deadline, Error as StorageError, Tx, feed::prune_changes, idempotency};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{error::ContentError, service::Content};

/// The pause between two rounds. Every process makes them; rows another is deleting are skipped.
const INTERVAL: Duration = Duration::from_secs(10 * 60);
const ROUND_LIMIT: Duration = Duration::from_secs(10);
/// Twice as long as a change feed remembers.
const CHANGES_KEPT: Duration = Duration::from_secs(2 * 60 * 60);

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
            Ok(pruned) => tracing::debug!(pruned, "old records are gone"),
            Err(error) => {
                tracing::warn!(error = %error, "old records could not be deleted");
            }
        }
    }
}

impl Content {
    /// Deletes the records that are honoured no more, and the changes that no copy can be older than; how many of
    /// both. A round that is cut short is finished by the next.
    ///
    /// # Errors
    /// [`ContentError::Storage`].
    pub async fn prune(&self) -> Result<u64, ContentError> {
        let (now, deadline) = (self.clock().now(), Deadline::after(ROUND_LIMIT));
        let records = |tx: Tx| async move { idempotency::prune(&tx, now).await };
        let changes = |tx: Tx| async move { prune_changes(&tx, CHANGES_KEPT).await };
        let records = self
            .prune_all("idempotency.prune", deadline, records)
            .await?;
        let changes = self.prune_all("changes.prune", deadline, changes).await?;
        Ok(records + changes)
    }

    /// Deletes batch after batch, each in a transaction of its own.
    async fn prune_all<W>(
        &self,
        name: &'static str,
        deadline: Deadline,
        prune: impl Fn(Tx) -> W,
    ) -> Result<u64, ContentError>
    where
        W: Future<Output = Result<u64, StorageError>>,
    {
        let mut pruned = 0;
        loop {
            let batch = self.cluster().write(name, deadline, &prune).await?.value;
            pruned += batch;
            if batch == 0 {
                return Ok(pruned);
            }
        }
    }
}
