//! Where Redis is: the one list of what a connection can be made to.

use std::fmt;

use super::{ConfigError, Password};

/// Where Redis is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topology {
    /// One server, or an address that leads to whichever is in charge.
    Standalone(RedisAddr),
    /// The server that sentinels call the master.
    Sentinel(Sentinels),
    /// Some nodes of a cluster, or all, from which the others are found.
    Cluster(Vec<RedisAddr>),
}

/// The sentinels that watch a master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentinels {
    /// Some of them, or all (port 26379 is usual). They are asked in turn.
    pub nodes: Vec<RedisAddr>,
    /// What they call the master.
    pub master: String,
    /// Their own password, if they have one: the master's is not told to them.
    pub password: Option<Password>,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisAddr {
    /// A name or an address (`127.0.0.1`).
    pub host: String,
    /// The TCP port (6379).
    pub port: u16,
}

impl RedisAddr {
    /// `port` of `host`.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        let host = host.into();
        Self { host, port }
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let host = &self.host;
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c == '/') {
            return Err(ConfigError::new(
                "host",
                "must be a host name or an address",
            ));
        }
        if self.port == 0 {
            return Err(ConfigError::new("port", "must be from 1 to 65535"));
        }
        Ok(())
    }
}

impl Default for RedisAddr {
    fn default() -> Self {
        Self::new("127.0.0.1", 6379)
    }
}

impl fmt::Display for RedisAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

impl Topology {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        match self {
            Self::Standalone(addr) => addr.validate(),
            Self::Sentinel(sentinels) => {
                if sentinels.master.is_empty() {
                    let problem = "must be what the sentinels call the master";
                    return Err(ConfigError::new("master", problem));
                }
                validate_all("sentinels", &sentinels.nodes)
            }
            Self::Cluster(nodes) => validate_all("cluster", nodes),
        }
    }
}

fn validate_all(field: &'static str, nodes: &[RedisAddr]) -> Result<(), ConfigError> {
    if nodes.is_empty() {
        return Err(ConfigError::new(field, "must name at least one"));
    }
    nodes.iter().try_for_each(RedisAddr::validate)
}
