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
//!
//! A connection to a cluster is one to all its nodes. It is replaced like any other, and so finds out which nodes there are
//! now; but not before it is a second old, for while one node is away its successor has no answer from that one either.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bb8_redis::redis::{Cmd, FromRedisValue, PushInfo, PushKind};
use tokio::time::timeout;

use super::error::{Error, classify, is_of_a_replica};
use super::handle::Handle;

/// How old a connection is at least when it is replaced by one that may well be no better.
const TRIAL: Duration = Duration::from_secs(1);

/// A handle on one connection. Any number of clones may send at once.
#[derive(Clone)]
pub(super) struct Connection {
    handle: Handle,
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
    pub(super) fn new(handle: Handle, broken: Broken) -> Self {
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
        match timeout(limit, self.handle.query(command)).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => {
                if is_of_a_replica(&error) {
                    self.try_another();
                } else if error.is_io_error() || error.is_unrecoverable_error() {
                    self.replace();
                }
                Err(classify(&error))
            }
            Err(_elapsed) => {
                self.replace();
                Err(Error::Timeout {
                    limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
                })
            }
        }
    }

    fn replace(&self) {
        match self.handle {
            Handle::Server(_) => self.broken.raise(),
            Handle::Cluster(_) => self.try_another(),
        }
    }

    fn try_another(&self) {
        if self.opened.elapsed() >= TRIAL {
            self.broken.raise();
        }
    }
}
