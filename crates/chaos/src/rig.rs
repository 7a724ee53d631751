//! What a scenario runs on: servers of its own, a database with the suite's tables, and several
//! clusters that stand for API nodes.

mod roles;
mod watch;

use std::{ops::Deref, time::Duration};

use prepnexus_devstack::{PgNode, RedisServer, Stack, StackConfig};
use prepnexus_storage::{Cluster, ClusterConfig, Deadline};
use prepnexus_testkit::TestDb;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;

use crate::{
    checker::Rows,
    client::{Nodes, SCHEMA},
    error::Error,
    history::Recorder,
    scenarios::Setting,
};

/// For everything that is to happen by itself, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// What a scenario asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Replicas beside the primary.
    pub(crate) replicas: usize,
    /// Whether a commit waits until one replica has applied it.
    pub(crate) synchronous: bool,
    /// API nodes.
    pub(crate) clusters: usize,
    /// Whether there is a Redis.
    pub(crate) redis: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            replicas: 2,
            synchronous: false,
            clusters: 2,
            redis: false,
        }
    }
}

impl Shape {
    /// For API processes, which have routers of their own, and their Redis.
    pub(crate) fn for_site() -> Self {
        Self {
            redis: true,
            clusters: 0,
            ..Self::default()
        }
    }
}

/// Servers, database, routers, and the history they are seen in.
pub(crate) struct Rig {
    pub(crate) nodes: Nodes,
    watchers: Vec<JoinHandle<()>>,
    stop: CancellationToken,
    // Before the servers: dropping it asks one of them.
    db: TestDb,
    stack: Stack,
}

/// What the clients see of it is the API nodes.
impl Deref for Rig {
    type Target = Nodes;

    fn deref(&self) -> &Nodes {
        &self.nodes
    }
}

impl Rig {
    /// Starts servers and routers, and waits until the routers see all of them.
    pub(crate) async fn start(shape: Shape) -> Result<Self, Error> {
        let mut config = StackConfig {
            replicas: shape.replicas,
            synchronous: shape.synchronous,
            redis: shape.redis,
            ..StackConfig::for_tests()
        };
        if !shape.synchronous {
            // A killed server keeps what was committed.
            config.settings = vec![("synchronous_commit".into(), "on".into())];
        }
        let stack = spawn_blocking(move || Stack::start(config)).await??;
        let db = TestDb::on(&stack).await;
        db.psql(SCHEMA).await;
        // A replica that lacks the database at the routers' first look is one that comes back then, and is spared.
        all_caught_up(&stack, 0).await?;
        let clusters = (0..shape.clusters)
            .map(|_| Cluster::start(&Self::timings(db.config_with_replicas())))
            .collect::<Result<Vec<_>, _>>()?;
        let mut rig = Self {
            nodes: Nodes {
                clusters: clusters.into(),
                recorder: Recorder::start(),
                deadline: ClusterConfig::default().default_deadline,
            },
            watchers: Vec::new(),
            stop: CancellationToken::new(),
            db,
            stack,
        };
        rig.all_serve().await?;
        rig.watchers = rig.watch(&rig.stop);
        Ok(rig)
    }

    /// As an embedder gets it: tests of other crates are more patient.
    pub(crate) fn timings(config: ClusterConfig) -> ClusterConfig {
        let usual = ClusterConfig::default();
        ClusterConfig {
            application_name: "chaos".into(),
            connect_timeout: usual.connect_timeout,
            ..config
        }
    }

    /// How the API's role reaches all servers.
    pub(crate) fn config(&self) -> ClusterConfig {
        self.db.config_with_replicas()
    }

    /// Its Redis, where it has one.
    pub(crate) fn redis(&self) -> Option<&RedisServer> {
        self.stack.find_redis()
    }

