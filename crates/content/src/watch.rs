//! Watches how the service is, and writes it down: the state of the database, what changed, and what somebody should be told of.

mod backups;
mod changes;
mod conditions;
mod judge;

use std::time::{Duration, Instant};

use prepnexus_health::{Health, Severity};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use self::{changes::Seen, judge::judge};
use crate::service::Content;

pub use conditions::Condition;

/// The database's name in the registry and on the health page.
const DATABASE: &str = "database";
/// Looked at no less often than that, whatever the cluster's monitor does.
const INTERVAL: Duration = Duration::from_millis(250);

/// The task that watches; stop it with [`Watch::stop`].
#[derive(Debug)]
pub struct Watch {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Watch {
    /// Begins to write down in `health` how the service is: at once, and whenever a node was looked at.
    #[must_use]
    pub fn spawn(content: &Content, health: &Health) -> Self {
        health.registry.register(DATABASE, Severity::Critical);
        let stop = CancellationToken::new();
        let watching = watch(content.clone(), health.clone());
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let _stopped = stopped.run_until_cancelled(watching).await;
        });
        Self { task, stop }
    }

    /// Ends the task.
    pub async fn stop(self) {
        self.stop.cancel();
        let _ended = self.task.await;
    }
}

async fn watch(content: Content, health: Health) {
    let mut seen = Seen::default();
    loop {
        let nodes = content.database_status();
        let (status, reason) = judge(&nodes);
        health.registry.set(DATABASE, status, reason);
        let components = health.registry.snapshot().components;
        seen.note(&nodes, &components, &health.timeline);
        let now = Instant::now();
        let feed_age = content.feed().age();
        let mut holding = conditions::holding(&nodes, &components, feed_age, &health.recent, now);
        if let Some(seen) = content.backups() {
            holding.extend(backups::holding(&seen, content.clock().now()));
        }
        health.alerts.observe(holding, now);
        let _looked_or_late = timeout(INTERVAL, content.cluster().next_look()).await;
    }
}

impl Content {
    /// Whether there is a node that reads are sent to. Asks no database.
    #[must_use]
    pub fn serves_reads(&self) -> bool {
        self.cluster().serves_reads()
    }

    /// Whether answers are kept that can be served without a database, marked stale.
    #[must_use]
    pub fn has_copies(&self) -> bool {
        self.cache().size().0 > 0
    }
}
