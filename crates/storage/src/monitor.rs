//! Watches the nodes: one task and one connection per node, never from the pool.
//!
//! Each probe is one round trip under its own deadline, because a frozen server keeps its TCP
//! connections alive and never answers. Its connection is made anew now and then: a server can
//! answer those it has and take no new ones. What all nodes said together is published as one
//! immutable [`Topology`].

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    config::ClusterConfig,
    connect::{Connected, Connector},
    error::Error,
    lag::PrimaryHistory,
    metric,
    node::Node,
    token::parse_position,
    topology::{LagLimits, NodeState, NodeView, Observation, Role, Topology, identity},
};

/// How often a node is probed while something is wrong with it.
const ALERT_INTERVAL: Duration = Duration::from_millis(100);
/// How long a probe's connection is used: a server whose main process hangs goes on answering the
/// connections it has, and takes no new ones.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(5);
/// A replica further behind than this is not up.
const LAG_LIMITS: LagLimits = LagLimits {
    bytes: 8 * 1024 * 1024,
    time: Duration::from_secs(1),
};
/// What the driver's connection is told about this session.
const OPTIONS: &str = "-c statement_timeout=5s -c idle_in_transaction_session_timeout=5s -c default_transaction_read_only=on";

/// What every node is asked.
pub(crate) const PROBE: &str = "\
SELECT pg_is_in_recovery() AS in_recovery,
       (SELECT system_identifier FROM pg_control_system()) AS system_id,
       CASE WHEN pg_is_in_recovery()
            THEN coalesce((SELECT received_tli FROM pg_stat_wal_receiver),
                          (SELECT timeline_id FROM pg_control_checkpoint()))
            -- After a promotion pg_control_checkpoint() still names the old timeline.
            ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int
       END AS timeline,
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn()
       END::text AS position";

/// What the tasks of the monitor share.
pub(crate) struct Monitor {
    nodes: Vec<Arc<Node>>,
    connector: Connector,
    views: Mutex<Views>,
    topology: ArcSwap<Topology>,
    /// Counts the published topologies; 0 before every node was probed once: who of several is the
    /// primary can't be told before all have been asked.
    published: watch::Sender<u64>,
    look_now: Vec<Notify>,
}

struct Views {
    nodes: Vec<NodeView>,
    probed: Vec<bool>,
    /// Probes in a row that failed.
    missed: Vec<u32>,
    system_id: Option<u64>,
    last_primary: Option<usize>,
    history: PrimaryHistory,
}

impl Monitor {
    pub(crate) fn new(nodes: Vec<Arc<Node>>, connector: Connector) -> Self {
        let views: Vec<NodeView> = nodes
            .iter()
            .map(|node| NodeView {
                addr: node.addr.clone(),
                role: Role::Unknown,
                state: NodeState::Down,
                observation: None,
                lag_bytes: None,
                lag: None,
                last_error: Some("not reached yet".into()),
            })
            .collect();
        let topology = Topology {
            nodes: views.clone(),
            primary: None,
        };
        Self {
            look_now: nodes.iter().map(|_| Notify::new()).collect(),
            views: Mutex::new(Views {
                probed: vec![false; nodes.len()],
                missed: vec![0; nodes.len()],
                nodes: views,
                system_id: None,
                last_primary: None,
                history: PrimaryHistory::default(),
            }),
            topology: ArcSwap::from_pointee(topology),
            published: watch::Sender::new(0),
            nodes,
            connector,
        }
    }

    pub(crate) fn topology(&self) -> Arc<Topology> {
        self.topology.load_full()
    }

