//! One server: its pool, its breaker, and what was last seen of it.
//!
//! The pool is deadpool's, with `Fast` recycling: a check at every checkout costs more than the
//! statement it guards. What makes that safe is here: a connection that broke, or whose server
//! changed its role, is not given back; and connections made before the last such change are
//! dropped at their next checkout.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
    TimeoutType, Timeouts,
};
use prepnexus_health::{BreakerConfig, SharedBreaker};

use crate::{
    config::NodeAddr,
    connect::{Connector, PoolConnect},
    deadline::Deadline,
    error::Error,
};

/// The oldest a connection gets, so that none keeps a server's memory, or an old route, for ever.
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 60);

pub(crate) struct Node {
    pub(crate) addr: NodeAddr,
    /// The address as it stands in metrics.
    pub(crate) label: String,
    pub(crate) breaker: SharedBreaker,
    pool: Pool,
    connect_timeout: Duration,
    /// Requests that have a connection or wait for one.
    users: AtomicUsize,
    max_users: usize,
    made_before: Arc<Mutex<Option<Instant>>>,
    last_error: Mutex<Option<String>>,
}

/// The pool of one node in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStatus {
    /// Connections there are.
    pub size: usize,
    /// Those nobody uses.
    pub idle: usize,
    /// Those in use.
    pub in_use: usize,
    /// Requests that wait for one.
    pub waiting: usize,
    /// The most there may be.
    pub max: usize,
}

impl Node {
    pub(crate) fn new(addr: NodeAddr, connector: &Connector) -> Result<Self, Error> {
        let config = connector.config();
        let made_before = Arc::new(Mutex::new(None));
        let manager = Manager::from_connect(
            connector.pool_config(&addr),
            PoolConnect::new(connector),
            ManagerConfig {
                recycling_method: RecyclingMethod::Fast,
            },
        );
        let evicted = Arc::clone(&made_before);
        let pool = Pool::builder(manager)
            .max_size(config.pool_size)
            .runtime(Runtime::Tokio1)
            .pre_recycle(Hook::sync_fn(move |_, metrics| {
                let outdated = lock(&evicted).is_some_and(|moment| metrics.created < moment);
                if outdated || metrics.age() > MAX_LIFETIME {
                    return Err(HookError::message("the connection is too old"));
                }
                Ok(())
            }))
            .build()
            .map_err(|error| Error::Config(error.to_string()))?;
        Ok(Self {
            label: addr.to_string(),
            addr,
            breaker: SharedBreaker::new(BreakerConfig::default()),
            pool,
            connect_timeout: config.connect_timeout,
            users: AtomicUsize::new(0),
            max_users: config.pool_size.saturating_add(config.pool_queue),
            made_before,
            last_error: Mutex::new(None),
        })
    }

    /// A connection from the pool, within `deadline`; at once an error when the queue is full.
    pub(crate) async fn acquire(self: &Arc<Self>, deadline: Deadline) -> Result<Lease, Error> {
        let place = Place::take(self).ok_or_else(|| Error::Saturated {
            node: self.label.clone(),
        })?;
        let left = deadline.left();
        let timeouts = Timeouts {
            wait: Some(left),
            create: Some(self.connect_timeout.min(left)),
            recycle: None,
        };
        // The pool's limits follow one another; together they must not outlast the deadline.
        let getting = self.pool.timeout_get(&timeouts);
        let object = deadline.limit("a connection", getting).await?;
        let object = object.map_err(|error| self.no_connection(error, left))?;
        Ok(Lease { object, place })
    }

    /// What it means that the pool has no connection; `left` is how long it was given.
    fn no_connection(&self, error: PoolError, left: Duration) -> Error {
        match error {
            PoolError::Timeout(kind) => {
                let error = Error::Deadline {
                    waiting_for: "a connection",
                };
                // A request in a hurry says nothing about the node.
                if matches!(kind, TimeoutType::Create) && left >= self.connect_timeout {
                    self.on_failure(&error);
                }
                error
            }
            PoolError::Backend(error) => {
                let error = Error::from_connecting(error);
                match error {
                    // It answers: a login refused, or too many connections.
                    Error::Sql { .. } => self.set_last_error(error.chain()),
                    _ => self.on_failure(&error),
                }
                error
            }
            PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                Error::Unavailable {
                    wanted: "node",
                    reason: "the pool is closed".into(),
                }
            }
        }
    }

    /// Counts a failure of the node itself; a query's own error never comes here.
    pub(crate) fn on_failure(&self, error: &Error) {
        *lock(&self.last_error) = Some(error.chain());
        self.breaker.on_failure(Instant::now());
    }

    /// Lets no connection made before now be used again.
    pub(crate) fn evict_all(&self) {
        *lock(&self.made_before) = Some(Instant::now());
    }

    pub(crate) fn set_last_error(&self, error: String) {
        *lock(&self.last_error) = Some(error);
    }

    pub(crate) fn last_error(&self) -> Option<String> {
        lock(&self.last_error).clone()
    }

    pub(crate) fn pool_status(&self) -> PoolStatus {
        let status = self.pool.status();
        PoolStatus {
            size: status.size,
            idle: status.available,
            in_use: status.size.saturating_sub(status.available),
            waiting: status.waiting,
            max: status.max_size,
        }
    }

    pub(crate) fn close(&self) {
        self.pool.close();
    }
}

/// A connection of the pool, and its user's place among those the node serves.
pub(crate) struct Lease {
    pub(crate) object: Object,
    pub(crate) place: Place,
}

/// One of the places that connections and the queue have together, until it is dropped.
pub(crate) struct Place(Arc<Node>);

impl Place {
    fn take(node: &Arc<Node>) -> Option<Self> {
        let place = Self(Arc::clone(node));
        let before = node.users.fetch_add(1, Ordering::Relaxed);
        (before < node.max_users).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.users.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What these locks guard is replaced as a whole, so that a panic leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
