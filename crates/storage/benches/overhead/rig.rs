//! Servers of the benchmark's own, and the two ways to them: direct, and through a proxy that delays.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use prepnexus_devstack::{PgNode, Proxy, Stack, StackConfig};
use prepnexus_storage::{Cluster, ClusterConfig, Deadline, NodeAddr, SslMode};
use prepnexus_testkit::{TestDb, wait_until};
use tokio_postgres::NoTls;

use crate::{
    cancel::cancellations,
    work::{ARTICLES, Operation, Target},
};

/// Connections of each pool.
pub(crate) const POOL: usize = 16;
/// What the proxy adds in each direction.
const DELAY: Duration = Duration::from_millis(25);
/// Operations whose statements, and whose round trips, are counted.
const COUNTED: i64 = 500;
const TIMED: i64 = 20;
const SOON: Duration = Duration::from_secs(30);

/// The servers, and a cluster and a bare pool to each end of the way there.
pub(crate) struct Rig {
    direct: Way,
    delayed: Way,
    proxies: Vec<Proxy>,
    /// Whose statements are counted: the one that reads go to.
    serving: PgNode,
    // In this order: the database is dropped before its servers end.
    db: TestDb,
    _stack: Stack,
}

struct Way {
    cluster: Cluster,
    pool: Pool,
}

impl Rig {
    pub(crate) async fn start(replicas: usize) -> Result<Self> {
        let config = StackConfig {
            replicas,
            ..StackConfig::for_tests()
        };
        let stack = tokio::task::spawn_blocking(|| Stack::start(config)).await??;
        let db = TestDb::on(&stack).await;
        fill(&db).await;
        for replica in &stack.nodes()[1..] {
            let (replica, primary) = (replica.clone(), stack.primary().clone());
            tokio::task::spawn_blocking(move || replica.wait_caught_up_with(&primary)).await??;
        }
        let proxies = stack.nodes().iter().map(|node| Proxy::start(node.addr()));
        let proxies = proxies.collect::<Result<Vec<_>, _>>()?;
        let delayed_nodes = proxies.iter().map(|proxy| proxy.addr().port());
        let config = ClusterConfig {
            ssl_mode: SslMode::Disable,
            pool_size: POOL,
            pool_min_idle: POOL,
            ..db.config_with_replicas()
        };
        let delayed = ClusterConfig {
            nodes: delayed_nodes.map(on_this_machine).collect(),
            probe_timeout: Duration::from_secs(5),
            ..config.clone()
        };
        Ok(Self {
            direct: Way::open(&config).await?,
            delayed: Way::open(&delayed).await?,
            proxies,
            serving: stack.nodes().last().context("a stack has nodes")?.clone(),
            db,
            _stack: stack,
        })
    }

    pub(crate) fn ours(&self, operation: Operation) -> [Target; 2] {
        [&self.direct, &self.delayed].map(|way| Target::Storage(way.cluster.clone(), operation))
    }

    pub(crate) fn bare(&self, operation: Operation) -> [Target; 2] {
        [&self.direct, &self.delayed].map(|way| Target::Bare(way.pool.clone(), operation))
    }

    /// Statements for each operation, as the server counts them; those of the monitor aside.
    pub(crate) async fn statements(&self, target: &[Target; 2]) -> Result<f64> {
        let before = self.calls().await?;
        for id in 0..COUNTED {
            target[0].run(id % ARTICLES).await?;
        }
        let calls = self.calls().await? - before;
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        Ok(calls as f64 / COUNTED as f64)
    }

