//! One session of a pool, how it is made, and when it is used no more.

use std::{
    ops::Deref,
    sync::Arc,
    time::{Duration, Instant},
};

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use deadpool_postgres::ClientWrapper;
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use super::{Generation, Generations, session_options, statements::Statements};
use crate::{
    config::NodeAddr,
    connect::{Alarm, Connector, Opened, Told},
    error::Error,
};

/// By how much lifetimes differ, so that sessions made together don't end together.
const LIFETIME_JITTER: f64 = 0.1;

/// A session that is never idle when the pool is tended is looked at this often: reading the clock each time
/// would cost more than the rest of a checkout.
const USES_BETWEEN_LOOKS_AT_AGE: usize = 16;

/// A session: the driver's handle, its prepared statements, and what the server told it.
pub(crate) struct Session {
    client: ClientWrapper,
    pub(crate) statements: Statements,
    pub(crate) told: Arc<Told>,
    pub(crate) alarm: Arc<Alarm>,
    pub(crate) generation: Arc<Generation>,
    expires: Instant,
    _ends_with_generation: AbortOnDropHandle<()>,
}

impl Deref for Session {
    type Target = ClientWrapper;

    fn deref(&self) -> &ClientWrapper {
        &self.client
    }
}

impl Session {
    /// Whether it is there, and of the present generation.
    fn is_usable(&self) -> bool {
        !self.client.is_closed() && !self.generation.is_over()
    }

    fn is_old(&self, now: Instant) -> bool {
        now >= self.expires
    }

    /// Whether it is worth keeping: usable, and not too old.
    pub(super) fn is_good(&self, now: Instant) -> bool {
        self.is_usable() && !self.is_old(now)
    }
}

/// Makes the sessions of one node's pool.
pub(crate) struct SessionManager {
    addr: NodeAddr,
    connector: Connector,
    generations: Generations,
    options: String,
    promoted: Arc<Notify>,
}

impl SessionManager {
    /// For the node at `addr`; `promoted` is woken when a session is told of a promotion.
    pub(crate) fn new(
        addr: NodeAddr,
        connector: &Connector,
        generations: Generations,
        promoted: Arc<Notify>,
    ) -> Self {
        Self {
            addr,
            options: session_options(connector),
            connector: connector.clone(),
            generations,
            promoted,
        }
    }

    fn lifetime(&self) -> Duration {
        let jitter = 1.0 - LIFETIME_JITTER * fastrand::f64();
        self.connector.config().pool_max_lifetime.mul_f64(jitter)
    }
}

impl Manager for SessionManager {
    /// Boxed: it is moved from hand to hand, and half a kilobyte.
    type Type = Box<Session>;
    type Error = Error;

    async fn create(&self) -> Result<Box<Session>, Error> {
        // Before connecting: what changes while it is being made makes it a session of the past.
        let generation = self.generations.present();
        let limit = self.connector.config().connect_timeout;
        let was_standby = generation.progress.in_recovery();
        let told = Told::waking(Arc::clone(&self.promoted), was_standby);
        let opening = Box::pin(self.connector.open(&self.addr, &self.options, limit, told));
        let Opened {
            client,
            driver,
            told,
            alarm,
        } = opening.await?;
        Ok(Box::new(Session {
            _ends_with_generation: generation.ends(driver.abort_handle()),
            client: ClientWrapper::new(client, driver),
            statements: Statements::default(),
            told,
            alarm,
            generation,
            expires: Instant::now() + self.lifetime(),
        }))
    }

    async fn recycle(&self, session: &mut Box<Session>, used: &Metrics) -> RecycleResult<Error> {
        let looks_at_age = used.recycle_count.is_multiple_of(USES_BETWEEN_LOOKS_AT_AGE);
        if session.is_usable() && !(looks_at_age && session.is_old(Instant::now())) {
            Ok(())
        } else {
            Err(RecycleError::message("its time is over"))
        }
    }
}
