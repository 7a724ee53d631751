//! Keeps a primary from being written to while another one takes its place.
//!
//! What can be done over a connection and lasts over a restart: the database takes no connections any more, of nobody's,
//! and those that there are end. That is itself written to the log: so the other one is to recover to the position before,
//! which is asked for while nothing changes, and nothing that was committed is lost. A former primary that is to come back
//! is made a replica anyway (`pg_rewind`, or a new copy), and then has what the new one has.

use std::time::Duration;

use prepnexus_storage::{
    ClusterConfig,
    driver::{self, Connected},
};

use crate::{archive::Position, error::Error, still};

/// What a fence found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fenced {
    /// Nobody can write to the primary any more.
    Closed {
        /// The node that it is.
        node: String,
        /// Behind all that was committed, and before the fence.
        last: Position,
        /// Behind the fence.
        end: Position,
    },
    /// There is none that answers.
    NoPrimary,
}

/// Closes the database of `config` on its primary, if there is one that answers. Needs the role that owns the database, and
/// is a member of `pg_signal_backend`. `ALTER DATABASE … ALLOW_CONNECTIONS true` opens it again.
///
/// # Errors
/// [`Error::Query`] where it answers and can't be closed; [`Error::Late`] where a transaction does not end.
pub(crate) async fn fence(config: &ClusterConfig, limit: Duration) -> Result<Fenced, Error> {
    let Ok(inside) = driver::connect_primary(config, "", config.connect_timeout).await else {
        return Ok(Fenced::NoPrimary);
    };
    // Not from the database itself, which no session may be left in.
    let beside = ClusterConfig {
        database: "postgres".into(),
        ..config.clone()
    };
    let connecting = driver::connect(&beside, inside.node(), "", config.connect_timeout).await;
    let outside = connecting.map_err(Error::database("connecting to the primary"))?;
    let tables = still::tables(&inside).await?;
    still::hold(&inside, &tables, limit).await?;
    let last = position(&outside).await?;
    let client = outside.client();
    let quoted = client
        .query_one("SELECT quote_ident($1)", &[&config.database])
        .await;
    let name: String = quoted.map_err(Error::query("closing the database"))?.get(0);
    let close = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false");
    let closed = client.batch_execute(&close).await;
    closed.map_err(Error::query("closing the database"))?;
    // The one that holds the tables is among them.
    const END: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
    let ended = client.query(END, &[&config.database]).await;
    ended.map_err(Error::query("ending the sessions of the database"))?;
    Ok(Fenced::Closed {
        node: outside.node().to_string(),
        last,
        end: position(&outside).await?,
    })
}

/// Where the log ends.
async fn position(on: &Connected) -> Result<Position, Error> {
    const WHERE: &str = "SELECT pg_current_wal_insert_lsn()::text, pg_size_bytes(current_setting('wal_segment_size'))";
    let row = on.client().query_one(WHERE, &[]).await;
    let row = row.map_err(Error::query("asking for the end of the log"))?;
    Position::parse(row.get(0), row.get(1))
}
