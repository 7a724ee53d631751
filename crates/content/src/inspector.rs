//! Looks at the database's own statistics now and then, so that an operator is answered without asking it.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use prepnexus_storage::{Deadline, inspect::Inspection};
use tokio::{task::JoinHandle, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{error::ContentError, service::Content};

/// How often it is looked.
const INTERVAL: Duration = Duration::from_secs(60);
/// What the process was asked at first is part of the first look.
const FIRST: Duration = Duration::from_secs(5);
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
    /// Begins to look, every minute.
    #[must_use]
    pub fn spawn(content: Content) -> Self {
        let stop = CancellationToken::new();
        let looking = async move {
            let mut pause = FIRST;
            loop {
                sleep(pause).await;
                pause = INTERVAL;
                if let Err(error) = content.inspect().await {
                    // Who asks sees that the last look is old.
                    tracing::debug!(%error, "the database's statistics could not be read");
                }
            }
        };
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let _stopped = stopped.run_until_cancelled(looking).await;
        });
        Self { task, stop }
    }

    /// Ends the task.
    pub async fn stop(self) {
        self.stop.cancel();
        let _ended = self.task.await;
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
