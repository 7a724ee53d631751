//! The connection to Redis: a few multiplexed connections behind a breaker.
//!
//! Invariants:
//!
//! - A connection is checked out only to clone its handle, and is back in the pool before anything
//!   is awaited; a slow reply therefore keeps no one else waiting.
//! - Every wait has a limit of its own: [`checkout_timeout`](crate::RedisConfig::checkout_timeout),
//!   [`response_timeout`](crate::RedisConfig::response_timeout). A frozen server still accepts TCP,
//!   so that nothing but a deadline notices it.
//! - A connection that the server closed, that lost its place in the stream, or that was too slow is
//!   marked broken and leaves the pool at its next check-out, or else with the next probe; there is no PING at check-out.
//! - A master that was demoted is left with its first answer that says so, and each new connection is to whoever is the
//!   master then. Only a connection that is younger than a second is kept: another one would lead to the same place.
//! - An error of the server's own about one command ([`Error::Protocol`]) never counts against it, nor does
//!   a lost connection: if the server went with it, connecting anew will fail, and that counts.
//!
//! Deliberately absent: retries, but for a cluster's redirections, which are within the same limit. A cache that fails is a miss, and the caller's next step is known.

mod cluster;
mod connection;
mod connector;
mod dial;
mod error;
mod handle;
mod hints;
mod manager;
mod monitor;
mod sentinel;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bb8::QueueStrategy;
use bb8_redis::redis::{Cmd, FromRedisValue, cmd};
use bytes::Bytes;
use prepnexus_health::{BreakerState, SharedBreaker};
use tokio::time::timeout;

use crate::config::{ConfigError, RedisConfig};
use crate::metric::{self, Lookup};
use connection::Connection;
use connector::Connector;
pub use error::Error;
pub use hints::Hints;
use manager::{ConnectFailures, Manager};
pub use monitor::{COMPONENT, RedisMonitor};

/// A handle on the pool; clones share it.
#[derive(Clone)]
pub struct RedisPool {
    shared: Arc<Shared>,
}

struct Shared {
    pool: bb8::Pool<Manager>,
    connector: Connector,
    breaker: SharedBreaker,
    connect_failures: ConnectFailures,
    checkout_timeout: Duration,
    response_timeout: Duration,
}

