//! Who is who, as last seen by the monitor: an immutable snapshot, replaced as a whole.

mod conclude;
#[cfg(test)]
pub(crate) mod tests;

use std::time::{Duration, Instant};

pub(crate) use conclude::{LagLimits, identity};

use crate::{config::NodeAddr, timelines::Timelines};

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Takes writes.
    Primary,
    /// Follows a primary.
    Replica,
    /// Not known: never reached.
    Unknown,
}

impl Role {
    /// The name used in metrics and on the health page.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether a node may be used, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeState {
    /// It answers.
    Up,
    /// It doesn't.
    Down,
    /// It answers, and must not be used: another cluster's, or a former primary.
    Fenced,
    /// It answers, too far behind the primary.
    Lagging,
}

impl NodeState {
    /// The name used in metrics and on the health page.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Fenced => "fenced",
            Self::Lagging => "lagging",
        }
    }
}

/// What one probe learned.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The cluster's identity.
    pub system_id: u64,
    /// Whether the node replays another's log.
    pub in_recovery: bool,
    /// The timeline it is on.
    pub timeline: u32,
    /// Where it is in the write-ahead log: flushed on a primary, replayed on a replica.
    pub position: u64,
    /// Up to where a replica has received the log.
    pub received: Option<u64>,
    /// Where a primary's timeline began, while the server remembers.
    pub began_at: Option<u64>,
    /// How long ago a replica's receiver last heard of its primary, on the server's clock; `None`
    /// without a receiver. An idle primary says nothing for up to half its `wal_sender_timeout`.
    pub receiver_age: Option<Duration>,
    /// When the probe began, on this machine's clock.
    pub seen_at: Instant,
    /// How long it took.
    pub response_time: Duration,
}

/// One node as last seen.
#[derive(Debug, Clone)]
pub struct NodeView {
    /// Where it is.
    pub addr: NodeAddr,
    /// What it does, or last did.
    pub role: Role,
    /// Whether it may be used.
    pub state: NodeState,
    /// What the last successful probe learned.
    pub observation: Option<Observation>,
    /// How far a replica is behind the primary, in bytes of the write-ahead log.
    pub lag_bytes: Option<u64>,
    /// How far a replica is behind the primary, in time; zero for one that has it all.
    pub lag: Option<Duration>,
    /// The last thing that went wrong, in words for an operator.
    pub last_error: Option<String>,
}

/// All nodes at one moment.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    /// The nodes, in the order of the configuration.
    pub nodes: Vec<NodeView>,
    /// Which of them is the primary.
    pub primary: Option<usize>,
    /// The cluster's system identifier; `None` before any node was reached.
    pub system_id: Option<u64>,
    /// Where timelines began, as far as was seen.
    pub timelines: Timelines,
}

impl Topology {
    /// The primary's view.
    #[must_use]
    pub fn primary(&self) -> Option<&NodeView> {
        self.primary.and_then(|index| self.nodes.get(index))
    }

    /// The highest timeline of any node that is of the cluster, and so the one being served.
    #[must_use]
    pub fn newest_timeline(&self) -> Option<u32> {
        let seen = |node: &NodeView| node.observation.as_ref().map(|seen| seen.timeline);
        match self.primary() {
            Some(primary) => seen(primary),
            None => self
                .usable_replicas()
                .filter_map(|i| seen(&self.nodes[i]))
                .max(),
        }
    }

    /// The replicas that may serve reads, in the order of the configuration.
    pub(crate) fn usable_replicas(&self) -> impl Iterator<Item = usize> {
        let usable = |node: &NodeView| node.role == Role::Replica && node.state == NodeState::Up;
        let nodes = self.nodes.iter().enumerate();
        nodes
            .filter(move |(_, node)| usable(node))
            .map(|(index, _)| index)
    }
}
