//! The raw driver connection, for the crates of this workspace that drive the server itself.
//!
//! Behind the feature `driver`, and outside the promise of stability: whoever embeds this crate
//! sees no driver type without asking for it.

use std::time::Duration;

use tokio_postgres::Client;

use crate::{
    config::{ClusterConfig, NodeAddr},
    connect::{self, Connector},
    error::Error,
};

/// A connection outside all pools. Dropping it closes it.
pub struct Connected(connect::Connected);

impl Connected {
    /// The driver's handle.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// The driver's handle, for what needs it alone: transactions.
    pub fn client_mut(&mut self) -> &mut Client {
        &mut self.0.client
    }
}

/// Connects to one node, with `options` for the session as in libpq's `options`
/// (`-c statement_timeout=0`), all of it within `limit`.
///
/// # Errors
/// [`Error::Config`], [`Error::Deadline`], [`Error::ConnectionLost`] or [`Error::Sql`].
pub async fn connect(
    config: &ClusterConfig,
    node: &NodeAddr,
    options: &str,
    limit: Duration,
) -> Result<Connected, Error> {
    Connector::new(config)?
        .connect(node, options, limit)
        .await
        .map(Connected)
}

/// Connects to the primary: the first node that answers and is not in recovery.
///
/// # Errors
/// [`Error::Unavailable`] when there is none, with what each node said; [`Error::Sql`] at once
/// when a node refused the login, which no other node would mend.
pub async fn connect_primary(
    config: &ClusterConfig,
    options: &str,
    limit: Duration,
) -> Result<Connected, Error> {
    let connector = Connector::new(config)?;
    let mut reasons = Vec::new();
    for node in &config.nodes {
        let asked = async {
            let connected = connector.connect(node, options, limit).await?;
            let asking = connected
                .client
                .query_typed("SELECT pg_is_in_recovery()", &[]);
            let rows = tokio::time::timeout(limit, asking)
                .await
                .map_err(|_| Error::Deadline {
                    waiting_for: "a node's role",
                })?
                .map_err(|error| Error::from_driver("connect", error))?;
            Ok((connected, rows.first().is_some_and(|row| row.get(0))))
        };
        match asked.await {
            Ok((_, true)) => reasons.push(format!("{node} is a replica")),
            Ok((connected, false)) => return Ok(Connected(connected)),
            Err(error @ Error::Sql { .. }) => return Err(error),
            Err(error) => reasons.push(format!("{node}: {}", error.chain())),
        }
    }
    Err(Error::Unavailable {
        wanted: "primary",
        reason: reasons.join("; "),
    })
}