    /// Round trips for each operation: the time of the quickest, with a delay beside which all else is short.
    pub(crate) async fn round_trips(&self, target: &[Target; 2]) -> Result<f64> {
        // Connections, and prepared statements: what only the first operation pays for.
        let warming = (0..8 * POOL).map(|_| target[1].run(1));
        futures_util::future::try_join_all(warming).await?;
        self.proxies.iter().for_each(|proxy| proxy.set_delay(DELAY));
        let mut quickest = f64::INFINITY;
        for id in 0..TIMED {
            let began = Instant::now();
            target[1].run(id).await?;
            quickest = quickest.min(began.elapsed().as_secs_f64());
        }
        let undelayed = |proxy: &Proxy| proxy.set_delay(Duration::ZERO);
        self.proxies.iter().for_each(undelayed);
        Ok(quickest / (2.0 * DELAY.as_secs_f64()))
    }

    /// See [`cancellations`].
    pub(crate) async fn cancellations(&self) -> Result<Vec<f64>> {
        cancellations(&self.direct.cluster, &*self.direct.pool.get().await?).await
    }

    pub(crate) async fn stop(self) {
        for way in [self.direct, self.delayed] {
            way.cluster.close().await;
            way.pool.close();
        }
    }

    async fn calls(&self) -> Result<i64> {
        let database = self.db.database().to_owned();
        let serving = self.serving.clone();
        let sql = "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
            WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND rolname <> 'postgres'
              AND query NOT LIKE '%pg_stat_wal_receiver%' AND query NOT LIKE 'SELECT pg_last_wal_replay_lsn()%'";
        let asked = tokio::task::spawn_blocking(move || serving.psql_db(&database, sql));
        Ok(asked.await??.parse()?)
    }
}

impl Way {
    async fn open(config: &ClusterConfig) -> Result<Self> {
        let cluster = Cluster::start(config)?;
        cluster.wait_for_primary(Deadline::after(SOON)).await?;
        // The last node, as the cluster chooses it: the replica where there is one.
        let node = config.nodes.last().context("there are nodes")?;
        let mut driver = tokio_postgres::Config::new();
        driver
            .host(&node.host)
            .port(node.port)
            .dbname(&config.database);
        driver.user(&config.user);
        if let Some(password) = &config.password {
            driver.password(password.expose());
        }
        // What the cluster sets for its own sessions: a server's timeout costs it a little, whoever asked.
        let timeout = config.statement_timeout.as_millis();
        driver.options(format!(
            "-c statement_timeout={timeout} -c idle_in_transaction_session_timeout={timeout} -c TimeZone=UTC"
        ));
        let recycling_method = RecyclingMethod::Fast;
        let manager = Manager::from_config(driver, NoTls, ManagerConfig { recycling_method });
        let pool = Pool::builder(manager).max_size(POOL).build()?;
        // Until then, reads would go to the primary.
        wait_until("all nodes", SOON, async || {
            cluster
                .topology()
                .nodes
                .iter()
                .all(|node| node.state == prepnexus_storage::NodeState::Up)
        })
        .await;
        Ok(Self { cluster, pool })
    }
}

fn on_this_machine(port: u16) -> NodeAddr {
    NodeAddr {
        host: "127.0.0.1".into(),
        port,
    }
}

async fn fill(db: &TestDb) {
    db.psql(&format!(
        "CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
         CREATE TABLE articles (
             id bigint PRIMARY KEY, slug text NOT NULL, title text NOT NULL, excerpt text NOT NULL, body text NOT NULL,
             views bigint NOT NULL DEFAULT 0, tags text[] NOT NULL,
             created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now()
         ) WITH (fillfactor = 50);
         INSERT INTO articles (id, slug, title, excerpt, body, tags)
         SELECT id, 'article-' || id, 'How to answer question ' || id, repeat('An excerpt. ', 15),
                (SELECT string_agg(md5((id * 100 + n)::text), ' ') FROM generate_series(1, 60) n), '{{interview,career,rust}}'
         FROM generate_series(0, {}) id;
         GRANT ALL ON articles TO prepnexus_api",
        ARTICLES - 1
    ))
    .await;
    // A statement of its own: not in a transaction.
    db.psql("VACUUM (ANALYZE) articles").await;
}
