//! One connection to the primary, as migrations and loads need it.

use std::time::Duration;

use prepnexus_storage::{ClusterConfig, driver};
use tokio_postgres::Client;

use crate::error::Error;

/// A migration may take hours, whatever the role's own limits are; the files set the limits that they want, and where
/// names without a schema lead is not up to the role.
const OPTIONS: &str = "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 \
                       -c default_transaction_isolation=read\\ committed -c search_path=public -c timezone=UTC \
                       -c client_min_messages=warning";

/// A connection to the primary. Dropping it closes it, which rolls back and unlocks.
pub(crate) struct Session(driver::Connected);

impl Session {
    /// Connects; a replica is refused.
    pub(crate) async fn open(config: &ClusterConfig, limit: Duration) -> Result<Self, Error> {
        let connected = driver::connect_primary(config, OPTIONS, limit).await;
        connected.map(Self).map_err(Error::Connect)
    }

    pub(crate) fn client(&self) -> &Client {
        self.0.client()
    }

    pub(crate) fn client_mut(&mut self) -> &mut Client {
        self.0.client_mut()
    }
}
