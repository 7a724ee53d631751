//! The service: what the use cases share.

use std::{fmt, sync::Arc};

use prepnexus_cache::RedisPool;
use prepnexus_domain::{Clock, cursor::CursorSigner};
use prepnexus_storage::{Cluster, Deadline, NodeStatus, ReadConn, signing};
use tokio::sync::OnceCell;

use crate::{
    error::ContentError,
    session::{OwnWrites, Session},
};

/// All use cases. Cheap to clone; all clones are the same service.
#[derive(Clone)]
pub struct Content(Arc<Inner>);

struct Inner {
    cluster: Cluster,
    redis: Option<RedisPool>,
    clock: Arc<dyn Clock>,
    signer: OnceCell<CursorSigner>,
    own_writes: OwnWrites,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content")
            .field("cluster", &self.0.cluster)
            .finish_non_exhaustive()
    }
}

impl Content {
    /// The service over a database cluster, with Redis where there is one.
    #[must_use]
    pub fn new(cluster: Cluster, redis: Option<RedisPool>, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner {
            cluster,
            redis,
            clock,
            signer: OnceCell::new(),
            own_writes: OwnWrites::default(),
        }))
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

    /// Whether a cache server is configured.
    #[must_use]
    pub fn has_redis(&self) -> bool {
        self.0.redis.is_some()
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

    /// Signs cursors with the secret all processes share; asked for once.
    pub(crate) async fn signer(&self, session: &Session) -> Result<&CursorSigner, ContentError> {
        let load = || async {
            let find = async |conn: &ReadConn| Ok(signing::secret(conn).await?);
            let secret = self.read(session, find).await?;
            Ok::<_, ContentError>(CursorSigner::new(secret.expose()))
        };
        self.0.signer.get_or_try_init(load).await
    }
}
