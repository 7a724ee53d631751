//! A transaction. Whatever changes rows exists here alone, so that a write through a replica's
//! connection does not compile.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio_util::task::TaskTracker;

use crate::{error::Error, param::Params, read::ReadConn, row::Row, token::parse_position};

/// A handle to one transaction, as [`Cluster::write`](crate::Cluster::write) passes it: cheap to
/// clone, and of no use once the transaction has ended. It can also do all that a [`ReadConn`] can.
#[derive(Debug, Clone)]
pub struct Tx(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    conn: ReadConn,
    /// A statement failed: the server will roll back, whatever it is told.
    failed: AtomicBool,
}

impl Deref for Tx {
    type Target = ReadConn;

    fn deref(&self) -> &ReadConn {
        &self.0.conn
    }
}

impl Tx {
    pub(crate) async fn begin(conn: ReadConn) -> Result<Self, Error> {
        let tx = Self(Arc::new(Inner {
            conn,
            failed: AtomicBool::new(false),
        }));
        // The server gives up when nobody waits any more.
        let timeout = tx.deadline().left().as_millis().max(1);
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
        self.note(self.0.conn.execute(sql, params).await)
    }

    /// All rows of `sql`.
    ///
    /// # Errors
    /// As [`ReadConn::query`].
    pub async fn query(&self, sql: &'static str, params: &Params<'_>) -> Result<Vec<Row>, Error> {
        self.note(self.0.conn.query(sql, params).await)
    }

    /// The row of `sql`, if there is one.
    ///
    /// # Errors
    /// As [`ReadConn::query_opt`].
    pub async fn query_opt(
        &self,
        sql: &'static str,
        params: &Params<'_>,
    ) -> Result<Option<Row>, Error> {
        self.note(self.0.conn.query_opt(sql, params).await)
    }

    /// The one row of `sql`.
    ///
    /// # Errors
    /// As [`ReadConn::query_one`].
    pub async fn query_one(&self, sql: &'static str, params: &Params<'_>) -> Result<Row, Error> {
        self.note(self.0.conn.query_one(sql, params).await)
    }

    /// Runs `work` in a savepoint: where it fails, its changes are undone and the transaction goes on.
    ///
    /// # Errors
    /// The error of `work`, or of the savepoint itself.
    pub async fn savepoint<T>(
        &self,
        work: impl AsyncFnOnce(&Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.note(self.batch("tx.savepoint", "SAVEPOINT s").await)?;
        let was_failed = self.0.failed.load(Ordering::Relaxed);
        match work(self).await {
            Ok(value) => {
                self.note(self.batch("tx.release", "RELEASE SAVEPOINT s").await)?;
                Ok(value)
            }
            Err(error @ Error::Sql { .. }) => {
                self.batch(
                    "tx.rollback_to",
                    "ROLLBACK TO SAVEPOINT s; RELEASE SAVEPOINT s",
                )
                .await?;
                self.0.failed.store(was_failed, Ordering::Relaxed);
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Commits; the position in the write-ahead log that holds the commit.
    ///
    /// The COMMIT runs in a task of the cluster: whoever asked may go away, it is never cancelled.
    pub(crate) async fn commit(self, tasks: &TaskTracker) -> Result<u64, Error> {
        if self.0.failed.load(Ordering::Relaxed) {
            // The server would answer COMMIT with a silent ROLLBACK.
            self.rollback().await;
            return Err(Error::TransactionFailed);
        }
        self.0.conn.end();
        let deadline = self.deadline();
        let committing = tasks.spawn(async move {
            let client = self.0.conn.object();
            // One round trip: the server runs the second after the first has ended.
            let (committed, position) = tokio::join!(
                client.batch_execute("COMMIT"),
                client.query_typed("SELECT pg_current_wal_flush_lsn()::text AS position", &[]),
            );
            if let Err(error) = committed {
                self.0.conn.break_off();
                return Err(match Error::from_driver("tx.commit", error) {
                    Error::ConnectionLost(source) => Error::CommitUnknown(source),
                    other => other,
                });
            }
            // Committed: without its position there is no token, and still no failure.
            let text = position
                .ok()
                .and_then(|rows| rows.first()?.try_get::<_, String>(0).ok());
            Ok(text.as_deref().and_then(parse_position).unwrap_or(0))
        });
        match deadline.limit("a commit", committing).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(stopped)) => Err(Error::CommitUnknown(stopped.into())),
            Err(late) => Err(Error::CommitUnknown(late.into())),
        }
    }

    pub(crate) async fn rollback(self) {
        if self.batch("tx.rollback", "ROLLBACK").await.is_err() {
            self.0.conn.break_off();
        }
        self.0.conn.end();
    }

    fn note<T>(&self, outcome: Result<T, Error>) -> Result<T, Error> {
        if matches!(outcome, Err(Error::Sql { .. })) {
            self.0.failed.store(true, Ordering::Relaxed);
        }
        outcome
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Not ended: the request went away in between. The open transaction goes with its connection.
        if !self.conn.has_ended() {
            self.conn.break_off();
        }
    }
}
