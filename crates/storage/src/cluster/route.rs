//! To which node a read goes: by its freshness, by who is there, and by where it has failed already.
//!
//! Waits in two places alone, both bounded: for a replica to reach a token, and for the monitor to
//! look when a token names a timeline that nobody has seen yet.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Cluster, Freshness};
use crate::{
    deadline::Deadline,
    error::Error,
    router::{self, Indexes, Now, Reason},
    token::{Token, UnknownToken},
    topology::{Role, Topology},
};

/// The longest to look for a timeline that a token names and that was not seen yet: another process
/// may have heard of a promotion first.
const UNSEEN_TIMELINE_LIMIT: Duration = Duration::from_millis(500);

/// A node, and why it was chosen.
type Chosen = (usize, Reason);

/// Where a request goes.
pub(super) struct Route {
    pub(super) index: usize,
    /// What the node was when it was chosen.
    pub(super) role: Role,
    pub(super) reason: Reason,
}

impl Route {
    fn of((index, reason): Chosen, topology: &Topology) -> Self {
        let role = topology.nodes[index].role;
        Self {
            index,
            role,
            reason,
        }
    }
}

impl Cluster {
    /// The node to read from, of those that are not among `failed` if there is one.
    pub(super) async fn route(
        &self,
        freshness: Freshness,
        deadline: Deadline,
        failed: &[usize],
    ) -> Result<Route, Error> {
        if let Some(route) = self.route_at_once(freshness, failed) {
            return Ok(route);
        }
        let topology = self.topology_by(deadline).await?;
        let (chosen, topology, wanted) = match freshness {
            Freshness::Any => (self.choose_any(&topology, failed), topology, "node"),
            Freshness::Primary => {
                let chosen = self.choose_primary(&topology, Reason::Asked);
                (chosen, topology, "primary")
            }
            Freshness::AtLeast(token) => {
                let topology = self.topology_of(token, &topology, deadline).await?;
                let choosing = self.choose_at_least(&topology, token, deadline, failed);
                (choosing.await, topology, "node as new as the token")
            }
        };
        let route = chosen.map(|chosen| Route::of(chosen, &topology));
        route.ok_or_else(|| self.no(wanted))
    }

    /// Where a write goes.
    pub(super) async fn route_write(&self, deadline: Deadline) -> Result<Route, Error> {
        let topology = self.topology_by(deadline).await?;
        let chosen = self.choose_primary(&topology, Reason::Write);
        let route = chosen.map(|chosen| Route::of(chosen, &topology));
        route.ok_or_else(|| self.no("primary"))
    }

    /// Where nothing has to be waited for: most of the time.
    fn route_at_once(&self, freshness: Freshness, failed: &[usize]) -> Option<Route> {
        let topology = self.0.monitor.glance();
        // Perhaps before the first look.
        topology.primary?;
        let chosen = match freshness {
            Freshness::Any => self.choose_any(&topology, failed),
            Freshness::Primary => self.choose_primary(&topology, Reason::Asked),
            Freshness::AtLeast(_) => None,
        };
        chosen.map(|chosen| Route::of(chosen, &topology))
    }

    fn choose_primary(&self, topology: &Topology, reason: Reason) -> Option<Chosen> {
        router::primary(topology, &self.0.nodes).map(|index| (index, reason))
    }

    fn choose_any(&self, topology: &Topology, failed: &[usize]) -> Option<Chosen> {
        let (nodes, now) = (&self.0.nodes, &Now::new(Instant::now));
        let all = router::replicas(topology, nodes);
        let primary = router::primary(topology, nodes);
        let untried: Indexes = all
            .iter()
            .copied()
            .filter(|i| !failed.contains(i))
            .collect();
        // When all were away there is no warm node to spare them, and the primary least of all.
        let is_warm = |index: usize| nodes[index].ramp.share(|| **now, self.0.slow_start) >= 1.0;
        let primary_is_warm = primary.is_some_and(is_warm);
        let elected = if primary_is_warm {
            router::elect(&untried, nodes, self.0.slow_start, now)
        } else {
            router::elect_any(&untried, nodes, now)
        };
        if let Some(index) = elected {
            let reason = match (failed.is_empty(), primary) {
                (false, _) => Reason::Retry,
                (true, Some(_)) => Reason::Any,
                (true, None) => Reason::NoPrimary,
            };
            return Some((index, reason));
        }
        let reason = if !untried.is_empty() {
            Reason::SlowStart
        } else if failed.is_empty() {
            Reason::NoReplica
        } else {
            Reason::Retry
        };
        if let Some(index) = primary.filter(|index| !failed.contains(index)) {
            return Some((index, reason));
        }
        // Nobody else is left: those that are still rising, then those that failed.
        let rising = router::elect_any(&untried, nodes, now);
        let last = rising
            .or_else(|| router::elect_any(&all, nodes, now))
            .or(primary);
        last.map(|index| (index, Reason::Retry))
    }

