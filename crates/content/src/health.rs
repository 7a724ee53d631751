//! Keeps the registry's view of the database up to date.

use std::sync::Arc;

use prepnexus_health::{BreakerState, Registry, Severity, Status};
use prepnexus_storage::{Cluster, NodeState, NodeStatus, Role};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::service::Content;

/// The component's name in the registry and on the health page.
const COMPONENT: &str = "database";

/// The task that watches the cluster; stop it with [`HealthWatch::stop`].
#[derive(Debug)]
pub struct HealthWatch {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl HealthWatch {
    /// Begins to report the cluster's state to `registry`, at once and whenever it was looked at.
    #[must_use]
    pub fn spawn(content: &Content, registry: Arc<Registry>) -> Self {
        registry.register(COMPONENT, Severity::Critical);
        let (cluster, stop) = (content.cluster().clone(), CancellationToken::new());
        let task = tokio::spawn(watch(cluster, registry, stop.clone()));
        Self { task, stop }
    }

    /// Ends the task.
    pub async fn stop(self) {
        self.stop.cancel();
        let _ended = self.task.await;
    }
}

async fn watch(cluster: Cluster, registry: Arc<Registry>, stop: CancellationToken) {
    loop {
        let (status, reason) = judge(&cluster.status());
        registry.set(COMPONENT, status, reason);
        if stop
            .run_until_cancelled(cluster.next_look())
            .await
            .is_none()
        {
            return;
        }
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

/// Whether requests are sent to the node: it is up, and its breaker lets them through.
fn serves(node: &NodeStatus) -> bool {
    node.view.state == NodeState::Up
        && node.view.role != Role::Unknown
        && node.breaker == BreakerState::Closed
}

/// Reads and writes work: healthy. Only reads, or a node is out: degraded. Neither: unhealthy.
fn judge(nodes: &[NodeStatus]) -> (Status, Option<String>) {
    let out: Vec<String> = nodes
        .iter()
        .filter(|node| !serves(node))
        .map(|node| match node.view.state {
            NodeState::Up => format!("the breaker of {} is {}", node.view.addr, node.breaker),
            state => format!("{} is {}", node.view.addr, state.as_str()),
        })
        .collect();
    let has = |role| {
        nodes
            .iter()
            .any(|node| node.view.role == role && serves(node))
    };
    match (has(Role::Primary), has(Role::Replica)) {
        (true, _) if out.is_empty() => (Status::Healthy, None),
        (true, _) => (Status::Degraded, Some(out.join(", "))),
        (false, true) => (
            Status::Degraded,
            Some(format!("no primary, reads only: {}", out.join(", "))),
        ),
        (false, false) => (
            Status::Unhealthy,
            Some(format!("no node can be used: {}", out.join(", "))),
        ),
    }
}
