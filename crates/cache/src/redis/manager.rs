//! Connects for the pool, and remembers why it couldn't.

use std::sync::{Arc, Mutex, PoisonError};

use super::connection::{Broken, Connection};
use super::connector::Connector;
use super::error::Error;

/// Why connecting failed last, so that those who only see the pool run dry can say it.
#[derive(Clone, Default)]
pub(super) struct ConnectFailures(Arc<Mutex<Option<String>>>);

impl ConnectFailures {
    /// The latest failure since connecting last succeeded.
    pub(super) fn latest(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, failure: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }
}

/// Connects for the pool.
pub(super) struct Manager {
    connector: Connector,
    failures: ConnectFailures,
}

impl Manager {
    /// Notes in `failures` why `connector` can't connect.
    pub(super) fn new(connector: Connector, failures: ConnectFailures) -> Self {
        Self {
            connector,
            failures,
        }
    }
}

impl bb8::ManageConnection for Manager {
    type Connection = Connection;
    type Error = Error;

    async fn connect(&self) -> Result<Connection, Error> {
        let broken = Broken::default();
        let hears = broken.clone();
        let on_push = Arc::new(move |push: &_| hears.on_push(push));
        match self.connector.open(on_push).await {
            Ok(handle) => {
                self.failures.set(None);
                Ok(Connection::new(handle, broken))
            }
            Err(reason) => {
                tracing::debug!(reason, "connecting to Redis failed");
                self.failures.set(Some(reason.clone()));
                Err(Error::Unavailable {
                    reason: reason.into(),
                })
            }
        }
    }

    async fn is_valid(&self, connection: &mut Connection) -> Result<(), Error> {
        if self.has_broken(connection) {
            return Err(Error::Unavailable {
                reason: "connection lost".into(),
            });
        }
        Ok(())
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        connection.is_broken()
    }
}
