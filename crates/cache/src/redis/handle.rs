//! What a connection is made of: to one server, or to all nodes of a cluster.

use bb8_redis::redis::aio::MultiplexedConnection;
use bb8_redis::redis::cluster_async::ClusterConnection;
use bb8_redis::redis::{Cmd, FromRedisValue, RedisResult};

/// A handle of the client's. Any number of clones may send at once.
#[derive(Clone)]
pub(super) enum Handle {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Handle {
    /// Sends `command` and waits for its reply; for how long is the caller's affair.
    pub(super) async fn query<T: FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        match self {
            Self::Server(server) => command.query_async(server).await,
            Self::Cluster(cluster) => command.query_async(cluster).await,
        }
    }

    /// Listens on `channel`, of a cluster by the node that has its slot. Doing it again does no harm, and shows that who
    /// would speak is there.
    pub(super) async fn subscribe(&mut self, channel: &str) -> RedisResult<()> {
        match self {
            Self::Server(server) => server.subscribe(channel).await,
            Self::Cluster(cluster) => cluster.subscribe(channel).await,
        }
    }
}
