//! Which of several nodes gets a read. Nothing here waits.
//!
//! Of two replicas taken by chance the one whose next answer costs less serves: "the power of two
//! choices" (Mitzenmacher 2001) spreads load nearly as well as asking all, and never sends everybody
//! to the one that looks best. A node that came back stands for election only part of the time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use smallvec::SmallVec;

use crate::{node::Node, topology::Topology};

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
) -> Option<usize> {
    let now = Instant::now();
    let stands = |index: &usize| {
        let share = nodes[*index].ramp.share(now, slow_start);
        share >= 1.0 || fastrand::f64() < share
    };
    let standing: Indexes = candidates.iter().copied().filter(stands).collect();
    cheaper_of_two(&standing, nodes, now)
}

/// As [`elect`], taking even one that is not whole yet: there is nobody else.
pub(crate) fn elect_any(candidates: &[usize], nodes: &[Arc<Node>]) -> Option<usize> {
    cheaper_of_two(candidates, nodes, Instant::now())
}

fn cheaper_of_two(candidates: &[usize], nodes: &[Arc<Node>], now: Instant) -> Option<usize> {
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
    let cost = |index: usize| nodes[index].load.cost(nodes[index].users(), now);
    Some(if cost(other) < cost(one) { other } else { one })
}
