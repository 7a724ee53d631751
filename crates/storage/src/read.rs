//! A connection to read with.
//!
//! Statements are prepared once per connection and run under the request's deadline. A statement
//! that is not waited for to its end (the deadline passed, the request went away, or the node was
//! found to be away) is cancelled on the server, and its connection is not used again.

mod cancel;
mod run;
mod seen;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::runtime::Handle;
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::task::TaskTracker;

use self::{cancel::cancel, seen::Seen};
use crate::{
    config::NodeAddr,
    deadline::Deadline,
    error::Error,
    node::{Lease, Node, Place},
    param::Params,
    pool::{Generation, Pooled},
    row::Row,
    slow::SlowQueries,
    topology::Role,
};

/// What a connection needs beyond itself.
pub(crate) struct Surroundings {
    pub(crate) tls: MakeRustlsConnect,
    pub(crate) tasks: TaskTracker,
    /// Where cancellations run, wherever the connection is dropped.
    pub(crate) runtime: Handle,
    /// The longest any statement may run on the server.
    pub(crate) statement_timeout: Duration,
    /// What took long.
    pub(crate) slow: SlowQueries,
    /// Whether statements are prepared: not through a pooler that changes sessions in between.
    pub(crate) prepares: bool,
}

/// A connection to one node, for reading, until it is dropped.
pub struct ReadConn {
    session: Option<Pooled>,
    place: Place,
    role: Role,
    deadline: Deadline,
    /// What its reads have seen.
    seen: Seen,
    /// Statements begun and not ended.
    running: AtomicUsize,
    broken: AtomicBool,
    /// The server refused a statement: a transaction it belongs to can only be rolled back.
    failed: AtomicBool,
    ended: AtomicBool,
}

impl fmt::Debug for ReadConn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadConn")
            .field("node", &self.node().label)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

impl ReadConn {
    pub(crate) fn new(lease: Lease, role: Role, deadline: Deadline) -> Self {
        Self {
            session: Some(lease.session),
            place: lease.place,
            role,
            deadline,
            seen: Seen::default(),
            running: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        }
    }

    /// What the node it is connected to does.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The node it is connected to.
    #[must_use]
    pub fn addr(&self) -> &NodeAddr {
        &self.node().addr
    }

    /// By when its statements must have answered.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// All rows of `sql`, whose first line is `-- its.name`.
    ///
    /// # Errors
    /// [`Error::Deadline`], [`Error::ConnectionLost`], or [`Error::Sql`] with what the server said.
    pub async fn query(&self, sql: &'static str, params: &Params<'_>) -> Result<Vec<Row>, Error> {
        let (rows, name) = self.rows(sql, params).await?;
        Ok(rows.into_iter().map(|row| Row::new(name, row)).collect())
    }

    /// The row of `sql`, if there is one.
    ///
    /// # Errors
    /// As [`ReadConn::query`]; [`Error::Row`] when there are several rows.
    pub async fn query_opt(
        &self,
        sql: &'static str,
        params: &Params<'_>,
    ) -> Result<Option<Row>, Error> {
        let (mut rows, name) = self.rows(sql, params).await?;
        match rows.len() {
            0 | 1 => Ok(rows.pop().map(|row| Row::new(name, row))),
            several => Err(Error::count(name, several)),
        }
    }

    /// The one row of `sql`.
    ///
    /// # Errors
    /// As [`ReadConn::query`]; [`Error::Row`] when there is no row, or several.
    pub async fn query_one(&self, sql: &'static str, params: &Params<'_>) -> Result<Row, Error> {
        let (mut rows, name) = self.rows(sql, params).await?;
        match (rows.pop(), rows.len()) {
            (Some(row), 0) => Ok(Row::new(name, row)),
            (None, _) => Err(Error::count(name, 0)),
            (Some(_), others) => Err(Error::count(name, others + 1)),
        }
    }

    /// No statement runs after this.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// The connection is not to be used again.
    pub(crate) fn break_off(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    /// It is, after all.
    pub(crate) fn mend(&self) {
        self.broken.store(false, Ordering::Relaxed);
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// The failure was undone, by going back to a savepoint.
    pub(crate) fn forget_failure(&self) {
        self.failed.store(false, Ordering::Relaxed);
    }

    /// Whether the server would take a statement now: the connection is there, and no statement
    /// was left half way.
    pub(crate) fn is_usable(&self) -> bool {
        let left_half_way = self.running.load(Ordering::Relaxed) > 0;
        !left_half_way && !self.is_lost()
    }

    /// Whether the connection broke.
    pub(crate) fn is_lost(&self) -> bool {
        self.broken.load(Ordering::Relaxed) || self.session().is_closed()
    }

    pub(crate) fn statement_timeout(&self) -> Duration {
        self.node().around.statement_timeout
    }

    pub(crate) fn session(&self) -> &Pooled {
        self.session.as_ref().expect("taken by drop alone")
    }

    pub(crate) fn generation(&self) -> &Arc<Generation> {
        &self.session().generation
    }

    pub(crate) fn node(&self) -> &Node {
        self.place.node()
    }
}

impl Drop for ReadConn {
    fn drop(&mut self) {
        let running = *self.running.get_mut() > 0;
        if !running && !*self.broken.get_mut() {
            return;
        }
        let Some(session) = self.session.take() else {
            return;
        };
        // Out of the pool: its place is free at once, and nobody meets what it still has to say.
        let session = Pooled::take(session);
        if running && (!session.is_closed() || session.generation.is_over()) {
            let node = self.node();
            node.load.note_given_up();
            let around = &node.around;
            let cancelling = cancel(session, node.addr.clone(), around.tls.clone());
            around.tasks.spawn_on(cancelling, &around.runtime);
        }
    }
}
