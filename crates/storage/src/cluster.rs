//! The cluster: where a read or a write goes.

mod read;
mod route;
mod write;

use std::{fmt, sync::Arc, time::Duration};

use prepnexus_health::BreakerState;
use route::Route;
use tokio::{runtime::Handle, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
pub use write::{AsStorageError, Committed};

use crate::{
    budget::RetryBudget,
    config::{ClusterConfig, NodeAddr},
    connect::Connector,
    deadline::Deadline,
    error::Error,
    keeper,
    metric::Routes,
    monitor::Monitor,
    node::{Node, PoolStatus},
    patience::Patience,
    read::{ReadConn, Surroundings},
    router,
    slow::SlowQueries,
    token::Token,
    topology::{NodeView, Role, Topology},
};

/// The longest [`Cluster::close`] waits for what is under way.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// How fresh a read must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Freshness {
    /// Whatever a healthy node has.
    #[default]
    Any,
    /// At least what the token names.
    AtLeast(Token),
    /// What the primary has now.
    Primary,
}

/// One node as an operator sees it.
#[derive(Debug, Clone)]
pub struct NodeStatus {
    /// What the monitor last saw.
    pub view: NodeView,
    /// Whether users' requests are let through.
    pub breaker: BreakerState,
    /// The pool.
    pub pool: PoolStatus,
}

/// All nodes of one PostgreSQL cluster: cheap to clone, all clones are the same one.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    nodes: Vec<Arc<Node>>,
    monitor: Arc<Monitor>,
    routes: Routes,
    budget: RetryBudget,
    patience: Patience,
    database: Box<str>,
    default_deadline: Duration,
    slow_start: Duration,
    token_wait: Duration,
    unknown_commit_wait: Duration,
    tasks: TaskTracker,
    around: Arc<Surroundings>,
    stop: CancellationToken,
}

/// Without [`Cluster::close`], whoever still watches nodes for a cluster that is gone stops.
impl Drop for Inner {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = self.0.nodes.iter().map(|node| &node.label);
        f.debug_list().entries(nodes).finish()
    }
}

impl Cluster {
    /// Begins to watch the nodes. Needs none of them to be up: it finds them when they are.
    ///
    /// Must be called inside a tokio runtime; its tasks end with [`Cluster::close`].
    ///
    /// # Errors
    /// [`Error::Config`] or [`Error::Tls`] when the configuration can't be used.
    pub fn start(config: &ClusterConfig) -> Result<Self, Error> {
        let connector = Connector::new(config)?;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let around = Arc::new(Surroundings {
            tls: connector.tls(),
            tasks: tasks.clone(),
            runtime: Handle::current(),
            statement_timeout: config.statement_timeout,
            slow: SlowQueries::new(config.slow_query),
            prepares: !config.pooler,
        });
        let node = |addr: &NodeAddr| Node::new(addr.clone(), &connector, Arc::clone(&around));
        let nodes = config.nodes.iter().map(|addr| node(addr).map(Arc::new));
        let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
        let monitor = Arc::new(Monitor::new(nodes.clone(), connector));
        for (index, node) in nodes.iter().enumerate() {
            tasks.spawn(Arc::clone(&monitor).watch(index, stop.clone()));
            let keeping = keeper::keep(Arc::clone(node), Arc::clone(&monitor), index);
            tasks.spawn(stop.clone().run_until_cancelled_owned(keeping));
        }
        Ok(Self(Arc::new(Inner {
            nodes,
            monitor,
            routes: Routes::default(),
            budget: RetryBudget::default(),
            patience: Patience::default(),
            database: config.database.as_str().into(),
            default_deadline: config.default_deadline,
            slow_start: config.slow_start,
            token_wait: config.token_wait,
            unknown_commit_wait: config.unknown_commit_wait,
            tasks,
            around,
            stop,
        })))
    }

