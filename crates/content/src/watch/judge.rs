//! What the nodes' states mean for the service.

use prepnexus_health::{BreakerState, Status};
use prepnexus_storage::{NodeState, NodeStatus, Role};

/// Reads and writes work: healthy. Only reads, or a node is out: degraded. Neither: unhealthy.
pub(super) fn judge(nodes: &[NodeStatus]) -> (Status, Option<String>) {
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

/// Whether requests are sent to the node: it is up, and its breaker lets them through.
fn serves(node: &NodeStatus) -> bool {
    node.view.state == NodeState::Up
        && node.view.role != Role::Unknown
        && node.breaker == BreakerState::Closed
}
