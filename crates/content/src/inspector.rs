//! Looks at the database's own statistics, and at the records of backups, now and then: so that an operator is answered
//! without asking it.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use prepnexus_storage::{Deadline, inspect::Inspection};
use tokio::{task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{error::ContentError, service::Content};

/// How often it is looked at statistics.
const INTERVAL: Duration = Duration::from_secs(60);
/// What the process was asked at first is part of the first look.
const FIRST: Duration = Duration::from_secs(5);
/// How often it is looked at backups.
const BACKUPS_INTERVAL: Duration = Duration::from_secs(10);
/// The longest a look may take.
const LIMIT: Duration = Duration::from_secs(5);

/// What was found, and when.
#[derive(Debug)]
pub struct Inspected {
    /// When it was looked.
    pub at: Timestamp,
    /// What was found.
    pub found: Inspection,
}

/// The task that looks; stop it with [`Inspector::stop`].
#[derive(Debug)]
pub struct Inspector {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Inspector {
    /// Begins to look: at statistics every minute, at backups every ten seconds.
    #[must_use]
    pub fn spawn(content: Content) -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let both = async { tokio::join!(statistics(&content), backups(&content)) };
            let _stopped = stopped.run_until_cancelled(both).await;
        });
        Self { task, stop }
    }

    /// Ends the task.
    pub async fn stop(self) {
        self.stop.cancel();
        let _ended = self.task.await;
    }
}

// Who asks sees that the last look is old.

async fn statistics(content: &Content) {
    let mut pause = FIRST;
    loop {
        sleep(pause).await;
        pause = INTERVAL;
        if let Err(error) = content.inspect().await {
            tracing::debug!(%error, "the database's statistics could not be read");
        }
    }
}

async fn backups(content: &Content) {
    loop {
        if let Err(error) = content.look_at_backups(Deadline::after(LIMIT)).await {
            tracing::debug!(%error, "the records of backups could not be read");
        }
        sleep(BACKUPS_INTERVAL).await;
    }
}

impl Content {
    /// Looks at the statistics of all nodes, and remembers what they say.
    ///
    /// # Errors
    /// [`ContentError::Storage`] when no node answers; what was found before is remembered.
    pub async fn inspect(&self) -> Result<Arc<Inspected>, ContentError> {
        let found = self.cluster().inspect(Deadline::after(LIMIT)).await?;
        let at = self.clock().now();
        let inspected = Arc::new(Inspected { at, found });
        self.remember(Arc::clone(&inspected));
        Ok(inspected)
    }
}