impl RedisPool {
    /// A pool that begins to connect in the background. That Redis is away is not an error.
    ///
    /// # Errors
    ///
    /// Settings that can't be meant.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub fn new(config: RedisConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let connector = Connector::new(&config)?;
        let connect_failures = ConnectFailures::default();
        let manager = Manager::new(connector.clone(), connect_failures.clone());
        let pool = bb8::Pool::builder()
            .max_size(config.pool_size)
            .min_idle(config.pool_size)
            .test_on_check_out(false)
            .connection_timeout(config.checkout_timeout)
            // One connection while it does well: what is sent at the same time then goes in one packet. The others are at
            // hand when it breaks.
            .queue_strategy(QueueStrategy::Lifo)
            // Without lifetimes there is no reaper: bb8 then runs no task of its own for long.
            .max_lifetime(None)
            .idle_timeout(None)
            .build_unchecked(manager);
        Ok(Self {
            shared: Arc::new(Shared {
                pool,
                connector,
                breaker: SharedBreaker::new(config.breaker),
                connect_failures,
                checkout_timeout: config.checkout_timeout,
                response_timeout: config.response_timeout,
            }),
        })
    }

    /// The value of `key`. Counted as a hit, a miss or an error.
    ///
    /// # Errors
    ///
    /// See [`Error`]; whichever it is, the caller reads the value where it came from.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        let result = self.run(cmd("GET").arg(key)).await;
        metric::count_redis(match &result {
            Ok(Some(_)) => Lookup::Hit,
            Ok(None) => Lookup::Miss,
            Err(_) => Lookup::Error,
        });
        result
    }

    /// Keeps `value` under `key` for `ttl_ms`. With nothing left to live it does nothing.
    ///
    /// # Errors
    ///
    /// See [`Error`]. After a timeout the value may or may not have been stored.
    pub async fn set(&self, key: &str, value: impl AsRef<[u8]>, ttl_ms: u64) -> Result<(), Error> {
        if ttl_ms == 0 {
            return Ok(());
        }
        self.run(
            cmd("SET")
                .arg(key)
                .arg(value.as_ref())
                .arg("PX")
                .arg(ttl_ms),
        )
        .await
    }

    /// Asks Redis whether it answers, whatever the breaker thinks, and without telling it.
    ///
    /// # Errors
    ///
    /// Why not.
    pub async fn ping(&self) -> Result<(), Error> {
        self.attempt(&cmd("PING")).await
    }

    /// A [`ping`](Self::ping) whose outcome moves the breaker; here a lost connection counts too. What is broken is replaced.
    /// For the pool's one owner; see [`RedisMonitor`].
    ///
    /// # Errors
    ///
    /// Why Redis didn't answer.
    pub async fn probe(&self) -> Result<(), Error> {
        self.replace_broken().await;
        let result = self.ping().await;
        let now = Instant::now();
        match &result {
            Err(error) if error.is_unavailable() => self.shared.breaker.on_probe_failure(now),
            Ok(()) | Err(_) => self.shared.breaker.on_probe_success(now),
        };
        result
    }

    /// How long until a probe is due: `None` while the breaker is closed.
    #[must_use]
    pub fn probe_in(&self, now: Instant) -> Option<Duration> {
        self.shared.breaker.probe_in(now)
    }

    /// Where the breaker stands. While it isn't closed, commands fail at once.
    #[must_use]
    pub fn breaker_state(&self) -> BreakerState {
        self.shared.breaker.state()
    }

    /// Sends one command, unless the breaker is open, and tells the breaker how it went.
    pub(crate) async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        let breaker = &self.shared.breaker;
        if !breaker.allows() {
            return Err(Error::Unavailable {
                reason: "the breaker is open".into(),
            });
        }
        let result = self.attempt(command).await;
        let now = Instant::now();
        match &result {
            Err(Error::ConnectionLost) => {}
            Err(error) if error.is_unavailable() => {
                breaker.on_failure(now);
            }
            Ok(_) | Err(_) => {
                breaker.on_success(now);
            }
        }
        result
    }

    async fn attempt<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        let connection = self.connection().await?;
        connection
            .query(command, self.shared.response_timeout)
            .await
    }

    /// Has those leave the pool that are known to be broken, which nobody else comes to: what was used last is used next.
    async fn replace_broken(&self) {
        let pool = &self.shared.pool;
        let mut idle = Vec::new();
        while pool.state().idle_connections > 0 {
            // One is there, or somebody was faster.
            match timeout(Duration::ZERO, pool.get()).await {
                Ok(Ok(checked_out)) => idle.push(checked_out),
                Ok(Err(_)) | Err(_) => break,
            }
        }
        // The pool looks at each that comes back. The last becomes the first.
        while idle.pop().is_some() {}
    }

    /// A handle on a connection that isn't known to be broken. Broken ones leave the pool on the way.
    async fn connection(&self) -> Result<Connection, Error> {
        let search = async {
            loop {
                let checked_out = self.shared.pool.get().await.ok()?;
                if !checked_out.is_broken() {
                    return Some(checked_out.clone());
                }
            }
        };
        let limit = self.shared.checkout_timeout;
        match timeout(limit, search).await {
            Ok(Some(connection)) => Ok(connection),
            Ok(None) | Err(_) => Err(Error::Unavailable {
                reason: self.shared.connect_failures.latest().map_or_else(
                    || format!("no connection within {} ms", limit.as_millis()).into(),
                    Into::into,
                ),
            }),
        }
    }
}

impl fmt::Debug for RedisPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.pool.state();
        f.debug_struct("RedisPool")
            .field("breaker", &self.breaker_state())
            .field("connections", &state.connections)
            .finish_non_exhaustive()
    }
}
