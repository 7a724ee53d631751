//! Which of several nodes gets a read. Nothing here waits.
//!
//! Of two replicas taken by chance the one that is less busy and quicker serves: "the power of two
//! choices" (Mitzenmacher 2001) spreads load nearly as well as asking all, and never sends everybody
//! to the one that looks best. A node that came back stands for election only part of the time.

use std::{
    cell::LazyCell,
    sync::Arc,
    time::{Duration, Instant},
};

use smallvec::SmallVec;

use crate::{node::Node, topology::Topology};

/// Why a node was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A replica, for a read that takes what there is.
    Any,
    /// The primary was asked for.
    Asked,
    /// The primary, for a write.
    Write,
    /// The primary, while no replica may serve.
    NoReplica,
    /// The primary, while the replicas that are back are spared.
    SlowStart,
    /// A replica, without a primary.
    NoPrimary,
    /// A replica that has the token.
    Token,
    /// A replica that got to the token in time.
    TokenWaited,
    /// The primary: no replica got to the token in time.
    BehindToken,
    /// Another node has failed.
    Retry,
}

impl Reason {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::Retry as usize + 1;

    /// The name used in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Asked => "asked",
            Self::Write => "write",
            Self::NoReplica => "no_replica",
            Self::SlowStart => "slow_start",
            Self::NoPrimary => "no_primary",
            Self::Token => "token",
            Self::TokenWaited => "token_waited",
            Self::BehindToken => "behind_token",
            Self::Retry => "retry",
        }
    }
}

/// The time, read where a choice depends on it: mostly none does.
pub(crate) type Now = LazyCell<Instant>;

/// Indexes of nodes.
pub(crate) type Indexes = SmallVec<[usize; 8]>;

/// The replicas that may serve reads: up, not lagging, their breaker closed.
pub(crate) fn replicas(topology: &Topology, nodes: &[Arc<Node>]) -> Indexes {
    let usable = topology.usable_replicas();
    usable
        .filter(|index| nodes[*index].breaker.allows())
        .collect()
}

/// The primary, if it may be used.
pub(crate) fn primary(topology: &Topology, nodes: &[Arc<Node>]) -> Option<usize> {
    let primary = topology.primary;
    primary.filter(|index| nodes[*index].breaker.allows())
}

/// The one of `candidates` to send a read to; `None` when all of them are still rising and it is
/// not their turn.
pub(crate) fn elect(
    candidates: &[usize],
    nodes: &[Arc<Node>],
    slow_start: Duration,
    now: &Now,
) -> Option<usize> {
    let stands = |index: &usize| {
        let share = nodes[*index].ramp.share(|| **now, slow_start);
        share >= 1.0 || fastrand::f64() < share
    };
    let standing: Indexes = candidates.iter().copied().filter(stands).collect();
    cheaper_of_two(&standing, nodes, now)
}

/// As [`elect`], taking even one that is not whole yet: there is nobody else.
pub(crate) fn elect_any(candidates: &[usize], nodes: &[Arc<Node>], now: &Now) -> Option<usize> {
    cheaper_of_two(candidates, nodes, now)
}

fn cheaper_of_two(candidates: &[usize], nodes: &[Arc<Node>], now: &Now) -> Option<usize> {
    let (one, other) = match *candidates {
        [] => return None,
        [only] => return Some(only),
        _ => {
            let first = fastrand::usize(..candidates.len());
            let second = fastrand::usize(..candidates.len() - 1);
            let second = if second >= first { second + 1 } else { second };
            (candidates[first], candidates[second])
        }
    };
    let busy = |index: usize| {
        let users = nodes[index].users();
        (users, nodes[index].load.latency(users, || **now))
    };
    Some(if is_cheaper(busy(other), busy(one)) {
        other
    } else {
        one
    })
}

/// Whether a node is the cheaper one, of two by the requests under way and the recent latency. About
/// equal latencies are equal: a small difference must not decide for everybody.
fn is_cheaper((users, latency): (usize, u64), (other_users, other_latency): (usize, u64)) -> bool {
    let (low, high) = (latency.min(other_latency), latency.max(other_latency));
    if high / 2 <= low {
        return users < other_users;
    }
    let cost = |users: usize, latency: u64| latency.saturating_mul(users as u64 + 1);
    cost(users, latency) < cost(other_users, other_latency)
}

#[cfg(test)]
mod tests {
    use super::is_cheaper;

    #[test]
    fn of_about_equally_quick_nodes_the_less_busy_one_is_cheaper() {
        assert!(is_cheaper((1, 190), (2, 100)));
        assert!(!is_cheaper((2, 100), (1, 190)));
        let equal = ((1, 100), (1, 120));
        assert!(!is_cheaper(equal.0, equal.1) && !is_cheaper(equal.1, equal.0));
    }

    #[test]
    fn a_much_slower_node_is_cheaper_only_when_the_other_has_much_more_to_do() {
        assert!(is_cheaper((2, 100), (0, 1_000)));
        assert!(!is_cheaper((0, 1_000), (2, 100)));
        assert!(is_cheaper((0, 1_000), (20, 100)));
    }
}
