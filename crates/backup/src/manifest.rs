//! What a database holds at one position of its log: a hash of each table's content.
//!
//! A snapshot alone belongs to no position: a transaction can have its commit in the log and not yet be visible. So all
//! tables are locked against changes for as long as it takes to open a snapshot and to ask for the position, some
//! milliseconds; the hashes are then made under the snapshot, while changes go on. The lock is asked for with a short
//! timeout, again and again, so that nobody waits long behind it.
//!
//! A table's hash is the sum over its rows of two 64-bit hashes of the row's text, each with a seed of its own
//! (`hashtextextended`): so that it does not depend on the order of rows, and a row that is there twice counts twice.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use prepnexus_storage::{
    ClusterConfig,
    driver::{self, Connected},
};
use serde::Serialize;
use tokio::time::sleep;
use tokio_postgres::error::SqlState;

use crate::{error::Error, wal::Lsn};

/// How texts are written depends on these, and hashing takes as long as it takes.
const OPTIONS: &str = "-c timezone=UTC -c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=1 \
                       -c bytea_output=hex -c search_path=pg_catalog -c statement_timeout=0 -c lock_timeout=0 \
                       -c idle_in_transaction_session_timeout=0 -c default_transaction_isolation=read\\ committed";
/// How long others may wait behind the lock on all tables; then it is given up, and asked for again after a pause.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '200ms'";
/// The first pause; each is twice as long as the last, up to a second.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

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
    let tables = tables(&locker).await?;
    let (started, mut pause) = (Instant::now(), FIRST_PAUSE);
    let recorded = loop {
        if let Some(moment) = moment(&locker, &reader, &tables).await? {
            break moment;
        }
        if started.elapsed() > limit {
            let what = "a moment in which no transaction changes a table".into();
            return Err(Error::Late { what, limit });
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    };
    let manifest = hash(&reader, &tables).await?;
    Ok(Recorded {
        manifest,
        ..recorded
    })
}

/// What a copy holds.
pub(crate) async fn of_copy(copy: &Connected) -> Result<Manifest, Error> {
    let tables = tables(copy).await?;
    hash(copy, &tables).await
}

/// The options of a session whose texts can be compared.
pub(crate) const fn options() -> &'static str {
    OPTIONS
}

/// The tables whose content is kept, and by this role can be read and locked; their names as SQL writes them.
async fn tables(on: &Connected) -> Result<Vec<String>, Error> {
    // Unlogged and temporary tables are not in backups.
    const SQL: &str = "
        SELECT format('%I.%I', n.nspname, c.relname) AS name
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND c.relpersistence = 'p'
          AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
          AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
          AND has_table_privilege(c.oid, 'UPDATE, DELETE, TRUNCATE')
        ORDER BY c.oid";
    let rows = on.client().query(SQL, &[]).await;
    let rows = rows.map_err(Error::query("listing tables"))?;
    Ok(rows.iter().map(|row| row.get("name")).collect())
}

/// Opens the reader's snapshot at a moment in which nothing changes; `None` where there was no such moment in time.
async fn moment(
    locker: &Connected,
    reader: &Connected,
    tables: &[String],
) -> Result<Option<Recorded>, Error> {
    const SNAPSHOT: &str = "
        SELECT pg_current_wal_insert_lsn()::text AS lsn, clock_timestamp() AS at,
               (SELECT beat_at FROM public.backup_scheduler) AS beat_at,
               pg_size_bytes(current_setting('wal_segment_size')) AS segment_bytes";
    let lock = match tables {
        [] => String::new(),
        tables => format!("LOCK TABLE {} IN SHARE MODE", tables.join(", ")),
    };
    let locking = locker.client();
    let lock = format!("BEGIN; {LOCK_TIMEOUT}; {lock}");
    if let Err(error) = locking.batch_execute(&lock).await {
        let undone = locking.batch_execute("ROLLBACK").await;
        undone.map_err(Error::query("locking tables"))?;
        let passes = [
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::T_R_DEADLOCK_DETECTED,
        ];
        if error.code().is_some_and(|code| passes.contains(code)) {
            return Ok(None);
        }
        return Err(Error::query("locking tables")(error));
    }
    let reading = reader.client();
    let begin = "ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    let seen = async {
        reading.batch_execute(begin).await?;
        reading.query_one(SNAPSHOT, &[]).await
    };
    let seen = seen.await;
    let unlocked = locking.batch_execute("ROLLBACK").await;
    let row = seen.map_err(Error::query("recording a position"))?;
    unlocked.map_err(Error::query("unlocking tables"))?;
    let lsn: String = row.get("lsn");
    let segment_bytes: i64 = row.get("segment_bytes");
    Ok(Some(Recorded {
        manifest: Manifest {
            tables: BTreeMap::new(),
        },
        lsn: lsn.parse().map_err(|_| strange("a position"))?,
        at: row.get("at"),
        beat_at: row.get("beat_at"),
        segment_bytes: u64::try_from(segment_bytes).map_err(|_| strange("a size"))?,
    }))
}

fn strange(what: &str) -> Error {
    Error::Output {
        program: "PostgreSQL".into(),
        detail: what.to_owned(),
    }
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
