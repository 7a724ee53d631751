//! What a database holds at one position of its log: a hash of each table's content.
//!
//! A snapshot alone belongs to no position: a transaction can have its commit in the log and not yet be visible. So the
//! database is held still ([`still`]) for as long as it takes to open a snapshot and to ask for the position, some
//! milliseconds; the hashes are then made under the snapshot, while changes go on.
//!
//! A table's hash is the sum over its rows of two 64-bit hashes of the row's text, each with a seed of its own
//! (`hashtextextended`): so that it does not depend on the order of rows, and a row that is there twice counts twice.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use prepnexus_storage::{
    ClusterConfig,
    driver::{self, Connected},
};
use serde::Serialize;

use crate::{archive::Position, error::Error, still, wal::Lsn};

/// How texts are written depends on these, and hashing takes as long as it takes.
const OPTIONS: &str = "-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=1 \
                       -c bytea_output=hex -c search_path=pg_catalog -c statement_timeout=0 -c lock_timeout=0 \
                       -c idle_in_transaction_session_timeout=0 -c default_transaction_isolation=read\\ committed";
/// What a table holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Content {
    /// How many rows.
    pub rows: i64,
    /// Their hash.
    pub hash: String,
}

/// What all tables hold, by their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// Each table's content.
    pub tables: BTreeMap<String, Content>,
}

impl Manifest {
    /// How many rows there are in all tables.
    #[must_use]
    pub fn rows(&self) -> i64 {
        self.tables.values().map(|content| content.rows).sum()
    }

    /// What `other`, a copy, has that this one has not, or has not that this one has; a line for each table.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for (name, content) in &self.tables {
            match other.tables.get(name) {
                None => found.push(format!("{name} is not there")),
                Some(copy) if copy.rows != content.rows => {
                    found.push(format!(
                        "{name} has {} rows and not {}",
                        copy.rows, content.rows
                    ));
                }
                Some(copy) if copy != content => found.push(format!("{name} has other content")),
                Some(_) => {}
            }
        }
        let new = other
            .tables
            .keys()
            .filter(|name| !self.tables.contains_key(*name));
        found.extend(new.map(|name| format!("{name} was not there")));
        found
    }
}

/// A manifest, and the moment that it is of.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) manifest: Manifest,
    /// All that it has is in the log before this position, and nothing else that changes a table.
    pub(crate) lsn: Lsn,
    /// The server's clock at that moment.
    pub(crate) at: Timestamp,
    /// When a scheduler had last said that it lives.
    pub(crate) beat_at: Option<Timestamp>,
    /// The size of the log's segments.
    pub(crate) segment_bytes: u64,
}

/// Records what the primary holds, at one position.
pub(crate) async fn record(config: &ClusterConfig, limit: Duration) -> Result<Recorded, Error> {
    let connecting = driver::connect_primary(config, OPTIONS, config.connect_timeout).await;
    let locker = connecting.map_err(Error::database("connecting to the primary"))?;
    let reader = driver::connect(config, locker.node(), OPTIONS, config.connect_timeout).await;
    let reader = reader.map_err(Error::database("connecting to the primary"))?;
    let tables = still::tables(&locker).await?;
    still::hold(&locker, &tables, limit).await?;
    let seen = moment(&reader).await;
    still::release(&locker).await?;
    let recorded = seen?;
    let manifest = hash(&reader, &tables).await?;
    Ok(Recorded {
        manifest,
        ..recorded
    })
}

/// What a copy holds.
pub(crate) async fn of_copy(copy: &Connected) -> Result<Manifest, Error> {
    let tables = still::tables(copy).await?;
    hash(copy, &tables).await
}

/// The options of a session whose texts can be compared.
pub(crate) const fn options() -> &'static str {
    OPTIONS
}

/// Opens the reader's snapshot, and asks where the log ends; to be called while nothing changes.
async fn moment(reader: &Connected) -> Result<Recorded, Error> {
    const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    const SNAPSHOT: &str = "
        SELECT pg_current_wal_insert_lsn()::text AS lsn, clock_timestamp() AS at,
               (SELECT beat_at FROM public.backup_scheduler) AS beat_at,
               pg_size_bytes(current_setting('wal_segment_size')) AS segment_bytes";
    let begun = reader.client().batch_execute(BEGIN).await;
    begun.map_err(Error::query("recording a position"))?;
    let row = reader.client().query_one(SNAPSHOT, &[]).await;
    let row = row.map_err(Error::query("recording a position"))?;
    let Position { lsn, segment_bytes } =
        Position::parse(row.get("lsn"), row.get("segment_bytes"))?;
    Ok(Recorded {
        manifest: Manifest {
            tables: BTreeMap::new(),
        },
        lsn,
        at: row.get("at"),
        beat_at: row.get("beat_at"),
        segment_bytes,
    })
}

async fn hash(on: &Connected, tables: &[String]) -> Result<Manifest, Error> {
    let mut found = BTreeMap::new();
    for name in tables {
        let sql = format!(
            "SELECT count(*) AS rows, coalesce(sum(hashtextextended(t::text, 0)), 0)::text AS one,
                    coalesce(sum(hashtextextended(t::text, 1)), 0)::text AS two
             FROM {name} AS t"
        );
        let row = on.client().query_one(&sql, &[]).await;
        let row = row.map_err(Error::query("hashing a table"))?;
        let (one, two): (String, String) = (row.get("one"), row.get("two"));
        let content = Content {
            rows: row.get("rows"),
            hash: format!("{one},{two}"),
        };
        found.insert(name.clone(), content);
    }
    Ok(Manifest { tables: found })
}
