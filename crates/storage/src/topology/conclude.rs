//! The conclusions from what each node said: who is the primary, who is fenced, who lags. Pure.

use std::{cmp::Reverse, time::Duration};

use super::{NodeState, NodeView, Role, Topology};
use crate::lag::PrimaryHistory;

/// How far behind a replica may be before it lags.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LagLimits {
    pub(crate) bytes: u64,
    pub(crate) time: Duration,
}

/// Which cluster the nodes are: the one that most of those that answered belong to; of as many,
/// the one named first.
pub(crate) fn identity(nodes: &[NodeView]) -> Option<u64> {
    let ids = || nodes.iter().filter_map(system_id);
    let votes = |id| ids().filter(|other| *other == id).count();
    let best = ids()
        .enumerate()
        .max_by_key(|(index, id)| (votes(*id), Reverse(*index)));
    best.map(|(_, id)| id)
}

impl Topology {
    /// Draws the conclusions.
    ///
    /// `of_cluster` is the cluster's identity; a node of another is fenced. Of several that say
    /// they are the primary, the one on the highest timeline is, and the others are fenced. A
    /// replica on an earlier timeline follows none, or a former primary: it lags.
    pub(crate) fn conclude(
        mut nodes: Vec<NodeView>,
        of_cluster: u64,
        history: &mut PrimaryHistory,
        limits: LagLimits,
    ) -> Self {
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
                node.state = if seen.system_id == of_cluster {
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
            .max_by_key(|(index, node)| (timeline(node), Reverse(*index)))
            .map(|(index, _)| index);
        // Also a timeline whose primary is down, or was never seen and is followed by a replica,
        // fences the ones before it: a replica is never ahead of its primary's.
        let newest = nodes
            .iter()
            .filter(|node| system_id(node) == Some(of_cluster))
            .map(timeline)
            .max();
        let primary = primary.filter(|index| Some(timeline(&nodes[*index])) == newest);
        if let Some(seen) = primary.and_then(|index| nodes[index].observation.as_ref()) {
            history.note(seen.timeline, seen.seen_at, seen.position);
            note_received(&nodes, seen.timeline, history);
        }
        for (index, node) in nodes.iter_mut().enumerate() {
            (node.lag_bytes, node.lag) = (None, None);
            match node.role {
                Role::Primary if Some(index) != primary && node.state == NodeState::Up => {
                    node.state = NodeState::Fenced;
                }
                Role::Replica if node.state == NodeState::Up => {
                    if primary.is_some() {
                        measure_lag(node, history, limits);
                    }
                    if Some(timeline(node)) < newest {
                        node.state = NodeState::Lagging;
                    }
                }
                Role::Primary | Role::Replica | Role::Unknown => {}
            }
        }
        Self {
            nodes,
            primary,
            ..Self::default()
        }
    }
}

fn timeline(node: &NodeView) -> u32 {
    node.observation.as_ref().map_or(0, |seen| seen.timeline)
}

fn system_id(node: &NodeView) -> Option<u64> {
    node.observation.as_ref().map(|seen| seen.system_id)
}

/// What a replica has received the primary had written by then: it tells of the primary's position as well, at
/// another moment than the primary's own probe.
fn note_received(nodes: &[NodeView], timeline: u32, history: &mut PrimaryHistory) {
    let of_replicas = nodes
        .iter()
        .filter(|node| node.role == Role::Replica && node.state == NodeState::Up);
    for seen in of_replicas.filter_map(|node| node.observation.as_ref()) {
        if seen.timeline == timeline
            && let Some(received) = seen.received
        {
            history.note(timeline, seen.seen_at, received);
        }
    }
}

fn measure_lag(node: &mut NodeView, history: &PrimaryHistory, limits: LagLimits) {
    let Some(seen) = &node.observation else {
        return;
    };
    let (bytes, time) = history.lag(seen.seen_at, seen.position);
    // What it has received and not replayed it lacks, whenever the primary was last asked.
    let bytes = bytes.max(seen.received.unwrap_or(0).saturating_sub(seen.position));
    node.lag_bytes = Some(bytes);
    node.lag = Some(time);
    if bytes > limits.bytes || time > limits.time {
        node.state = NodeState::Lagging;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LagLimits, NodeState, NodeView, Topology, identity};
    use crate::{lag::PrimaryHistory, topology::tests::node};

    const LIMITS: LagLimits = LagLimits {
        bytes: 1_000,
        time: Duration::from_secs(1),
    };

    fn of_cluster(system_id: u64, mut node: NodeView) -> NodeView {
        node.observation.as_mut().unwrap().system_id = system_id;
        node
    }

    fn down(mut node: NodeView) -> NodeView {
        node.state = NodeState::Down;
        node
    }

    fn conclude(nodes: Vec<NodeView>) -> Topology {
        Topology::conclude(nodes, 7, &mut PrimaryHistory::default(), LIMITS)
    }

    fn states(topology: &Topology) -> Vec<NodeState> {
        topology.nodes.iter().map(|node| node.state).collect()
    }

    #[test]
    fn of_two_primaries_the_one_on_the_higher_timeline_is() {
        let topology = conclude(vec![node(1, false, 1, 900), node(2, false, 2, 500)]);
        assert_eq!(topology.primary, Some(1));
        assert_eq!(states(&topology), [NodeState::Fenced, NodeState::Up]);
    }

    #[test]
    fn an_old_primary_does_not_serve_because_only_a_replica_of_the_new_one_is_seen() {
        let topology = conclude(vec![node(1, false, 1, 900), node(2, true, 2, 500)]);
        assert_eq!(topology.primary, None);
        assert_eq!(states(&topology), [NodeState::Fenced, NodeState::Up]);
    }

    #[test]
    fn an_old_primary_does_not_serve_because_the_new_one_is_down() {
        let topology = conclude(vec![node(1, false, 1, 900), down(node(2, false, 2, 500))]);
        assert_eq!(topology.primary, None);
        assert_eq!(states(&topology), [NodeState::Fenced, NodeState::Down]);
    }

    #[test]
    fn a_node_of_another_cluster_is_fenced() {
        let stranger = of_cluster(8, node(1, false, 9, 900));
        let topology = conclude(vec![stranger.clone(), node(2, false, 1, 500)]);
        assert_eq!(topology.primary, Some(1));
        assert_eq!(states(&topology), [NodeState::Fenced, NodeState::Up]);
        // Neither does it fence anybody when it goes down.
        let topology = conclude(vec![down(stranger), node(2, false, 1, 500)]);
        assert_eq!(topology.primary, Some(1));
    }

    #[test]
    fn the_cluster_is_that_of_most_nodes_or_of_the_first() {
        let (a, b) = (node(1, false, 1, 1), of_cluster(8, node(2, false, 1, 1)));
        let unseen = NodeView {
            observation: None,
            ..a.clone()
        };
        assert_eq!(identity(&[unseen.clone(), b.clone(), a.clone()]), Some(8));
        assert_eq!(identity(&[b, a.clone(), unseen.clone(), a]), Some(7));
        assert_eq!(identity(&[unseen]), None);
    }

    #[test]
    fn an_idle_caught_up_replica_lags_by_nothing() {
        let topology = conclude(vec![node(1, false, 1, 500), node(2, true, 1, 500)]);
        assert_eq!(states(&topology), [NodeState::Up, NodeState::Up]);
        assert_eq!(topology.nodes[1].lag, Some(Duration::ZERO));
        assert_eq!(topology.usable_replicas().collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn what_a_replica_received_and_did_not_replay_is_lag_at_once() {
        let mut replica = node(2, true, 1, 500);
        replica.observation.as_mut().unwrap().received = Some(1_501);
        let topology = conclude(vec![node(1, false, 1, 500), replica]);
        assert_eq!(states(&topology), [NodeState::Up, NodeState::Lagging]);
        assert_eq!(topology.nodes[1].lag_bytes, Some(1_001));
    }

    #[test]
    fn a_replica_behind_in_time_lags() {
        let mut replica = node(2, true, 1, 500);
        let primary = node(1, false, 1, 501);
        replica.observation.as_mut().unwrap().seen_at += Duration::from_secs(2);
        let topology = conclude(vec![primary, replica]);
        assert_eq!(states(&topology), [NodeState::Up, NodeState::Lagging]);
        assert_eq!(topology.nodes[1].lag_bytes, Some(1));
        assert_eq!(topology.usable_replicas().count(), 0);
    }

    #[test]
    fn a_replica_that_has_all_of_a_moment_ago_does_not_lag_after_a_long_rest() {
        let mut history = PrimaryHistory::default();
        let rest = vec![node(1, false, 1, 500), node(2, true, 1, 500)];
        Topology::conclude(rest, 7, &mut history, LIMITS);
        let mut written = vec![node(1, false, 1, 501), node(2, true, 1, 500)];
        for node in &mut written {
            node.observation.as_mut().unwrap().seen_at += Duration::from_secs(60);
        }
        let topology = Topology::conclude(written, 7, &mut history, LIMITS);
        assert_eq!(states(&topology), [NodeState::Up, NodeState::Up]);
        assert_eq!(topology.nodes[1].lag_bytes, Some(1));
    }

    #[test]
    fn a_replica_of_a_former_primary_lags_whatever_its_position() {
        let nodes = vec![node(1, false, 2, 500), node(2, true, 1, 900)];
        assert_eq!(
            states(&conclude(nodes)),
            [NodeState::Up, NodeState::Lagging]
        );
    }
}
