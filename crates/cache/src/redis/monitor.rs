//! The one task that tests Redis, and reports how it is.
//!
//! It probes at a steady pace while all is well, so that the death of an idle Redis is known before
//! a reader meets it, and at the breaker's pace while it isn't. The registry hears of a change when the
//! breaker makes one: a single slow reply isn't news.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prepnexus_health::{BreakerState, Registry, Severity, Status};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{Error, RedisPool};
use crate::metric;

/// What the registry calls Redis.
pub const COMPONENT: &str = "cache";

/// Owns the probing task. Dropping it stops the task; [`stop`](Self::stop) also waits for its end.
#[derive(Debug)]
pub struct RedisMonitor {
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

impl RedisMonitor {
    /// Registers the component [`COMPONENT`] as optional, and begins to probe every `interval`.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    #[must_use]
    pub fn spawn(pool: RedisPool, registry: Arc<Registry>, interval: Duration) -> Self {
        registry.register(COMPONENT, Severity::Optional);
        let (stop, mut stopped) = watch::channel(false);
        let mut watcher = Watcher {
            pool,
            registry,
            interval,
            last_error: None,
            reported: false,
        };
        let task = tokio::spawn(async move {
            tokio::select! {
                () = watcher.run() => {}
                _ = stopped.wait_for(|stop| *stop) => {}
            }
        });
        Self {
            stop,
            task: Some(task),
        }
    }

    /// Stops probing and waits until the task has ended.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the Redis monitor did not end well");
        }
    }
}

impl Drop for RedisMonitor {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

struct Watcher {
    pool: RedisPool,
    registry: Arc<Registry>,
    interval: Duration,
    last_error: Option<Error>,
    /// Whether the registry has heard of any probe yet.
    reported: bool,
}

impl Watcher {
    async fn run(&mut self) {
        loop {
            let due = self.pool.probe_in(Instant::now()).unwrap_or(Duration::ZERO);
            if due.is_zero() {
                self.last_error = self.pool.probe().await.err();
            }
            self.report();
            sleep(self.pause()).await;
        }
    }

    /// Until the next look: the interval while closed, else when the breaker wants a probe, but never
    /// in a tight loop.
    fn pause(&self) -> Duration {
        self.pool
            .probe_in(Instant::now())
            .map_or(self.interval, |due| {
                due.clamp(self.interval / 10, self.interval)
            })
    }

    fn report(&mut self) {
        let state = self.pool.breaker_state();
        metric::show_breaker(state);
        let reason = self.last_error.as_ref().map(ToString::to_string);
        match state {
            BreakerState::Closed if reason.is_none() => {
                self.registry.set(COMPONENT, Status::Healthy, None);
            }
            // One failure while closed is the breaker's to judge, unless nothing is known so far.
            BreakerState::Closed if self.reported => {}
            BreakerState::Closed | BreakerState::Open | BreakerState::HalfOpen => {
                let reason = reason.unwrap_or_else(|| {
                    "requests failed; it answers a PING, but not yet steadily".to_owned()
                });
                self.registry.set(COMPONENT, Status::Degraded, Some(reason));
            }
        }
        self.reported = true;
    }
}