    /// Does something to its Redis that blocks.
    pub(crate) async fn with_redis<T: Send + 'static>(
        &self,
        work: impl FnOnce(&RedisServer) -> prepnexus_devstack::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let redis = self.redis().cloned().ok_or_else(|| Error::Answer {
            what: "Redis".into(),
            answer: "there is none here".into(),
        })?;
        Ok(spawn_blocking(move || work(&redis)).await??)
    }

    /// How many servers there are.
    pub(crate) fn size(&self) -> usize {
        self.stack.nodes().len()
    }

    pub(crate) fn port(&self, node: usize) -> u16 {
        self.stack.nodes()[node].port()
    }

    pub(crate) fn node(&self, node: usize) -> PgNode {
        self.stack.nodes()[node].clone()
    }

    /// Does something to a server that blocks.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        node: usize,
        work: impl FnOnce(&PgNode) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let node = self.node(node);
        Ok(spawn_blocking(move || work(&node)).await?)
    }

    /// Does something to a server, with another.
    pub(crate) async fn with_two<T: Send + 'static>(
        &self,
        (node, other): (usize, usize),
        work: impl FnOnce(&PgNode, &PgNode) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let other = self.node(other);
        self.with(node, move |node| work(node, &other)).await
    }

    /// Runs SQL in the scenario's database as the superuser.
    pub(crate) async fn psql(&self, node: usize, sql: impl Into<String>) -> Result<String, Error> {
        let (database, sql) = (self.db.database().to_owned(), sql.into());
        let ran = self.with(node, move |node| node.psql_db(&database, &sql));
        Ok(ran.await??)
    }

    /// What a server holds of the clients' writes.
    pub(crate) async fn rows(&self, node: usize) -> Result<Rows, Error> {
        let database = self.db.database().to_owned();
        let reading = self.with(node, move |node| {
            rows_of(|sql| node.psql_db(&database, sql))
        });
        Ok(reading.await??)
    }

    /// Waits until all replicas have what `primary` has now.
    pub(crate) async fn all_caught_up(&self, primary: usize) -> Result<(), Error> {
        all_caught_up(&self.stack, primary).await
    }

    /// Ends everything, whatever state it is in.
    pub(crate) async fn close(self) {
        let Self {
            nodes,
            watchers,
            stop,
            db,
            stack,
        } = self;
        stop.cancel();
        let thawed: Vec<PgNode> = stack.nodes().to_vec();
        let _thawed = spawn_blocking(move || thawed.iter().for_each(PgNode::thaw)).await;
        for watcher in watchers {
            let _ended = watcher.await;
        }
        for cluster in nodes.clusters.iter() {
            cluster.close().await;
        }
        let _dropped = spawn_blocking(move || {
            drop(db);
            drop(stack);
        })
        .await;
    }
}

async fn all_caught_up(stack: &Stack, primary: usize) -> Result<(), Error> {
    let nodes = stack.nodes().to_vec();
    let waiting = spawn_blocking(move || {
        let mut others = (0..nodes.len()).filter(|node| *node != primary);
        others.try_for_each(|node| nodes[node].wait_caught_up_with(&nodes[primary]))
    });
    Ok(waiting.await??)
}

/// What a server holds of the clients' writes, asked by `psql`.
pub(crate) fn rows_of(
    psql: impl Fn(&str) -> prepnexus_devstack::Result<String>,
) -> prepnexus_devstack::Result<Rows> {
    let ids = psql("SELECT id FROM chaos_writes")?;
    let registers = psql("SELECT client, value FROM chaos_registers")?;
    let pair = |line: &str| {
        let (client, value) = line.split_once('|')?;
        Some((client.parse().ok()?, value.parse().ok()?))
    };
    Ok(Rows {
        ids: ids.lines().filter_map(|id| id.parse().ok()).collect(),
        registers: registers.lines().filter_map(pair).collect(),
    })
}

/// Plays `scenario` on a rig of that shape, and closes it whatever came of it. The history is kept as
/// `name` where the setting says so.
pub(crate) async fn on_rig<T>(
    setting: &Setting,
    name: &str,
    shape: Shape,
    scenario: impl AsyncFnOnce(&Rig) -> Result<T, Error>,
) -> Result<T, Error> {
    let rig = Rig::start(shape).await?;
    let outcome = scenario(&rig).await;
    let kept = setting.keep(name, &rig.history());
    rig.close().await;
    let outcome = outcome?;
    kept?;
    Ok(outcome)
}

/// A deadline that nothing reaches.
pub(crate) fn patience() -> Deadline {
    Deadline::after(SOON)
}
