//! Keeps the pool of a node as it should be: warm, and without what is too old.

use std::{sync::Arc, time::Duration};

use crate::{monitor::Monitor, node::Node, topology::NodeState};

/// The pause between two rounds.
const INTERVAL: Duration = Duration::from_secs(1);

/// Makes rounds for as long as it is let; of a node that is not up, none.
pub(crate) async fn keep(node: Arc<Node>, monitor: Arc<Monitor>, index: usize) {
    monitor.first_look().await;
    loop {
        let topology = monitor.topology();
        let generation = node.generation();
        let is_up = topology.nodes[index].state == NodeState::Up;
        if is_up
            && node.breaker.allows()
            && let Err(error) = node.pool.tend().await
        {
            node.judge(&error, generation.number);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
