//! One connection of the pool, which knows when it is beyond use.
//!
//! bb8-redis brings a manager whose `has_broken` is always false: with its PING at check-out every
//! request pays a round trip, and without it a connection that the server closed is handed out for
//! ever. Here each connection carries a flag that all clones of its handle share. It is raised
//!
//! - by the client's own notice that the socket has closed, also while idle, so that a restarted
//!   server usually costs no request at all (this notice needs RESP3, so Redis 6 or newer);
//! - by a reply that didn't come in time, or that left the stream out of step;
//! - by an answer that only a replica gives: its server was a master once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bb8_redis::redis::aio::MultiplexedConnection;
use bb8_redis::redis::{Cmd, FromRedisValue, PushInfo, PushKind};
use tokio::time::timeout;

use super::error::{Error, classify, is_of_a_replica};

/// How old a connection is at least when it is replaced by one that may well be no better.
const TRIAL: Duration = Duration::from_secs(1);

/// A handle on one connection. Any number of clones may send at once.
#[derive(Clone)]
pub(super) struct Connection {
    handle: MultiplexedConnection,
    broken: Broken,
    opened: Instant,
}

/// Whether a connection should leave the pool.
#[derive(Clone, Default)]
pub(super) struct Broken(Arc<AtomicBool>);

impl Broken {
    /// Hears what a server says unasked.
    pub(super) fn on_push(&self, push: &PushInfo) {
        if push.kind == PushKind::Disconnection {
            self.raise();
        }
    }

    fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Connection {
    /// A connection that was opened just now.
    pub(super) fn new(handle: MultiplexedConnection, broken: Broken) -> Self {
        Self {
            handle,
            broken,
            opened: Instant::now(),
        }
    }

    /// Whether it should leave the pool.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.0.load(Ordering::Relaxed)
    }

    /// Sends `command` and waits for its reply for at most `limit`.
    pub(super) async fn query<T: FromRedisValue>(
        mut self,
        command: &Cmd,
        limit: Duration,
    ) -> Result<T, Error> {
        match timeout(limit, command.query_async(&mut self.handle)).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => {
                let replica = is_of_a_replica(&error) && self.opened.elapsed() >= TRIAL;
                if error.is_io_error() || error.is_unrecoverable_error() || replica {
                    self.broken.raise();
                }
                Err(classify(&error))
            }
            Err(_elapsed) => {
                self.broken.raise();
                Err(Error::Timeout {
                    limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
                })
            }
        }
    }
}
