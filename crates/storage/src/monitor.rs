//! Watches the nodes: one task and one connection per node, never from the pool.
//!
//! Each probe is one round trip under its own deadline, because a frozen server keeps its TCP
//! connections alive and never answers. What all nodes said together is published as one
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
    metric,
    node::Node,
    token::parse_position,
    topology::{LagLimits, NodeState, NodeView, Observation, Role, Topology},
};

/// How often a node is probed while something is wrong with it.
const ALERT_INTERVAL: Duration = Duration::from_millis(100);
/// A replica further behind than this is not up.
const LAG_LIMITS: LagLimits = LagLimits {
    bytes: 8 * 1024 * 1024,
    time: Duration::from_secs(1),
};
/// What the driver's connection is told about this session.
const OPTIONS: &str = "-c statement_timeout=5s -c idle_in_transaction_session_timeout=5s -c default_transaction_read_only=on";

const PROBE: &str = "\
SELECT pg_is_in_recovery() AS in_recovery,
       (SELECT system_identifier FROM pg_control_system()) AS system_id,
       CASE WHEN pg_is_in_recovery()
            THEN coalesce((SELECT received_tli FROM pg_stat_wal_receiver),
                          (SELECT timeline_id FROM pg_control_checkpoint()))
            -- After a promotion pg_control_checkpoint() still names the old timeline.
            ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int
       END AS timeline,
       CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn()
       END::text AS position,
       CASE WHEN pg_is_in_recovery()
            THEN extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8
       END AS replay_age";

/// What the tasks of the monitor share.
pub(crate) struct Monitor {
    nodes: Vec<Arc<Node>>,
    connector: Connector,
    views: Mutex<Views>,
    topology: ArcSwap<Topology>,
    /// Counts the published topologies; 0 before every node was probed once.
    published: watch::Sender<u64>,
    look_now: Vec<Notify>,
}

struct Views {
    nodes: Vec<NodeView>,
    probed: Vec<bool>,
    system_id: Option<u64>,
    last_primary: Option<usize>,
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
                nodes: views,
                system_id: None,
                last_primary: None,
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
            let healthy = outcome.is_ok();
            self.record(index, outcome);
            let pause = if healthy {
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
        connection: &mut Option<Connected>,
    ) -> Result<Observation, Error> {
        let seen_at = Instant::now();
        let limit = config.probe_timeout;
        let probe = async {
            let connected = match connection.take() {
                Some(connected) => connected,
                None => {
                    self.connector
                        .connect(&self.nodes[index].addr, OPTIONS, limit)
                        .await?
                }
            };
            let observation = ask(&connected.client, seen_at).await?;
            Ok::<_, Error>((connected, observation))
        };
        // On any error the connection is dropped with the future, and the next probe makes a new one.
        let (connected, observation) =
            tokio::time::timeout(limit, probe)
                .await
                .map_err(|_| Error::Deadline {
                    waiting_for: "a probe",
                })??;
        *connection = Some(connected);
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
                views.system_id.get_or_insert(observation.system_id);
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
                node.set_last_error(error.chain());
                views.nodes[index].state = NodeState::Down;
            }
        }
        self.publish(&mut views);
    }

    fn publish(&self, views: &mut Views) {
        let system_id = views.system_id.unwrap_or_default();
        let mut topology = Topology::conclude(views.nodes.clone(), system_id, LAG_LIMITS);
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
        if views.probed.iter().all(|probed| *probed) {
            self.published.send_modify(|count| *count += 1);
        }
    }
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
    let replay_age: Option<f64> = row.try_get("replay_age").map_err(failed)?;
    Ok(Observation {
        system_id: system_id.cast_unsigned(),
        in_recovery: row.try_get("in_recovery").map_err(failed)?,
        timeline: timeline.cast_unsigned(),
        position: position.as_deref().and_then(parse_position).unwrap_or(0),
        replay_age: replay_age.and_then(|age| Duration::try_from_secs_f64(age.max(0.0)).ok()),
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