    /// A replica that has replayed up to the token, now or within a few milliseconds; else the primary.
    async fn choose_at_least(
        &self,
        topology: &Topology,
        token: Token,
        deadline: Deadline,
        failed: &[usize],
    ) -> Option<Chosen> {
        let nodes = &self.0.nodes;
        let all = router::replicas(topology, nodes);
        let untried = all.iter().copied().filter(|i| !failed.contains(i));
        let replicas: Indexes = untried.collect();
        let arrived = |of: &Indexes| -> Indexes {
            let there =
                |index: &usize| nodes[*index].generation().progress.position() >= token.position;
            of.iter().copied().filter(there).collect()
        };
        let primary = router::primary(topology, nodes).filter(|index| !failed.contains(index));
        let mut ready = arrived(&replicas);
        let mut reason = Reason::Token;
        if ready.is_empty() && !replicas.is_empty() && !self.0.patience.is_short(Instant::now()) {
            let wait = deadline.left().min(self.0.token_wait);
            let waiting = self.0.monitor.arrival(&replicas, token.position);
            let in_time = tokio::time::timeout(wait, waiting).await.is_ok();
            self.0.patience.note(in_time, Instant::now());
            (ready, reason) = (arrived(&replicas), Reason::TokenWaited);
        }
        let now = &Now::new(Instant::now);
        if let Some(index) = router::elect(&ready, nodes, self.0.slow_start, now) {
            return Some((index, reason));
        }
        let behind = if ready.is_empty() {
            Reason::BehindToken
        } else {
            Reason::SlowStart
        };
        if let Some(index) = primary {
            let reason = if replicas.is_empty() {
                Reason::NoReplica
            } else {
                behind
            };
            return Some((index, reason));
        }
        // Nobody else is left: those that are still rising, then those that failed.
        router::elect_any(&ready, nodes, now)
            .map(|index| (index, Reason::NoPrimary))
            .or_else(|| {
                router::elect_any(&arrived(&all), nodes, now)
                    .or_else(|| router::primary(topology, nodes))
                    .map(|index| (index, Reason::Retry))
            })
    }

    /// The topology in which the history that a token names is, or is part of, the one being served.
    pub(super) async fn topology_of(
        &self,
        token: Token,
        topology: &Arc<Topology>,
        deadline: Deadline,
    ) -> Result<Arc<Topology>, Error> {
        match judge_token(token, topology) {
            Err(UnknownToken::LostTimeline) if is_ahead(token, topology) => {
                let wait = Deadline::after(deadline.left().min(UNSEEN_TIMELINE_LIMIT));
                let looking = async {
                    self.0.monitor.look_again(Instant::now()).await;
                    let seen = |topology: &Topology| !is_ahead(token, topology);
                    self.0.monitor.wait_for(seen).await;
                };
                // Late or not: what is known then decides.
                let _looked = wait.limit("a timeline", looking).await;
                let topology = self.topology();
                judge_token(token, &topology)?;
                Ok(topology)
            }
            checked => Ok(checked.map(|()| Arc::clone(topology))?),
        }
    }
}

fn is_ahead(token: Token, topology: &Topology) -> bool {
    topology
        .newest_timeline()
        .is_some_and(|newest| token.timeline > newest)
}

fn judge_token(token: Token, topology: &Topology) -> Result<(), UnknownToken> {
    let Some((system_id, newest)) = topology.system_id.zip(topology.newest_timeline()) else {
        // Nobody serves: that is said soon enough.
        return Ok(());
    };
    if token.system_id != system_id {
        return Err(UnknownToken::OtherCluster);
    }
    let Token {
        timeline, position, ..
    } = token;
    if topology.timelines.holds(newest, timeline, position) {
        Ok(())
    } else {
        Err(UnknownToken::LostTimeline)
    }
}
