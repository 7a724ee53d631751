//! One runner at a time: a session-level advisory lock of the database.
//!
//! Asked for again and again with `pg_try_advisory_lock`, never waited for inside the server: a session that waits there
//! holds a snapshot, which makes another runner's CREATE INDEX CONCURRENTLY die of a deadlock and leave an invalid index.
//! The server releases the lock with the session, however that ends.

use std::time::Duration;

use crate::{
    error::{Error, LockHolder},
    poll::Patience,
    progress::{OnProgress, Progress},
    session::Session,
};

/// "prepnexu", as a number. Every version of this program must use the same one.
const KEY: i64 = 0x7072_6570_6e65_7875;

/// Takes the lock for as long as `session` lives.
pub(crate) async fn acquire(
    session: &Session,
    limit: Duration,
    progress: OnProgress<'_>,
) -> Result<(), Error> {
    let patience = Patience::of(limit);
    let mut told = false;
    loop {
        if try_lock(session).await? {
            return Ok(());
        }
        let holder = holder(session).await?;
        if !told {
            progress(Progress::WaitingForLock(holder.clone()));
            told = true;
        }
        if !patience.pause().await {
            return Err(Error::LockHeld {
                holder,
                waited: limit,
            });
        }
    }
}

async fn try_lock(session: &Session) -> Result<bool, Error> {
    let row = session
        .client()
        .query_one("SELECT pg_try_advisory_lock($1)", &[&KEY])
        .await
        .map_err(|e| Error::query("taking the lock", &e))?;
    Ok(row.get(0))
}

async fn holder(session: &Session) -> Result<LockHolder, Error> {
    // The server shows a lock on one 64-bit key as two halves, and marks it with objsubid 1.
    const SQL: &str = "
        SELECT l.pid, a.application_name, host(a.client_addr) || ':' || a.client_port AS client
        FROM pg_locks l
        LEFT JOIN pg_stat_activity a ON a.pid = l.pid
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
          AND (l.classid::bigint << 32) | l.objid::bigint = $1
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let row = session
        .client()
        .query_opt(SQL, &[&KEY])
        .await
        .map_err(|e| Error::query("asking who holds the lock", &e))?;
    Ok(row.map_or_else(LockHolder::default, |row| LockHolder {
        pid: row.get("pid"),
        application_name: row.get("application_name"),
        client: row.get("client"),
    }))
}
