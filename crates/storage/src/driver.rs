//! The raw driver connection, for the crates of this workspace that drive the server itself.
//!
//! Behind the feature `driver`, and outside the promise of stability: whoever embeds this crate
//! sees no driver type without asking for it.

use std::time::Duration;

pub use crate::connect::Connected;
use crate::{
    config::{ClusterConfig, NodeAddr},
    connect::Connector,
    error::Error,
};

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
    Connector::new(config)?.connect(node, options, limit).await
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
        match connector.connect(node, options, limit).await {
            Ok(connected) if connected.in_hot_standby() => {
                reasons.push(format!("{node} is a replica"));
            }
            Ok(connected) => return Ok(connected),
            Err(error @ Error::Sql { .. }) => return Err(error),
            Err(error) => reasons.push(format!("{node}: {}", error.chain())),
        }
    }
    Err(Error::Unavailable {
        wanted: "primary",
        reason: reasons.join("; "),
    })
}
