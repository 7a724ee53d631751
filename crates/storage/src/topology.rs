//! Who is who, as last seen by the monitor: an immutable snapshot, replaced as a whole.

use std::time::{Duration, Instant};

use crate::config::NodeAddr;

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
    /// How old the last replayed transaction is; `None` on a primary, or when nothing was replayed.
    pub replay_age: Option<Duration>,
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
}

impl Topology {
    /// The primary's view.
    #[must_use]
    pub fn primary(&self) -> Option<&NodeView> {
        self.primary.and_then(|index| self.nodes.get(index))
    }

    /// The first replica that may serve reads, in the order of the configuration.
    pub(crate) fn first_replica(&self) -> Option<usize> {
        self.nodes
            .iter()
            .position(|node| node.role == Role::Replica && node.state == NodeState::Up)
    }

    /// Draws the conclusions from what each node said: who is the primary, who is fenced, who lags.
    ///
    /// `system_id` is the cluster's identity; a node of another is fenced. Of several that say
    /// they are the primary, the one on the highest timeline is, and the others are fenced.
    pub(crate) fn conclude(mut nodes: Vec<NodeView>, system_id: u64, limits: LagLimits) -> Self {
        for node in &mut nodes {
            let Some(seen) = &node.observation else {
                continue;
            };
            node.role = if seen.in_recovery {
                Role::Replica
            } else {
                Role::Primary
            };
            if node.state != NodeState::Down {
                node.state = if seen.system_id == system_id {
                    NodeState::Up
                } else {
                    NodeState::Fenced
                };
            }
        }
        let primary = nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| node.role == Role::Primary && node.state == NodeState::Up)
            .max_by_key(|(index, node)| (timeline(node), std::cmp::Reverse(*index)))
            .map(|(index, _)| index);
        // Also a timeline that was seen and is down now fences the ones before it.
        let newest = nodes
            .iter()
            .filter(|node| node.role == Role::Primary && node.state != NodeState::Fenced)
            .map(timeline)
            .max();
        let primary = primary.filter(|index| Some(timeline(&nodes[*index])) == newest);
        let position =
            primary.and_then(|index| nodes[index].observation.as_ref().map(|o| o.position));
        for (index, node) in nodes.iter_mut().enumerate() {
            match node.role {
                Role::Primary if Some(index) != primary && node.state == NodeState::Up => {
                    node.state = NodeState::Fenced;
                }
                Role::Replica => measure_lag(node, position, limits),
                Role::Primary | Role::Unknown => {
                    node.lag_bytes = None;
                    node.lag = None;
                }
            }
        }
        Self { nodes, primary }
    }
}

/// How far behind a replica may be before it lags.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LagLimits {
    pub(crate) bytes: u64,
    pub(crate) time: Duration,
}

fn timeline(node: &NodeView) -> u32 {
    node.observation.as_ref().map_or(0, |seen| seen.timeline)
}

fn measure_lag(node: &mut NodeView, primary_position: Option<u64>, limits: LagLimits) {
    let Some(seen) = &node.observation else {
        return;
    };
    let Some(primary_position) = primary_position else {
        node.lag_bytes = None;
        node.lag = None;
        return;
    };
    let bytes = primary_position.saturating_sub(seen.position);
    // The age of the last transaction grows on an idle, caught-up replica, which lags by nothing.
    let time = if bytes == 0 {
        Duration::ZERO
    } else {
        seen.replay_age.unwrap_or_default()
    };
    node.lag_bytes = Some(bytes);
    node.lag = Some(time);
    if node.state == NodeState::Up && bytes > 0 && (bytes > limits.bytes || time > limits.time) {
        node.state = NodeState::Lagging;
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{LagLimits, NodeState, NodeView, Observation, Role, Topology};
    use crate::config::NodeAddr;

    const LIMITS: LagLimits = LagLimits {
        bytes: 1_000,
        time: Duration::from_secs(1),
    };

    fn node(port: u16, in_recovery: bool, timeline: u32, position: u64) -> NodeView {
        NodeView {
            addr: NodeAddr {
                host: "a".into(),
                port,
            },
            role: Role::Unknown,
            state: NodeState::Up,
            observation: Some(Observation {
                system_id: 7,
                in_recovery,
                timeline,
                position,
                replay_age: in_recovery.then_some(Duration::from_secs(60)),
                seen_at: Instant::now(),
                response_time: Duration::from_millis(1),
            }),
            lag_bytes: None,
            lag: None,
            last_error: None,
        }
    }

    fn states(topology: &Topology) -> Vec<NodeState> {
        topology.nodes.iter().map(|node| node.state).collect()
    }

    #[test]
    fn of_two_primaries_the_one_on_the_higher_timeline_is() {
        let topology = Topology::conclude(
            vec![node(1, false, 1, 900), node(2, false, 2, 500)],
            7,
            LIMITS,
        );
        assert_eq!(topology.primary, Some(1));
        assert_eq!(states(&topology), [NodeState::Fenced, NodeState::Up]);
    }

    #[test]
    fn an_old_primary_does_not_serve_because_the_new_one_is_down() {
        let mut new = node(2, false, 2, 500);
        new.state = NodeState::Down;
        let topology = Topology::conclude(vec![node(1, false, 1, 900), new], 7, LIMITS);
        assert_eq!(topology.primary, None);
        assert_eq!(states(&topology), [NodeState::Fenced, NodeState::Down]);
    }

    #[test]
    fn a_node_of_another_cluster_is_fenced() {
        let mut stranger = node(1, false, 9, 900);
        stranger.observation.as_mut().unwrap().system_id = 8;
        let topology = Topology::conclude(vec![stranger, node(2, false, 1, 500)], 7, LIMITS);
        assert_eq!(topology.primary, Some(1));
        assert_eq!(states(&topology), [NodeState::Fenced, NodeState::Up]);
    }

    #[test]
    fn an_idle_caught_up_replica_lags_by_nothing() {
        let topology = Topology::conclude(
            vec![node(1, false, 1, 500), node(2, true, 1, 500)],
            7,
            LIMITS,
        );
        assert_eq!(states(&topology), [NodeState::Up, NodeState::Up]);
        assert_eq!(topology.nodes[1].lag, Some(Duration::ZERO));
        assert_eq!(topology.first_replica(), Some(1));
    }

    #[test]
    fn a_replica_behind_in_time_lags() {
        let topology = Topology::conclude(
            vec![node(1, false, 1, 501), node(2, true, 1, 500)],
            7,
            LIMITS,
        );
        assert_eq!(states(&topology), [NodeState::Up, NodeState::Lagging]);
        assert_eq!(topology.nodes[1].lag_bytes, Some(1));
        assert_eq!(topology.first_replica(), None);
    }
}
