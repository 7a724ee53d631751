//! A cluster of three masters, with a third of the slots each.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::ports;
use crate::redis::node::{Home, RedisNode, SERVES};
use crate::wait::wait_until;

const FORMING: Duration = Duration::from_secs(30);
/// How long (ms) a node gives no answer until the others call it down.
const NODE_TIMEOUT_MS: &str = "1000";
/// The first and last slot of each.
const SLOTS: [(&str, &str); 3] = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];

/// Three masters without replicas on loopback ports. While one is away, so are its slots, and a second later all of them:
/// each node then refuses every command. They end when this is dropped.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: [RedisNode; 3],
}

impl RedisCluster {
    /// Starts the nodes, makes them meet, and waits until each knows who has every slot.
    ///
    /// # Errors
    /// [`Error::Missing`](crate::Error::Missing) without the Debian package `redis-server`;
    /// [`Error::Start`](crate::Error::Start); [`Error::Timeout`](crate::Error::Timeout) after half a minute.
    pub fn start() -> Result<Self> {
        let home = Home::make()?;
        let nodes = [
            start_node(&home, 1)?,
            start_node(&home, 2)?,
            start_node(&home, 3)?,
        ];
        for (epoch, (node, (first, last))) in (1..).zip(nodes.iter().zip(SLOTS)) {
            node.cli(&["CLUSTER", "ADDSLOTSRANGE", first, last])?;
            node.cli(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch.to_string()])?;
        }
        let [one, others @ ..] = &nodes;
        for other in others {
            let port = other.port().to_string();
            let bus = other.cli(&["CONFIG", "GET", "cluster-port"])?;
            let bus = bus.lines().last().unwrap_or_default();
            one.cli(&["CLUSTER", "MEET", "127.0.0.1", &port, bus])?;
        }
        let cluster = Self { nodes };
        cluster.wait_formed()?;
        Ok(cluster)
    }

    /// The nodes, in the order of their slots.
    #[must_use]
    pub fn nodes(&self) -> &[RedisNode; 3] {
        &self.nodes
    }

    /// Waits until each node says that all slots are served.
    ///
    /// # Errors
    /// [`Error::Timeout`](crate::Error::Timeout) after half a minute.
    pub fn wait_formed(&self) -> Result<()> {
        for node in &self.nodes {
            wait_until("the nodes of a cluster meeting", FORMING, || {
                let seen = node.cli(&["CLUSTER", "INFO"])?;
                Ok(seen.contains("cluster_state:ok") && seen.contains("cluster_known_nodes:3"))
            })?;
        }
        Ok(())
    }
}

/// A node that is alone.
fn start_node(home: &Arc<Home>, number: usize) -> Result<RedisNode> {
    let name = format!("redis-{number}");
    let known = format!("{name}.nodes");
    RedisNode::launch(Arc::clone(home), &name, SERVES, |port| {
        let bus = ports::pick()?;
        Ok(home.server(&[
            ["--port", &port.to_string()],
            ["--cluster-enabled", "yes"],
            ["--cluster-port", &bus.to_string()],
            ["--cluster-config-file", &known],
            ["--cluster-node-timeout", NODE_TIMEOUT_MS],
        ]))
    })
}
