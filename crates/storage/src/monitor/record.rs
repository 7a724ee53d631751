//! What a probe's outcome changes, and the topology that follows from it.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use super::Monitor;
use crate::{
    config::ClusterConfig,
    error::Error,
    lag::PrimaryHistory,
    load::Tally,
    metric,
    node::Node,
    progress::Progress,
    timelines::Timelines,
    topology::{LagLimits, NodeState, NodeView, Observation, Role, Topology, identity},
};

/// What was seen of all nodes so far.
pub(super) struct Views {
    nodes: Vec<NodeView>,
    probed: Vec<bool>,
    /// Probes in a row that failed.
    missed: Vec<u32>,
    /// Not what it was: its next generation is to begin.
    changed: Vec<bool>,
    system_id: Option<u64>,
    last_primary: Option<usize>,
    history: PrimaryHistory,
    timelines: Timelines,
}

impl Views {
    pub(super) fn new(nodes: &[Arc<Node>]) -> Self {
        let unseen = |node: &Arc<Node>| NodeView {
            addr: node.addr.clone(),
            role: Role::Unknown,
            state: NodeState::Down,
            observation: None,
            lag_bytes: None,
            lag: None,
            last_error: Some("not reached yet".into()),
        };
        Self {
            nodes: nodes.iter().map(unseen).collect(),
            probed: vec![false; nodes.len()],
            missed: vec![0; nodes.len()],
            changed: vec![false; nodes.len()],
            system_id: None,
            last_primary: None,
            history: PrimaryHistory::default(),
            timelines: Timelines::default(),
        }
    }

    pub(super) fn nothing_known(&self) -> Topology {
        Topology {
            nodes: self.nodes.clone(),
            ..Topology::default()
        }
    }
}

impl Monitor {
    /// Takes in the outcome of a probe, at whose beginning the node's tally was `before`.
    pub(super) fn record(&self, index: usize, outcome: Result<Observation, Error>, before: Tally) {
        let node = &self.nodes[index];
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        views.probed[index] = true;
        match outcome {
            Ok(observation) => {
                node.breaker.on_probe_success(Instant::now());
                node.breaker.on_success(Instant::now());
                views.missed[index] = 0;
                views.take(index, observation);
            }
            Err(error) => {
                node.breaker.on_probe_failure(Instant::now());
                node.set_last_error(error.chain());
                views.missed[index] += 1;
                // One slow answer is not a death, unless users wait as well, or have waited, and get none.
                let tally = node.load.tally();
                let users_wait = (node.users() > 0 || tally.given_up != before.given_up)
                    && tally.answered == before.answered;
                let is_late = matches!(error, Error::Deadline { .. });
                let view = &mut views.nodes[index];
                let was_down = view.state == NodeState::Down;
                if !is_late || users_wait || views.missed[index] > 1 {
                    views.nodes[index].state = NodeState::Down;
                    // What waits for an answer of it need wait no longer.
                    views.changed[index] |= !was_down;
                }
            }
        }
        self.publish(&mut views);
    }

    fn publish(&self, views: &mut Views) {
        if !views.probed.iter().all(|probed| *probed) {
            return self.begin_generations(views);
        }
        views.system_id = views.system_id.or_else(|| identity(&views.nodes));
        let (nodes, system_id) = (views.nodes.clone(), views.system_id.unwrap_or_default());
        let limits = lag_limits(self.connector.config());
        let mut topology = Topology::conclude(nodes, system_id, &mut views.history, limits);
        topology.system_id = views.system_id;
        topology.timelines = views.timelines.clone();
        for (view, node) in topology.nodes.iter_mut().zip(&self.nodes) {
            view.last_error = node.last_error();
        }
        let is_first = *self.published.borrow() == 0;
        let before = self.topology.load();
        for (index, (was, is)) in before.nodes.iter().zip(&topology.nodes).enumerate() {
            if (was.role, was.state) != (is.role, is.state) {
                note_change(was, is, &self.nodes[index], is_first);
                views.changed[index] |= is.state == NodeState::Fenced;
            }
        }
        if topology.primary.is_some() && topology.primary != views.last_primary {
            if views.last_primary.is_some() {
                metric::failover();
            }
            views.last_primary = topology.primary;
        }
        metric::topology(&topology, &self.nodes);
        self.topology.store(Arc::new(topology));
        self.begin_generations(views);
        self.published.send_modify(|count| *count += 1);
    }

    /// After the topology, so that whoever gets a connection of the new generation finds there what
    /// the node is now.
    fn begin_generations(&self, views: &mut Views) {
        let changed = views.changed.iter_mut().map(std::mem::take);
        for ((node, view), changed) in self.nodes.iter().zip(&views.nodes).zip(changed) {
            let seen = view.observation.as_ref();
            let seen = seen.filter(|_| view.state == NodeState::Up);
            match seen {
                _ if changed => node.begin_generation(seen.map(Progress::of).unwrap_or_default()),
                Some(seen) => node.generation().progress.follow(seen),
                None => {}
            }
        }
    }
}

impl Views {
    /// Takes in what a node said, and notes where it is not what it was.
    fn take(&mut self, index: usize, mut seen: Observation) {
        let view = &mut self.nodes[index];
        if let Some(was) = &view.observation {
            let goes_on = was.system_id == seen.system_id && seen.position >= was.position;
            if goes_on && was.in_recovery && seen.in_recovery {
                // Without a receiver it names the timeline of its last restart point.
                seen.timeline = seen.timeline.max(was.timeline);
            }
            let follows = goes_on && was.in_recovery && seen.timeline == was.timeline + 1;
            if let Some(position) = seen.began_at.filter(|_| follows) {
                self.timelines.note(seen.timeline, was.timeline, position);
            }
            // Sessions that survive a change of role can't write, or write where they must not; and a
            // node that went back was made anew.
            self.changed[index] |= !goes_on || was.in_recovery != seen.in_recovery;
        }
        view.state = NodeState::Up;
        view.observation = Some(seen);
    }
}

fn lag_limits(config: &ClusterConfig) -> LagLimits {
    LagLimits {
        bytes: config.max_lag_bytes,
        time: config.max_lag,
    }
}

/// Logs a change once; a node that comes back begins with a part of its share.
fn note_change(was: &NodeView, is: &NodeView, node: &Node, is_first: bool) {
    if is.state == NodeState::Up && was.state != NodeState::Up && !is_first {
        node.ramp.begin(Instant::now());
    }
    let (role, state) = (is.role.as_str(), is.state.as_str());
    let reason = is.last_error.as_deref().unwrap_or_default();
    let lag_seconds = is.lag.map(|lag: Duration| lag.as_secs_f64());
    if is.state == NodeState::Up {
        tracing::info!(node = %is.addr, role, state, "database node changed");
    } else {
        tracing::warn!(node = %is.addr, role, state, reason, lag_seconds, "database node changed");
    }
}
