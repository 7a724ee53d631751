//! A database held still: all tables locked against changes, for as long as it takes to ask for a position in the log.
//! Then all that is committed is before that position, and visible, and nothing else is.
//!
//! The lock waits for transactions that have changed something, and others wait behind it: so it is asked for with a short
//! timeout, again and again.

use std::time::{Duration, Instant};

use prepnexus_storage::driver::Connected;
use tokio::time::sleep;
use tokio_postgres::error::SqlState;

use crate::error::Error;

/// How long others may wait behind the lock; then it is given up, and asked for again after a pause.
const LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '200ms'";
/// The first pause; each is twice as long as the last, up to a second.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The tables whose content is kept, and by this role can be read and locked; their names as SQL writes them.
pub(crate) async fn tables(on: &Connected) -> Result<Vec<String>, Error> {
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

/// Begins a transaction in which `tables` are locked against changes. [`release`] ends it, as does the end of the session.
pub(crate) async fn hold(on: &Connected, tables: &[String], limit: Duration) -> Result<(), Error> {
    let (started, mut pause) = (Instant::now(), FIRST_PAUSE);
    while !try_lock(on, tables).await? {
        if started.elapsed() > limit {
            let what = "a moment in which no transaction changes a table".into();
            return Err(Error::Late { what, limit });
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Ok(())
}

/// Ends it.
pub(crate) async fn release(on: &Connected) -> Result<(), Error> {
    let released = on.client().batch_execute("ROLLBACK").await;
    released.map_err(Error::query("unlocking tables"))
}

async fn try_lock(on: &Connected, tables: &[String]) -> Result<bool, Error> {
    let lock = match tables {
        [] => String::new(),
        tables => format!("LOCK TABLE {} IN SHARE MODE", tables.join(", ")),
    };
    let lock = format!("BEGIN; {LOCK_TIMEOUT}; {lock}");
    let Err(error) = on.client().batch_execute(&lock).await else {
        return Ok(true);
    };
    release(on).await?;
    let passes = [
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::T_R_DEADLOCK_DETECTED,
    ];
    if error.code().is_some_and(|code| passes.contains(code)) {
        return Ok(false);
    }
    Err(Error::query("locking tables")(error))
}
