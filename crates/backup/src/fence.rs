//! Keeps a primary from being written to while another one takes its place.
//!
//! What can be done over a connection and lasts over a restart: the database takes no connections any more, of nobody's,
//! and those that there are end. A former primary that is to come back is made a replica anyway (`pg_rewind`, or a new
//! copy), and then has what the new one has.

use prepnexus_storage::{ClusterConfig, driver};

use crate::error::Error;

/// What a fence found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fenced {
    /// This node was the primary, and nobody can write to it any more.
    Closed(String),
    /// There is none that answers.
    NoPrimary,
}

/// Closes the database of `config` on its primary, if there is one that answers. Needs the role that owns the database, and
/// is a member of `pg_signal_backend`. `ALTER DATABASE … ALLOW_CONNECTIONS true` opens it again.
///
/// # Errors
/// [`Error::Query`] where it answers and can't be closed.
pub async fn fence(config: &ClusterConfig) -> Result<Fenced, Error> {
    // Not from the database itself, which no session may be left in.
    let beside = ClusterConfig {
        database: "postgres".into(),
        ..config.clone()
    };
    let Ok(connected) = driver::connect_primary(&beside, "", config.connect_timeout).await else {
        return Ok(Fenced::NoPrimary);
    };
    let client = connected.client();
    let quoted = client
        .query_one("SELECT quote_ident($1)", &[&config.database])
        .await;
    let name: String = quoted.map_err(Error::query("closing the database"))?.get(0);
    let close = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false");
    let closed = client.batch_execute(&close).await;
    closed.map_err(Error::query("closing the database"))?;
    const END: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
    let ended = client.query(END, &[&config.database]).await;
    ended.map_err(Error::query("ending the sessions of the database"))?;
    Ok(Fenced::Closed(connected.node().to_string()))
}
