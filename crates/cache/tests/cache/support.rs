//! A Redis to test against, and waiting for a condition instead of for a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use prepnexus_cache::{RedisAddr, RedisConfig, RedisMonitor, RedisPool, Topology};
use prepnexus_devstack::{RedisServer, Stack, StackConfig};
use prepnexus_domain::SystemClock;
use prepnexus_health::{BreakerConfig, Registry, Status};

pub(crate) const COMPONENT: &str = prepnexus_cache::redis::COMPONENT;

/// A running redis-server, stopped when dropped.
pub(crate) struct Redis {
    pub(crate) server: RedisServer,
    _stack: Stack,
}

impl Redis {
    pub(crate) fn start() -> Result<Self> {
        let config = StackConfig {
            redis: true,
            ..StackConfig::for_tests()
        };
        let stack = Stack::start(config)?;
        let server = stack.redis().clone();
        Ok(Self {
            server,
            _stack: stack,
        })
    }

    /// The settings a program would use.
    pub(crate) fn config(&self) -> RedisConfig {
        at("127.0.0.1", self.server.port())
    }

    /// The same with limits that no busy machine exceeds.
    pub(crate) fn patient_config(&self) -> RedisConfig {
        patient(self.config())
    }

    /// How many connections the server has, without the one that asks.
    pub(crate) fn connections(&self) -> Result<usize> {
        Ok(self
            .server
            .cli(&["CLIENT", "LIST", "TYPE", "normal"])?
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.contains("cmd=client"))
            .count())
    }
}

/// The settings for one server.
pub(crate) fn at(host: &str, port: u16) -> RedisConfig {
    RedisConfig {
        topology: Topology::Standalone(RedisAddr::new(host, port)),
        ..RedisConfig::default()
    }
}

/// The same settings with limits that no busy machine exceeds.
pub(crate) fn patient(config: RedisConfig) -> RedisConfig {
    RedisConfig {
        response_timeout: Duration::from_secs(5),
        checkout_timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
        ..config
    }
}

/// Probes often, so that tests are quick.
pub(crate) fn quick_probes(config: RedisConfig) -> RedisConfig {
    RedisConfig {
        breaker: BreakerConfig {
            backoff_base: Duration::from_millis(20),
            backoff_cap: Duration::from_millis(100),
            ..BreakerConfig::default()
        },
        ..config
    }
}

/// A monitored pool.
pub(crate) fn monitored(config: RedisConfig) -> Result<(RedisPool, Arc<Registry>, RedisMonitor)> {
    let pool = RedisPool::new(config)?;
    let registry = Arc::new(Registry::new(Arc::new(SystemClock)));
    let interval = Duration::from_millis(50);
    let monitor = RedisMonitor::spawn(pool.clone(), Arc::clone(&registry), interval);
    Ok((pool, registry, monitor))
}

pub(crate) fn status(registry: &Registry) -> Status {
    registry
        .get(COMPONENT)
        .expect("the monitor registers it")
        .status
}

/// Polls `condition` until it holds; an error after half a minute.
pub(crate) async fn until(
    what: &str,
    mut condition: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition().await? {
        ensure!(Instant::now() < deadline, "gave up waiting for: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
