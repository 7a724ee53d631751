//! How to reach Redis, and how long to wait for it.
//!
//! A plain struct: it is filled in by a program and reads no environment. The password shows in
//! neither `Debug` nor any error; an error names the field and what it must be, never the value,
//! because a mistyped URL may have the password anywhere.
//!
//! The server must speak RESP3: Redis 6 or newer, or Valkey. TLS is rustls with the process's crypto provider; if it has
//! chosen none, ring.

mod password;
mod tls;
mod topology;
mod url;

use std::time::Duration;

use prepnexus_health::BreakerConfig;

pub use password::Password;
pub use tls::{ClientCertificate, Tls};
pub use topology::{RedisAddr, Sentinels, Topology};

/// The settings of a [`RedisPool`](crate::RedisPool).
#[derive(Debug, Clone, PartialEq)]
pub struct RedisConfig {
    /// Where it is (a server at `127.0.0.1:6379`).
    pub topology: Topology,
    /// An ACL user; needs a password.
    pub username: Option<String>,
    /// The password of that user, or of the default one.
    pub password: Option<Password>,
    /// The database number (0).
    pub database: u8,
    /// TLS; plain TCP without it.
    pub tls: Option<Tls>,
    /// Connections kept open (3). Each carries any number of commands at once, so that few are enough.
    pub pool_size: u32,
    /// The longest wait for a reply (50 ms). A connection that exceeds it is replaced.
    pub response_timeout: Duration,
    /// The longest wait for a connection from the pool (100 ms).
    pub checkout_timeout: Duration,
    /// The longest that connecting may take, from name resolution to the end of the handshake (500 ms). Sentinels are asked
    /// within it, and share it; each node of a cluster has a quarter of it.
    pub connect_timeout: Duration,
    /// When to stop asking, and how often to probe then. The cap on the back-off is lower (1 s) than
    /// a breaker's usual one: a PING costs nothing, and a cold cache does.
    pub breaker: BreakerConfig,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            topology: Topology::Standalone(RedisAddr::default()),
            username: None,
            password: None,
            database: 0,
            tls: None,
            pool_size: 3,
            response_timeout: Duration::from_millis(50),
            checkout_timeout: Duration::from_millis(100),
            connect_timeout: Duration::from_millis(500),
            breaker: BreakerConfig {
                backoff_cap: Duration::from_secs(1),
                ..BreakerConfig::default()
            },
        }
    }
}

/// A setting that can't be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct ConfigError {
    /// The field of [`RedisConfig`], or `url`.
    pub field: &'static str,
    /// What it must be. Never the value.
    pub problem: String,
}

impl ConfigError {
    pub(crate) fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self {
            field,
            problem: problem.into(),
        }
    }
}

impl RedisConfig {
    /// Reads `redis://[[user]:password@]host[:port][/database]`, or `rediss://…` for TLS; everything else is the default.
    ///
    /// # Errors
    ///
    /// The part that is wrong. Query parameters are refused, as none has a meaning here.
    pub fn from_url(url: &str) -> Result<Self, ConfigError> {
        let config = url::parse(url)?;
        config.validate()?;
        Ok(config)
    }

    /// Refuses settings that can't be meant.
    ///
    /// # Errors
    ///
    /// The first wrong field and what it must be.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.topology.validate()?;
        let checks = [
            (
                self.username.is_none() || self.password.is_some(),
                "username",
                "needs a password (for the default user write redis://:password@host)",
            ),
            (
                self.database == 0 || !matches!(self.topology, Topology::Cluster(_)),
                "database",
                "must be 0: a cluster has no other",
            ),
            (
                (1..=64).contains(&self.pool_size),
                "pool_size",
                "must be from 1 to 64",
            ),
            (
                !self.response_timeout.is_zero(),
                "response_timeout",
                "must not be zero",
            ),
            (
                !self.checkout_timeout.is_zero(),
                "checkout_timeout",
                "must not be zero",
            ),
            (
                !self.connect_timeout.is_zero(),
                "connect_timeout",
                "must not be zero",
            ),
        ];
        if let Some((_, field, problem)) = checks.into_iter().find(|(good, ..)| !good) {
            return Err(ConfigError::new(field, problem));
        }
        self.breaker
            .validate()
            .map_err(|error| ConfigError::new("breaker", error.to_string()))
    }

    /// Reads the files that [`tls`](Self::tls) names, and checks that they are of use.
    ///
    /// # Errors
    ///
    /// The first that isn't, by its field: `tls.ca_file` or `tls.client`.
    pub fn check_tls(&self) -> Result<(), ConfigError> {
        self.tls.as_ref().map_or(Ok(()), |tls| tls.read().map(drop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(RedisConfig::default().validate(), Ok(()));
    }

    fn watched(master: &str, nodes: Vec<RedisAddr>) -> Topology {
        Topology::Sentinel(Sentinels {
            nodes,
            master: master.to_owned(),
            password: None,
        })
    }

    #[test]
    fn a_wrong_field_is_named() {
        type Spoil = fn(&mut RedisConfig);
        let wrong: [(&str, Spoil); 11] = [
            ("host", |c| {
                c.topology = Topology::Standalone(RedisAddr::new("a b", 6379));
            }),
            ("port", |c| {
                c.topology = Topology::Standalone(RedisAddr::new("a", 0));
            }),
            ("sentinels", |c| c.topology = watched("cache", Vec::new())),
            ("master", |c| {
                c.topology = watched("", vec![RedisAddr::new("a", 26379)]);
            }),
            ("username", |c| c.username = Some("reader".to_owned())),
            ("cluster", |c| c.topology = Topology::Cluster(Vec::new())),
            ("database", |c| {
                c.topology = Topology::Cluster(vec![RedisAddr::default()]);
                c.database = 1;
            }),
            ("pool_size", |c| c.pool_size = 0),
            ("response_timeout", |c| c.response_timeout = Duration::ZERO),
            ("connect_timeout", |c| c.connect_timeout = Duration::ZERO),
            ("breaker", |c| c.breaker.failure_rate = 2.0),
        ];
        for (field, spoil) in wrong {
            let mut config = RedisConfig::default();
            spoil(&mut config);
            assert_eq!(config.validate().unwrap_err().field, field);
        }
    }

    #[test]
    fn debug_shows_no_password() {
        let config = RedisConfig {
            password: Some("hunter2".into()),
            ..RedisConfig::default()
        };
        let shown = format!("{config:?}");
        assert!(
            shown.contains("***") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
