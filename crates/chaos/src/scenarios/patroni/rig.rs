//! A Patroni cluster with the suite's tables, and the routers in front of it.

use std::{
    ops::Deref,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use prepnexus_devstack::{PatroniCluster, PatroniConfig, PatroniNode};
use prepnexus_storage::{Cluster, ClusterConfig, NodeAddr, Secret};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::site::answers_well;
use crate::{
    checker::Rows,
    client::{Nodes, SCHEMA},
    error::Error,
    history::Recorder,
    rig::rows_of,
};

/// The role and the database; the schema grants to it.
const NAME: &str = "prepnexus_api";
const PASSWORD: &str = "chaos";
/// Much longer than anything takes that works.
const LIMIT: Duration = Duration::from_secs(60);
/// How often each node is asked whether it leads.
const POLL: Duration = Duration::from_millis(5);
const ROUTERS: usize = 2;

/// Patroni's nodes, and the API nodes before them.
pub(super) struct PatroniRig {
    nodes: Nodes,
    watchers: Vec<JoinHandle<()>>,
    stop: CancellationToken,
    patroni: Arc<PatroniCluster>,
}

impl Deref for PatroniRig {
    type Target = Nodes;

    fn deref(&self) -> &Nodes {
        &self.nodes
    }
}

impl PatroniRig {
    pub(super) async fn start() -> Result<Self, Error> {
        let config = PatroniConfig {
            synchronous_mode: true,
            ..PatroniConfig::for_tests()
        };
        let patroni = spawn_blocking(move || PatroniCluster::start(&config)).await??;
        let patroni = Arc::new(patroni);
        let making = Arc::clone(&patroni);
        spawn_blocking(move || {
            let leader = making.wait_for_healthy(LIMIT)?;
            leader.psql(&format!(
                "CREATE ROLE {NAME} LOGIN PASSWORD '{PASSWORD}';
                 GRANT pg_read_all_stats TO {NAME};
                 CREATE DATABASE {NAME}"
            ))?;
            leader.psql_db(NAME, SCHEMA)
        })
        .await??;
        let config = reached(patroni.nodes());
        let clusters = (0..ROUTERS)
            .map(|_| Cluster::start(&config))
            .collect::<Result<Vec<_>, _>>()?;
        let nodes = Nodes {
            clusters: clusters.into(),
            recorder: Recorder::start(),
            deadline: config.default_deadline,
        };
        nodes.all_serve().await?;
        let stop = CancellationToken::new();
        Ok(Self {
            watchers: nodes.watch(&stop),
            nodes,
            stop,
            patroni,
        })
    }

    pub(super) fn size(&self) -> usize {
        self.patroni.nodes().len()
    }

    pub(super) fn port(&self, node: usize) -> u16 {
        self.patroni.nodes()[node].port()
    }

    /// Does something to a node that blocks.
    pub(super) async fn with<T: Send + 'static>(
        &self,
        node: usize,
        work: impl FnOnce(&PatroniNode) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let node = self.patroni.nodes()[node].clone();
        Ok(spawn_blocking(move || work(&node)).await?)
    }

    /// Waits until the cluster is whole; its leader.
    pub(super) async fn healthy(&self) -> Result<usize, Error> {
        let patroni = Arc::clone(&self.patroni);
        let leader = spawn_blocking(move || {
            let leader = patroni.wait_for_healthy(LIMIT)?;
            let mut names = patroni.nodes().iter().map(PatroniNode::name);
            Ok::<_, Error>(names.position(|name| name == leader.name()).unwrap_or(0))
        });
        leader.await?
    }

    /// Has a node other than `leader` lead, in order.
    pub(super) async fn switch_over(&self, leader: usize) -> Result<(), Error> {
        let patroni = Arc::clone(&self.patroni);
        let switching = spawn_blocking(move || {
            // In synchronous mode only the synchronous replica may take over.
            let replicas = (0..patroni.nodes().len()).filter(|node| *node != leader);
            let mut outcome = Ok(());
            for node in replicas {
                outcome = patroni.switchover(&patroni.nodes()[node]);
                if outcome.is_ok() {
                    break;
                }
            }
            outcome
        });
        Ok(switching.await??)
    }

    /// Waits until a node other than `old` says that it leads; which, and when that was.
    pub(super) async fn named(&self, old: usize) -> Result<(usize, u64), Error> {
        let nodes: Vec<_> = self.patroni.nodes().to_vec();
        let recorder = self.recorder().clone();
        let asking = spawn_blocking(move || {
            let deadline = Instant::now() + LIMIT;
            loop {
                for (index, node) in nodes.iter().enumerate().filter(|(index, _)| *index != old) {
                    let url = format!("http://{}:{}/primary", node.host(), node.rest_port());
                    if answers_well(&url) {
                        return Ok((index, recorder.now()));
                    }
                }
                if Instant::now() > deadline {
                    let what = "another leader".to_owned();
                    return Err(Error::Timeout { what, limit: LIMIT });
                }
                thread::sleep(POLL);
            }
        });
        asking.await?
    }

    /// What a node holds of the clients' writes.
    pub(super) async fn rows(&self, node: usize) -> Result<Rows, Error> {
        let reading = self.with(node, |node| rows_of(|sql| node.psql_db(NAME, sql)));
        Ok(reading.await??)
    }

    pub(super) async fn close(self) {
        self.stop.cancel();
        let nodes = self.patroni.nodes().to_vec();
        let _thawed = spawn_blocking(move || nodes.iter().for_each(PatroniNode::thaw)).await;
        for watcher in self.watchers {
            let _ended = watcher.await;
        }
        for cluster in self.nodes.clusters.iter() {
            cluster.close().await;
        }
        let _dropped = spawn_blocking(move || drop(self.patroni)).await;
    }
}

fn reached(nodes: &[PatroniNode]) -> ClusterConfig {
    let address = |node: &PatroniNode| NodeAddr {
        host: node.host().to_owned(),
        port: node.port(),
    };
    ClusterConfig {
        nodes: nodes.iter().map(address).collect(),
        database: NAME.to_owned(),
        user: NAME.to_owned(),
        password: Some(Secret::new(PASSWORD)),
        application_name: "chaos".to_owned(),
        ..ClusterConfig::default()
    }
}
