//! A transaction. The methods that change rows exist here alone: a [`ReadConn`] has none, and a
//! replica refuses what slips through a query.

use std::{ops::Deref, pin::pin, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use tokio_postgres::{SimpleQueryMessage, types::PgLsn};
use tokio_util::task::TaskTracker;

use crate::{error::Error, param::Params, pool::Session, read::ReadConn};

/// The server's timeouts end this much after the deadline, so that the deadline is what is noticed.
const GRACE: Duration = Duration::from_millis(100);
/// They are multiples of this: `pg_stat_statements` keeps an entry for each text of a `SET`.
const TIMEOUT_STEP_MS: u128 = 100;
/// The longest a COMMIT is waited for, by its task: a server that is frozen never answers.
const COMMIT_LIMIT: Duration = Duration::from_secs(30);
/// Without a timeout: one that ends the wait for a synchronous standby lets COMMIT succeed, on the
/// primary alone. Then where the log is flushed to, which holds the commit. An asynchronous commit may
/// not be flushed yet: then, where the log is written to in memory, which can lie a page header further.
const COMMIT: &str =
    "SET LOCAL statement_timeout = 0; COMMIT; SELECT (CASE current_setting('synchronous_commit')
    WHEN 'off' THEN pg_current_wal_insert_lsn() ELSE pg_current_wal_flush_lsn() END)";
/// Of its statements, how many have ended when it is committed.
const COMMITTED: usize = 2;

/// What a commit is that the server reports as done, with a warning.
const ON_PRIMARY_ALONE: &str =
    "committed on the primary, and its synchronous standby was not waited for";

/// A handle to one transaction, as [`Cluster::write`](crate::Cluster::write) passes it: cheap to
/// clone, and of no use once the transaction has ended. It can also do all that a [`ReadConn`] can.
#[derive(Debug, Clone)]
pub struct Tx(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    conn: ReadConn,
}

impl Deref for Tx {
    type Target = ReadConn;

    fn deref(&self) -> &ReadConn {
        &self.0.conn
    }
}

impl Tx {
    pub(crate) async fn begin(conn: ReadConn) -> Result<Self, Error> {
        let tx = Self(Arc::new(Inner { conn }));
        // The server gives up when nobody waits any more.
        let timeout = (tx.deadline().left() + GRACE).as_millis();
        let timeout = timeout.next_multiple_of(TIMEOUT_STEP_MS);
        let timeout = timeout.min(tx.statement_timeout().as_millis()).max(1);
        tx.batch(
            "tx.begin",
            &format!("BEGIN; SET LOCAL statement_timeout = {timeout}"),
        )
        .await?;
        Ok(tx)
    }

    /// Runs `sql`, whose first line is `-- its.name`; how many rows it changed.
    ///
    /// # Errors
    /// As [`ReadConn::query`].
    pub async fn execute(&self, sql: &'static str, params: &Params<'_>) -> Result<u64, Error> {
        self.0.conn.execute(sql, params).await
    }

    /// Runs `work` in a savepoint: where it fails, its changes are undone and the transaction goes on.
    ///
    /// # Errors
    /// The error of `work`, or of the savepoint itself; [`Error::TransactionFailed`] when `work`
    /// swallowed the error of a statement.
    pub async fn savepoint<T>(
        &self,
        work: impl AsyncFnOnce(&Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.batch("tx.savepoint", "SAVEPOINT s").await?;
        let error = match work(self).await {
            Ok(value) if !self.has_failed() => {
                self.batch("tx.release", "RELEASE SAVEPOINT s").await?;
                return Ok(value);
            }
            Ok(_) => Error::TransactionFailed,
            Err(error) => error,
        };
        // A connection that is lost has no savepoint to go back to, and COMMIT will say so.
        if self.is_usable() {
            let back = "ROLLBACK TO SAVEPOINT s; RELEASE SAVEPOINT s";
            self.batch("tx.rollback_to", back).await?;
            self.forget_failure();
        }
        Err(error)
    }

    /// Commits; the position in the write-ahead log that holds the commit.
    ///
    /// The COMMIT runs in a task of the cluster: whoever asked may go away, it is never cancelled.
    pub(crate) async fn commit(self, tasks: &TaskTracker) -> Result<u64, Error> {
        if self.has_failed() || !self.is_usable() {
            // The server would answer COMMIT with a silent ROLLBACK, or never get it.
            let lost = !self.has_failed() && self.is_lost();
            self.rollback().await;
            return Err(if lost {
                Error::ConnectionLost("before COMMIT".into())
            } else {
                Error::TransactionFailed
            });
        }
        let deadline = self.deadline();
        if deadline.has_passed() {
            self.rollback().await;
            return Err(Error::Deadline {
                waiting_for: "a commit",
            });
        }
        self.0.conn.end();
        let generation = Arc::clone(self.0.conn.generation());
        let node = self.0.conn.node().label.clone();
        let committing = tasks.spawn(async move {
            let outcome = tokio::time::timeout(COMMIT_LIMIT, self.send_commit()).await;
            outcome.unwrap_or_else(|late| Err(Error::CommitUnknown(late.into())))
        });
        match deadline
            .limit("a commit", generation.outlast(committing))
            .await
        {
            Ok(Some(Ok(outcome))) => outcome,
            Ok(Some(Err(stopped))) => Err(Error::CommitUnknown(stopped.into())),
            Ok(None) => Err(Error::CommitUnknown(Error::went_away(&node).into())),
            Err(late) => Err(Error::CommitUnknown(late.into())),
        }
    }

    async fn send_commit(&self) -> Result<u64, Error> {
        let conn = &self.0.conn;
        // Whatever ends this early, the connection is in no known state.
        conn.break_off();
        let session = conn.session();
        let _earlier = session.told.take_not_synchronous();
        let committed = commit_on(session).await;
        let position = committed.map_err(|error| {
            let error = if conn.ended_with_generation(&error) {
                Error::went_away(&conn.node().label)
            } else {
                Error::from_driver("tx.commit", error)
            };
            match error {
                Error::ConnectionLost(source) => Error::CommitUnknown(source),
                other => other,
            }
        })?;
        if session.told.take_not_synchronous() {
            return Err(Error::CommitUnknown(ON_PRIMARY_ALONE.into()));
        }
        if position.is_some() {
            conn.mend();
        }
        Ok(position.map_or(0, u64::from))
    }

    pub(crate) async fn rollback(self) {
        if !self.is_usable() || self.batch("tx.rollback", "ROLLBACK").await.is_err() {
            self.0.conn.break_off();
        }
        self.0.conn.end();
    }
}

/// Sends COMMIT; the position that holds it, where the server came to tell it.
async fn commit_on(session: &Session) -> Result<Option<PgLsn>, tokio_postgres::Error> {
    let mut answers = pin!(session.simple_query_raw(COMMIT).await?);
    let (mut ended, mut position) = (0, None);
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(SimpleQueryMessage::CommandComplete(_)) => ended += 1,
            Ok(SimpleQueryMessage::Row(row)) => {
                position = row.get(0).and_then(|text| text.parse().ok());
            }
            Ok(_) => {}
            // Without its position there is no token, and still no failure.
            Err(_) if ended >= COMMITTED => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(position)
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Not ended: the request went away in between. The open transaction goes with its connection.
        if !self.conn.has_ended() {
            self.conn.break_off();
        }
    }
}
