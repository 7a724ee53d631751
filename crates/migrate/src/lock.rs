//! One runner at a time: session-level advisory locks of the database.
//!
//! Asked for again and again with `pg_try_advisory_lock`, never waited for inside the server: a session that waits there
//! holds a snapshot, which makes another runner's CREATE INDEX CONCURRENTLY die of a deadlock and leave an invalid index.
//! The server releases a lock with its session, however that ends.
//!
//! A runner has two connections, and a lock on each. The first is idle: it ends with the runner, and the next one may
//! begin. The second does the work, and the server process behind it may go on with its last statement after the runner
//! was killed: the next one waits for the end of that, however long it takes, and then looks what has come of it.

use std::time::Duration;

use prepnexus_storage::ClusterConfig;

use crate::{
    error::{Error, LockHolder},
    poll::Patience,
    progress::{OnProgress, Progress},
    session::Session,
};

/// "prepnexu", as a number. Every version of this program must use the same one.
const RUNNER: i64 = 0x7072_6570_6e65_7875;
/// The next number: who holds it has a statement under way.
const WORK: i64 = RUNNER + 1;

/// The one runner, for as long as it lives.
pub(crate) struct Runner {
    /// Holds the lock, and looks at what the other one does.
    pub(crate) watch: Session,
    pub(crate) work: Session,
}

impl Runner {
    pub(crate) async fn start(
        config: &ClusterConfig,
        limit: Duration,
        progress: OnProgress<'_>,
    ) -> Result<Self, Error> {
        let watch = Session::open(config, config.connect_timeout).await?;
        acquire(&watch, limit, progress).await?;
        let work = watch.another(config, config.connect_timeout).await?;
        let patience = Patience::endless();
        let mut told = false;
        while !try_lock(&work, WORK).await? {
            if !told {
                let holder = holder(&watch, WORK).await?;
                progress(Progress::WaitingForStatement(holder));
                told = true;
            }
            patience.pause().await;
        }
        Ok(Self { watch, work })
    }

    /// Whether it is still the one.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.watch.client().is_closed() {
            return Err(Error::LockLost);
        }
        Ok(())
    }
}

/// Takes the lock for as long as `session` lives.
pub(crate) async fn acquire(
    session: &Session,
    limit: Duration,
    progress: OnProgress<'_>,
) -> Result<(), Error> {
    let patience = Patience::of(limit);
    let mut told = false;
    loop {
        if try_lock(session, RUNNER).await? {
            return Ok(());
        }
        let holder = holder(session, RUNNER).await?;
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

async fn try_lock(session: &Session, key: i64) -> Result<bool, Error> {
    let row = session
        .client()
        .query_one("SELECT pg_try_advisory_lock($1)", &[&key])
        .await
        .map_err(|e| Error::query("taking the lock", &e))?;
    Ok(row.get(0))
}

async fn holder(session: &Session, key: i64) -> Result<LockHolder, Error> {
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
        .query_opt(SQL, &[&key])
        .await
        .map_err(|e| Error::query("asking who holds the lock", &e))?;
    Ok(row.map_or_else(LockHolder::default, |row| LockHolder::of(&row)))
}