    /// Waits until `wanted` holds of the topology.
    pub(crate) async fn wait_for(&self, mut wanted: impl FnMut(&Topology) -> bool) {
        let mut published = self.published.subscribe();
        while !wanted(&self.topology.load()) {
            if published.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits until every node has been probed once.
    pub(crate) async fn first_look(&self) {
        let mut published = self.published.subscribe();
        let _seen = published.wait_for(|count| *count > 0).await;
    }

    /// Waits until the next topology is published.
    pub(crate) async fn next_look(&self) {
        let mut published = self.published.subscribe();
        let _seen = published.changed().await;
    }

    /// Waits until all nodes that answer have been probed after `moment`.
    pub(crate) async fn look_again(&self, moment: Instant) {
        self.look_now();
        let looked_at = |node: &NodeView| {
            let seen = node.observation.as_ref();
            node.state == NodeState::Down || seen.is_some_and(|seen| seen.seen_at >= moment)
        };
        self.wait_for(|topology| topology.nodes.iter().all(looked_at))
            .await;
    }

    /// Has all nodes probed at once: something was seen that may be a change of roles.
    pub(crate) fn look_now(&self) {
        self.look_now.iter().for_each(Notify::notify_one);
    }

    /// Probes one node until `stop`.
    pub(crate) async fn watch(self: Arc<Self>, index: usize, stop: CancellationToken) {
        let config = self.connector.config().clone();
        let mut connection = None;
        loop {
            let outcome = stop
                .run_until_cancelled(self.probe(index, &config, &mut connection))
                .await;
            let Some(outcome) = outcome else { return };
            let answers = outcome.is_ok();
            self.record(index, outcome);
            let pause = if answers && self.nodes[index].breaker.allows() {
                config.probe_interval
            } else {
                ALERT_INTERVAL.min(config.probe_interval)
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.look_now[index].notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn probe(
        &self,
        index: usize,
        config: &ClusterConfig,
        connection: &mut Option<(Connected, Instant)>,
    ) -> Result<Observation, Error> {
        // On any error the connection is dropped, and the next probe makes a new one. Making one
        // has a limit of its own: it costs a busy server much more than an answer.
        let (connected, since) = match connection.take() {
            Some((connected, since)) if is_young(since) => (connected, since),
            old => {
                let (addr, limit) = (&self.nodes[index].addr, config.connect_timeout);
                let new = self.connector.connect(addr, OPTIONS, limit).await;
                match (new, old) {
                    (Ok(connected), _) => (connected, Instant::now()),
                    // Refused, for want of a free place: it is there all the same.
                    (Err(Error::Sql { .. }), Some((connected, _))) => (connected, Instant::now()),
                    (Err(error), _) => return Err(error),
                }
            }
        };
        let asking = ask(&connected.client, Instant::now());
        let observation = tokio::time::timeout(config.probe_timeout, asking)
            .await
            .map_err(|_| Error::Deadline {
                waiting_for: "a probe",
            })??;
        *connection = Some((connected, since));
        Ok(observation)
    }

    fn record(&self, index: usize, outcome: Result<Observation, Error>) {
        let node = &self.nodes[index];
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        views.probed[index] = true;
        match outcome {
            Ok(observation) => {
                node.breaker.on_probe_success(Instant::now());
                node.breaker.on_success(Instant::now());
                views.missed[index] = 0;
                let view = &mut views.nodes[index];
                let was = view.observation.as_ref().map(|seen| seen.in_recovery);
                if was.is_some_and(|was| was != observation.in_recovery) {
                    // Sessions that survive a change of role can't write, or write where they must not.
                    node.evict_all();
                }
                view.state = NodeState::Up;
                view.observation = Some(observation);
            }
            Err(error) => {
                node.breaker.on_probe_failure(Instant::now());
                if matches!(error, Error::ConnectionLost(_)) {
                    // The server went away, and with it the sessions of the pool, which may not
                    // have been told.
                    node.evict_all();
                }
                node.set_last_error(error.chain());
                views.missed[index] += 1;
                // One slow answer is not a death: the next probe comes soon.
                if views.missed[index] > 1 || !matches!(error, Error::Deadline { .. }) {
                    views.nodes[index].state = NodeState::Down;
                }
            }
        }
        self.publish(&mut views);
    }

    fn publish(&self, views: &mut Views) {
        if !views.probed.iter().all(|probed| *probed) {
            return;
        }
        views.system_id = views.system_id.or_else(|| identity(&views.nodes));
        let (nodes, system_id) = (views.nodes.clone(), views.system_id.unwrap_or_default());
        let mut topology = Topology::conclude(nodes, system_id, &mut views.history, LAG_LIMITS);
        for (view, node) in topology.nodes.iter_mut().zip(&self.nodes) {
            view.last_error = node.last_error();
        }
        log_changes(&self.topology.load(), &topology);
        if topology.primary.is_some() && topology.primary != views.last_primary {
            if views.last_primary.is_some() {
                metric::failover();
            }
            views.last_primary = topology.primary;
        }
        metric::topology(&topology, &self.nodes);
        self.topology.store(Arc::new(topology));
        self.published.send_modify(|count| *count += 1);
    }
}

fn is_young(since: Instant) -> bool {
    since.elapsed() < CONNECTION_LIFETIME
}

async fn ask(client: &tokio_postgres::Client, seen_at: Instant) -> Result<Observation, Error> {
    let failed = |error| Error::from_driver("monitor.probe", error);
    let rows = client.query_typed(PROBE, &[]).await.map_err(failed)?;
    let row = rows.first().ok_or(Error::Unavailable {
        wanted: "node",
        reason: "no answer".into(),
    })?;
    let position: Option<String> = row.try_get("position").map_err(failed)?;
    let timeline: i32 = row.try_get("timeline").map_err(failed)?;
    let system_id: i64 = row.try_get("system_id").map_err(failed)?;
    Ok(Observation {
        system_id: system_id.cast_unsigned(),
        in_recovery: row.try_get("in_recovery").map_err(failed)?,
        timeline: timeline.cast_unsigned(),
        position: position.as_deref().and_then(parse_position).unwrap_or(0),
        seen_at,
        response_time: seen_at.elapsed(),
    })
}

/// Each change of state once.
fn log_changes(before: &Topology, after: &Topology) {
    for (was, is) in before.nodes.iter().zip(&after.nodes) {
        if (was.role, was.state) != (is.role, is.state) {
            let (role, state) = (is.role.as_str(), is.state.as_str());
            let reason = is.last_error.as_deref().unwrap_or_default();
            if is.state == NodeState::Up {
                tracing::info!(node = %is.addr, role, state, "database node changed");
            } else {
                tracing::warn!(node = %is.addr, role, state, reason, "database node changed");
            }
        }
    }
}
