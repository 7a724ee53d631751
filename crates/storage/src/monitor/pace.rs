//! When a node is probed again. Pure.

use std::time::Duration;

use crate::{
    config::ClusterConfig,
    topology::{NodeState, NodeView, Topology},
};

/// How often a node is probed while something is wrong with it.
const ALERT: Duration = Duration::from_millis(100);
/// How often it is looked at whether users' requests get answers: it costs the server nothing.
pub(super) const TICK: Duration = Duration::from_millis(50);
/// The lag from which on it is watched closely, as a part of the one that is too much.
const NOTABLE_PART: u32 = 8;

/// The pause before the next probe of the node of that index; `in_doubt` is when its breaker wants
/// one, while it is not closed.
pub(super) fn pause(
    config: &ClusterConfig,
    topology: &Topology,
    index: usize,
    in_doubt: Option<Duration>,
) -> Duration {
    let node = &topology.nodes[index];
    let is_primary = topology.primary == Some(index);
    let falls_behind = |node: &NodeView| is_notable(node, config);
    let is_urgent = node.state != NodeState::Up
        || topology.primary.is_none()
        || falls_behind(node)
        // A lag has two ends.
        || (is_primary && topology.nodes.iter().any(falls_behind));
    let usual = if is_urgent {
        ALERT
    } else {
        config.probe_interval
    };
    in_doubt
        .map_or(usual, |wait| wait.max(Duration::from_millis(10)))
        .min(config.probe_interval)
}

/// The pause until the next of a node's own moments: they lie `interval` apart, and those of `count` nodes between
/// each other, so that how far the primary has come is heard of by one of them more often than each is asked.
/// `elapsed` is the time since the monitor began.
pub(super) fn in_turn(
    interval: Duration,
    elapsed: Duration,
    index: usize,
    count: usize,
) -> Duration {
    let (whole, count) = (interval.as_nanos().max(1), count.max(1) as u128);
    let own = whole * index as u128 / count;
    let since_own = (elapsed.as_nanos() + whole - own) % whole;
    let left = whole - since_own;
    // Asked a moment ago: the one after that.
    let left = if left > whole / 2 { left } else { left + whole };
    Duration::from_nanos(u64::try_from(left).unwrap_or(u64::MAX))
}

fn is_notable(node: &NodeView, config: &ClusterConfig) -> bool {
    let bytes = node.lag_bytes.unwrap_or(0) > config.max_lag_bytes / u64::from(NOTABLE_PART);
    let time = node.lag.unwrap_or_default() > config.max_lag / NOTABLE_PART;
    bytes || time
}

/// Notices that users' requests are under way and none is answered. Each such stretch is noticed
/// once: a node that then answers a probe has a slow query, and is well.
#[derive(Debug, Default)]
pub(super) struct Stall {
    answered: u64,
    noticed: bool,
}

impl Stall {
    /// Whether a stall is seen that was not noticed yet; `users` requests are under way, and
    /// `answered` statements were answered so far.
    pub(super) fn is_new(&mut self, users: usize, answered: u64) -> bool {
        let stands_still = users > 0 && answered == self.answered;
        let is_new = stands_still && !self.noticed;
        self.noticed = stands_still;
        self.answered = answered;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{ALERT, Stall, in_turn, pause};
    use crate::{
        config::ClusterConfig,
        topology::{NodeState, Role, Topology, tests::node},
    };

    fn two() -> Topology {
        let (mut one, mut other) = (node(1, false, 1, 500), node(2, true, 1, 500));
        (one.role, other.role) = (Role::Primary, Role::Replica);
        Topology {
            nodes: vec![one, other],
            primary: Some(0),
            ..Topology::default()
        }
    }

    #[test]
    fn healthy_nodes_are_probed_at_most_twice_a_second() {
        let config = ClusterConfig::default();
        for index in [0, 1] {
            let pause = pause(&config, &two(), index, None);
            assert!(pause >= Duration::from_millis(500), "{pause:?}");
        }
    }

    #[test]
    fn nodes_are_asked_one_after_the_other() {
        let ms = Duration::from_millis;
        let moments = |index, mut now: Duration| {
            let mut moments = Vec::new();
            for _ in 0..3 {
                now += in_turn(ms(500), now, index, 3);
                moments.push(now.as_millis());
                // The answer takes a moment.
                now += ms(2);
            }
            moments
        };
        assert_eq!(moments(0, ms(3)), [500, 1_000, 1_500]);
        assert_eq!(moments(1, ms(3)), [666, 1_166, 1_666]);
        assert_eq!(moments(2, ms(3)), [333, 833, 1_333]);
        assert_eq!(moments(0, ms(490)), [1_000, 1_500, 2_000]);
    }

    #[test]
    fn without_a_primary_all_are_watched_closely() {
        let config = ClusterConfig::default();
        let mut topology = two();
        topology.primary = None;
        topology.nodes[0].state = NodeState::Down;
        assert_eq!(pause(&config, &topology, 0, None), ALERT);
        assert_eq!(pause(&config, &topology, 1, None), ALERT);
    }

    #[test]
    fn a_replica_that_falls_behind_is_watched_closely_and_so_is_its_primary() {
        let config = ClusterConfig::default();
        for lag in [
            (Some(2 << 20), None),
            (None, Some(Duration::from_millis(200))),
        ] {
            let mut topology = two();
            (topology.nodes[1].lag_bytes, topology.nodes[1].lag) = lag;
            assert_eq!(pause(&config, &topology, 0, None), ALERT);
            assert_eq!(pause(&config, &topology, 1, None), ALERT);
        }
    }

    #[test]
    fn an_open_breaker_says_when() {
        let (config, mut topology) = (ClusterConfig::default(), two());
        topology.nodes[1].state = NodeState::Down;
        let wait = Duration::from_millis(300);
        assert_eq!(pause(&config, &topology, 1, Some(wait)), wait);
    }

    #[test]
    fn a_stall_is_noticed_once_and_again_after_an_answer() {
        let mut stall = Stall::default();
        assert!(!stall.is_new(0, 0));
        assert!(stall.is_new(1, 0));
        assert!(!stall.is_new(1, 0) && !stall.is_new(2, 0));
        assert!(!stall.is_new(2, 5));
        assert!(stall.is_new(2, 5));
        assert!(!stall.is_new(0, 5));
    }
}
