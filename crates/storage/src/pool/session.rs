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
    connect::{Connector, Opened, Told},
    error::Error,
};

/// By how much lifetimes differ, so that sessions made together don't end together.
const LIFETIME_JITTER: f64 = 0.1;

/// A session: the driver's handle, its prepared statements, and what the server told it.
pub(crate) struct Session {
    client: ClientWrapper,
    pub(crate) statements: Statements,
    pub(crate) told: Arc<Told>,
    pub(crate) generation: Arc<Generation>,
    generations: Generations,
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
    /// Whether it may be used again: there, of the present generation, and not too old.
    pub(super) fn is_good(&self, now: Instant) -> bool {
        !self.client.is_closed()
            && self.generation.number == self.generations.number()
            && now < self.expires
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
        } = opening.await?;
        Ok(Box::new(Session {
            _ends_with_generation: generation.ends(driver.abort_handle()),
            client: ClientWrapper::new(client, driver),
            statements: Statements::default(),
            told,
            generation,
            generations: self.generations.clone(),
            expires: Instant::now() + self.lifetime(),
        }))
    }

    async fn recycle(&self, session: &mut Box<Session>, _: &Metrics) -> RecycleResult<Error> {
        if session.is_good(Instant::now()) {
            Ok(())
        } else {
            Err(RecycleError::message("its time is over"))
        }
    }
}
