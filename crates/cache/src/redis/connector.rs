//! Opens connections to wherever Redis is.

use std::time::Duration;

use tokio::time::timeout;

use super::cluster::Nodes;
use super::dial::{Dialer, OnPush};
use super::handle::Handle;
use super::sentinel::Finder;
use crate::config::{ConfigError, RedisAddr, RedisConfig, Topology};

/// Knows where Redis is, and connects within a limit.
#[derive(Clone)]
pub(super) struct Connector {
    way: Way,
    limit: Duration,
}

#[derive(Clone)]
enum Way {
    Standalone(Dialer, RedisAddr),
    Sentinel(Finder),
    Cluster(Nodes),
}

impl Connector {
    /// To where `config` says; connects to nothing yet.
    pub(super) fn new(config: &RedisConfig) -> Result<Self, ConfigError> {
        let dialer = Dialer::new(config)?;
        let way = match &config.topology {
            Topology::Standalone(addr) => Way::Standalone(dialer, addr.clone()),
            Topology::Sentinel(sentinels) => Way::Sentinel(Finder::new(sentinels, dialer)),
            Topology::Cluster(nodes) => Way::Cluster(Nodes::new(nodes, dialer, config)),
        };
        let limit = config.connect_timeout;
        Ok(Self { way, limit })
    }

    /// A connection, or why there is none. `on_push` hears what the server says unasked, and that the connection is lost.
    pub(super) async fn open(&self, on_push: OnPush) -> Result<Handle, String> {
        let connecting = async {
            let server = match &self.way {
                Way::Standalone(dialer, addr) => dialer.connect(addr, on_push).await,
                Way::Sentinel(finder) => finder.connect(&on_push, self.limit).await,
                Way::Cluster(nodes) => return nodes.connect(on_push).await.map(Handle::Cluster),
            };
            server.map(Handle::Server)
        };
        match timeout(self.limit, connecting).await {
            Ok(opened) => opened,
            Err(_elapsed) => {
                let limit = self.limit.as_millis();
                Err(format!("connecting took longer than {limit} ms"))
            }
        }
    }
}
