//! One connection to the primary, as migrations and loads need it.

use std::time::Duration;

use prepnexus_storage::{ClusterConfig, NodeAddr, driver};
use tokio_postgres::Client;

use crate::error::Error;

/// A migration may take hours, whatever the role's own limits are; the files set the limits that they want, and where
/// names without a schema lead is not up to the role. What a killed runner leaves running in a transaction would be
/// undone at its end: the server is to notice sooner that nobody waits for it.
const OPTIONS: &str = "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0 \
                       -c default_transaction_isolation=read\\ committed -c search_path=public -c timezone=UTC \
                       -c client_min_messages=warning -c client_connection_check_interval=1s";

/// A connection to the primary. Dropping it closes it, which rolls back and unlocks.
pub(crate) struct Session {
    connected: driver::Connected,
    pid: i32,
}

impl Session {
    /// Connects; a replica is refused, and a pooler in between.
    pub(crate) async fn open(config: &ClusterConfig, limit: Duration) -> Result<Self, Error> {
        // With its options, whatever the settings say of a pooler: one that passes them on is found below.
        let config = ClusterConfig {
            pooler: false,
            ..config.clone()
        };
        let connected = driver::connect_primary(&config, OPTIONS, limit).await;
        let connected = connected.map_err(refusal)?;
        let told = connected.told_pid().await;
        // Without a statement of a name: a pooler's server may know that name already.
        let asked = connected.client();
        let asked = asked.query_typed("SELECT pg_backend_pid()", &[]).await;
        let rows = asked.map_err(|e| Error::query("asking which server process answers", &e))?;
        let pid = rows.first().map(|row| row.get(0)).unwrap_or_default();
        if told != Some(pid) {
            return Err(Error::Pooler {
                sign: "the server process that answers is not the one that the connection was given",
            });
        }
        Ok(Self { connected, pid })
    }

    /// One more connection to the node that this one is to.
    pub(crate) async fn another(
        &self,
        config: &ClusterConfig,
        limit: Duration,
    ) -> Result<Self, Error> {
        let config = ClusterConfig {
            nodes: vec![self.node().clone()],
            ..config.clone()
        };
        Self::open(&config, limit).await
    }

    /// The node that it is to.
    fn node(&self) -> &NodeAddr {
        self.connected.node()
    }

    /// The number of its server process.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    pub(crate) fn client(&self) -> &Client {
        self.connected.client()
    }

    pub(crate) fn client_mut(&mut self) -> &mut Client {
        self.connected.client_mut()
    }
}

/// A pooler refuses parameters that it can't keep for each client; a server knows them all.
fn refusal(error: prepnexus_storage::Error) -> Error {
    // PgBouncer's words; among what each node said.
    let is_poolers = error.chain().contains("unsupported startup parameter");
    if is_poolers {
        return Error::Pooler {
            sign: "it refuses the settings of a session",
        };
    }
    Error::Connect(error)
}
