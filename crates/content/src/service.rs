//! The service: what the use cases share.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use prepnexus_cache::{Cache, CacheConfig, Hints, RedisPool};
use prepnexus_domain::Clock;
use prepnexus_storage::{
    ChangeFeed, Cluster, Deadline, FeedConfig, NodeStatus, ReadConn, Token, backups, feed::Change,
};
use tokio::sync::OnceCell;

use crate::{
    error::ContentError, gate::Gate, inspector::Inspected, operator::Signers, session::OwnWrites,
    views::Views,
};

/// All use cases. Cheap to clone; all clones are the same service.
#[derive(Clone)]
pub struct Content(Arc<Inner>);

struct Inner {
    cluster: Cluster,
    feed: ChangeFeed,
    cache: Cache<ContentError>,
    /// Where there is a Redis.
    hints: Option<Hints>,
    clock: Arc<dyn Clock>,
    signers: OnceCell<Signers>,
    own_writes: OwnWrites,
    views: Views,
    gate: Gate,
    inspected: Mutex<Option<Arc<Inspected>>>,
    backups: Mutex<Option<Arc<backups::Overview>>>,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("cluster", &self.0.cluster)
            .finish_non_exhaustive()
    }
}

impl Content {
    /// The service over a database cluster, with Redis where there is one. It begins to follow what changes in the
    /// database: end that with [`Content::close`].
    #[must_use]
    pub fn new(
        cluster: Cluster,
        redis: Option<RedisPool>,
        clock: Arc<dyn Clock>,
        mut config: CacheConfig,
    ) -> Self {
        // Transactions are numbered alike in all databases of a cluster: each has its own keys. The number is that of
        // the answers' form.
        config.prefix = format!("{}1:{}:", config.prefix, cluster.database());
        let feed = ChangeFeed::start(cluster.clone(), FeedConfig::default());
        let hints = redis.clone().map(|pool| {
            let feed = feed.clone();
            Hints::listen(pool, format!("{}changes", config.prefix), move || {
                feed.hint();
            })
        });
        Self(Arc::new(Inner {
            feed,
            hints,
            cache: Cache::new(config, redis, Arc::clone(&clock)),
            inspected: Mutex::default(),
            backups: Mutex::default(),
            gate: Gate::new(cluster.status().iter().map(|node| node.pool.max).sum()),
            cluster,
            clock,
            signers: OnceCell::new(),
            own_writes: OwnWrites::default(),
            views: Views::default(),
        }))
    }

    /// Stops following changes, and waits for the loads that are under way. The cluster stays open.
    pub async fn close(&self) {
        self.0.feed.close().await;
        if let Some(hints) = &self.0.hints {
            hints.close().await;
        }
        self.0.cache.close().await;
    }

    /// A deadline as long from now as the cluster's configuration says.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        self.0.cluster.deadline()
    }

    /// All database nodes as last seen. Asks no database.
    #[must_use]
    pub fn database_status(&self) -> Vec<NodeStatus> {
        self.0.cluster.status()
    }

    /// What the last look at the database's statistics found. Asks no database.
    #[must_use]
    pub fn inspected(&self) -> Option<Arc<Inspected>> {
        lock(&self.0.inspected).clone()
    }

    pub(crate) fn remember(&self, inspected: Arc<Inspected>) {
        *lock(&self.0.inspected) = Some(inspected);
    }

    /// What the last look at the records of backups found. Asks no database.
    #[must_use]
    pub fn backups(&self) -> Option<Arc<backups::Overview>> {
        lock(&self.0.backups).clone()
    }

    pub(crate) fn remember_backups(&self, seen: Arc<backups::Overview>) {
        *lock(&self.0.backups) = Some(seen);
    }

    /// Whether a cache server is configured.
    #[must_use]
    pub fn has_redis(&self) -> bool {
        self.0.hints.is_some()
    }

    /// The clock the use cases go by.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.0.cluster
    }

    pub(crate) fn own_writes(&self) -> &OwnWrites {
        &self.0.own_writes
    }

    /// Takes in a change that was committed with that token, here at once, and has the other processes look.
    pub(crate) fn apply(&self, change: &Change, token: Token) {
        self.0.feed.apply(change, token);
        if let Some(hints) = &self.0.hints {
            hints.tell();
        }
    }

    pub(crate) fn views(&self) -> &Views {
        &self.0.views
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.0.gate
    }

    pub(crate) fn feed(&self) -> &ChangeFeed {
        &self.0.feed
    }

    pub(crate) fn cache(&self) -> &Cache<ContentError> {
        &self.0.cache
    }

    /// What the service signs with; asked for once.
    pub(crate) async fn signers(&self, conn: &ReadConn) -> Result<&Signers, ContentError> {
        Signers::of(&self.0.signers, conn).await
    }

    /// The same, if it was asked for before.
    pub(crate) fn known_signers(&self) -> Option<&Signers> {
        self.0.signers.get()
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
