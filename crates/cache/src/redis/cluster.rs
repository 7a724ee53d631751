//! Connecting to a cluster: the client finds its nodes, and sends each command to the one that has its key.
//!
//! The client's own patience is shorter than ours, or one node that is frozen would use up the time for all.

use std::sync::Arc;
use std::time::Duration;

use bb8_redis::redis::RedisError;
use bb8_redis::redis::cluster::{ClusterClient, ClusterClientBuilder};
use bb8_redis::redis::cluster_async::ClusterConnection;

use super::dial::{Dialer, OnPush, sender, tcp};
use super::error::describe;
use crate::config::{RedisAddr, RedisConfig};

/// A node that was asked may name another one, which may do the same while slots move. All within the caller's limit.
const REDIRECTIONS: u32 = 3;
/// Before one of these (ms), at random.
const PAUSE_MS: (u64, u64) = (1, 10);
/// Connecting may wait for a silent node twice: among those that were named, and among those that were found.
const SHARES: u32 = 4;

/// Some nodes of a cluster, from which the others are found.
#[derive(Clone)]
pub(super) struct Nodes {
    dialer: Dialer,
    named: Vec<RedisAddr>,
    connect_timeout: Duration,
    response_timeout: Duration,
}

impl Nodes {
    pub(super) fn new(named: &[RedisAddr], dialer: Dialer, config: &RedisConfig) -> Self {
        Self {
            dialer,
            named: named.to_vec(),
            connect_timeout: config.connect_timeout / SHARES,
            response_timeout: config.response_timeout,
        }
    }

    /// Connections to all nodes that are there, if one of the named ones is; or why not.
    pub(super) async fn connect(&self, on_push: OnPush) -> Result<ClusterConnection, String> {
        let client = self.client(on_push).map_err(|error| describe(&error))?;
        match client.get_async_connection().await {
            Ok(cluster) => Ok(cluster),
            Err(error) if error.is_io_error() => Err(self.explain(&error).await),
            Err(error) => Err(format!("no map of the cluster: {}", describe(&error))),
        }
    }

    fn client(&self, on_push: OnPush) -> Result<ClusterClient, RedisError> {
        let nodes: Result<Vec<_>, _> = self
            .named
            .iter()
            .map(|addr| self.dialer.info(addr))
            .collect();
        let mut builder = ClusterClientBuilder::new(nodes?)
            .connection_timeout(self.connect_timeout)
            .response_timeout(self.response_timeout)
            .overall_response_timeout(None)
            .retries(REDIRECTIONS)
            .min_retry_wait(PAUSE_MS.0)
            .max_retry_wait(PAUSE_MS.1)
            .tcp_settings(tcp())
            .push_sender(sender(on_push));
        if let Some(certificates) = self.dialer.certificates() {
            builder = builder.certs(certificates.clone());
        }
        builder.build()
    }

    /// The client's words for a node that could not be connected to may be the node's. So it is asked once more, in ours.
    async fn explain(&self, error: &RedisError) -> String {
        let Some(first) = self.named.first() else {
            return describe(error);
        };
        match self.dialer.connect(first, Arc::new(|_| {})).await {
            Ok(_) => describe(error),
            Err(why) => format!("node {first}: {why}"),
        }
    }
}