    /// A deadline as long from now as the configuration says.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        Deadline::after(self.0.default_deadline)
    }

    /// Waits until a primary is known.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the deadline passes before, with what each node said.
    pub async fn wait_for_primary(&self, deadline: Deadline) -> Result<(), Error> {
        let waiting = self
            .0
            .monitor
            .wait_for(|topology| topology.primary.is_some());
        deadline
            .limit("a primary", waiting)
            .await
            .map_err(|_| self.no("primary"))
    }

    /// What the monitor last saw.
    #[must_use]
    pub fn topology(&self) -> Arc<Topology> {
        self.0.monitor.topology()
    }

    /// Whether there is a node that reads are sent to. Asks no database.
    #[must_use]
    pub fn serves_reads(&self) -> bool {
        let topology = self.topology();
        router::primary(&topology, &self.0.nodes).is_some()
            || !router::replicas(&topology, &self.0.nodes).is_empty()
    }

    /// The database's name.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.0.database
    }

    /// Waits until the monitor has looked at a node again.
    pub async fn next_look(&self) {
        self.0.monitor.next_look().await;
    }

    /// All nodes, in the order of the configuration. Asks no database.
    #[must_use]
    pub fn status(&self) -> Vec<NodeStatus> {
        let topology = self.topology();
        let views = topology.nodes.iter().cloned();
        views
            .zip(&self.0.nodes)
            .map(|(view, node)| NodeStatus {
                view,
                breaker: node.breaker.state(),
                pool: node.pool.status(),
            })
            .collect()
    }

    /// Stops the monitor, waits up to ten seconds for commits and cancellations that are under
    /// way, and closes all connections.
    pub async fn close(&self) {
        self.0.stop.cancel();
        self.0.tasks.close();
        if timeout(CLOSE_LIMIT, self.0.tasks.wait()).await.is_err() {
            tracing::warn!("closed without waiting longer for a server that doesn't answer");
        }
        for node in &self.0.nodes {
            node.pool.close();
        }
    }

    /// The topology; before the first look at all nodes is over, waits for it.
    async fn topology_by(&self, deadline: Deadline) -> Result<Arc<Topology>, Error> {
        let topology = self.0.monitor.topology();
        if topology.primary.is_some() {
            return Ok(topology);
        }
        deadline
            .limit("a primary", self.0.monitor.first_look())
            .await?;
        Ok(self.0.monitor.topology())
    }

    /// What took long.
    pub(crate) fn slow(&self) -> &SlowQueries {
        &self.0.around.slow
    }

    /// A connection to that node, in that role.
    pub(crate) async fn connect_to(
        &self,
        index: usize,
        role: Role,
        deadline: Deadline,
    ) -> Result<ReadConn, Error> {
        let lease = self.0.nodes[index].acquire(deadline).await?;
        Ok(ReadConn::new(lease, role, deadline))
    }

    /// A connection to the node that was chosen.
    async fn connect(
        &self,
        &Route {
            index,
            role,
            reason,
        }: &Route,
        deadline: Deadline,
    ) -> Result<ReadConn, Error> {
        let node = &self.0.nodes[index];
        let lease = node.acquire(deadline).await?;
        if !self.0.monitor.is_still(index, role) {
            // It was waited for, and is not what it was chosen as.
            return Err(Error::went_away(&node.label));
        }
        node.waits.note(&node.label, lease.waited);
        self.0.routes.note(role, reason);
        Ok(ReadConn::new(lease, role, deadline))
    }

    pub(crate) fn no(&self, wanted: &'static str) -> Error {
        let topology = self.topology();
        let reasons = topology.nodes.iter().map(|node| {
            let error = node.last_error.as_deref().unwrap_or("no error");
            format!(
                "{} is {} ({}): {error}",
                node.addr,
                node.state.as_str(),
                node.role.as_str()
            )
        });
        Error::Unavailable {
            wanted,
            reason: reasons.collect::<Vec<_>>().join("; "),
        }
    }
}
