//! The pooled connections to one node.
//!
//! The pool is deadpool's, recycling at the price of a few comparisons: a check that asks the server
//! at every checkout costs more than the statement it guards. What makes that safe is here. Every
//! connection belongs to a *generation* of its node; a change of the node's role, history or health
//! begins the next one, which no connection outlives, and which ends what waits on the last one.

mod generation;
mod session;
mod statements;

use std::time::{Duration, Instant};

use deadpool::managed::{Object, Pool as DeadPool, PoolError, Timeouts};

pub(crate) use generation::{Generation, Generations};
pub(crate) use session::{Session, SessionManager};
pub(crate) use statements::Named;

use crate::{connect::Connector, error::Error, node::PoolStatus};

/// A connection taken out of the pool; dropping it gives it back.
pub(crate) type Pooled = Object<SessionManager>;

const WITHOUT_WAITING: Timeouts = Timeouts {
    wait: Some(Duration::ZERO),
    create: None,
    recycle: None,
};

/// The pool of one node.
pub(crate) struct Pool {
    pool: DeadPool<SessionManager>,
    min_idle: usize,
    idle_timeout: Duration,
}

impl Pool {
    pub(crate) fn new(manager: SessionManager, connector: &Connector) -> Result<Self, Error> {
        let config = connector.config();
        let pool = DeadPool::builder(manager)
            .max_size(config.pool_size)
            .build()
            .map_err(|error| Error::Config(error.to_string()))?;
        Ok(Self {
            pool,
            min_idle: config.pool_min_idle.min(config.pool_size),
            idle_timeout: config.pool_idle_timeout,
        })
    }

    /// A connection of the present generation, or a new one. Waits as long as it takes.
    pub(crate) async fn get(&self) -> Result<Pooled, Error> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            PoolError::Timeout(_)
            | PoolError::Closed
            | PoolError::NoRuntimeSpecified
            | PoolError::PostCreateHook(_) => Error::Unavailable {
                wanted: "node",
                reason: "the pool is closed".into(),
            },
        })
    }

    /// Closes what is too old, of a former generation, or was idle too long, and makes connections
    /// until as many are there as are to be kept.
    ///
    /// # Errors
    /// Why none could be made.
    pub(crate) async fn tend(&self) -> Result<(), Error> {
        let mut spare = self.status().idle.saturating_sub(self.min_idle);
        let now = Instant::now();
        self.pool.retain(|session, metrics| {
            let was_idle = metrics.last_used() > self.idle_timeout && spare > 0;
            let keep = session.is_good(now) && !was_idle;
            if !keep {
                spare = spare.saturating_sub(1);
            }
            keep
        });
        let status = self.status();
        if status.size < self.min_idle {
            // The pool gives the idle ones first: hold those, so that new ones are made.
            let wanted = status.idle + self.min_idle - status.size;
            let mut made = Vec::with_capacity(wanted);
            for _ in 0..wanted {
                match self.pool.timeout_get(&WITHOUT_WAITING).await {
                    Ok(session) => made.push(session),
                    Err(PoolError::Backend(error)) => return Err(error),
                    // Users have them all.
                    Err(_) => break,
                }
            }
        }
        Ok(())
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let status = self.pool.status();
        PoolStatus {
            size: status.size,
            idle: status.available,
            in_use: status.size.saturating_sub(status.available),
            waiting: status.waiting,
            max: status.max_size,
        }
    }

    pub(crate) fn close(&self) {
        self.pool.close();
    }
}

/// What every session of a pool is told when it begins.
pub(crate) fn session_options(connector: &Connector) -> String {
    let timeout = connector.config().statement_timeout.as_millis().max(1);
    format!(
        "-c statement_timeout={timeout} -c idle_in_transaction_session_timeout={timeout} -c TimeZone=UTC"
    )
}
