//! A connection to read with.
//!
//! Statements are prepared once per connection and run under the request's deadline. A statement
//! that is not waited for to its end (the deadline passed, or the request went away) is cancelled
//! on the server, and its connection is not used again.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use deadpool_postgres::Object;
use tokio::runtime::Handle;
use tokio_postgres::Statement;
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::task::TaskTracker;

use crate::{
    deadline::Deadline,
    error::Error,
    metric,
    node::{Lease, Node, Place},
    param::{DriverParams, Params, for_driver},
    query::name_of,
    row::Row,
    topology::Role,
};

/// How long the server may take to hear of a cancellation: it goes over a connection of its own.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(1);

/// What a connection needs beyond itself.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) tls: MakeRustlsConnect,
    pub(crate) tasks: TaskTracker,
    /// Where cancellations run, wherever the connection is dropped.
    pub(crate) runtime: Handle,
    /// The longest any statement may run on the server.
    pub(crate) statement_timeout: Duration,
    pub(crate) stale_role: Arc<dyn Fn(&Node) + Send + Sync>,
}

/// A connection to one node, for reading, until it is dropped.
pub struct ReadConn {
    object: Option<Object>,
    _place: Place,
    node: Arc<Node>,
    role: Role,
    deadline: Deadline,
    around: Surroundings,
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
            .field("node", &self.node.label)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

impl ReadConn {
    pub(crate) fn new(
        lease: Lease,
        node: Arc<Node>,
        role: Role,
        deadline: Deadline,
        around: Surroundings,
    ) -> Self {
        Self {
            object: Some(lease.object),
            _place: lease.place,
            node,
            role,
            deadline,
            around,
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
        let name = name_of(sql);
        let params = for_driver(params);
        let rows = self.run(name, "a statement", async {
            let statement = self.prepare(sql).await?;
            self.object().query(&statement, &params).await
        });
        Ok(rows
            .await?
            .into_iter()
            .map(|row| Row::new(name, row))
            .collect())
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
        let name = name_of(sql);
        let params = for_driver(params);
        let row = self.run(name, "a statement", async {
            let statement = self.prepare(sql).await?;
            self.object().query_opt(&statement, &params).await
        });
        Ok(row.await?.map(|row| Row::new(name, row)))
    }

    /// The one row of `sql`.
    ///
    /// # Errors
    /// As [`ReadConn::query`]; [`Error::Row`] when there is no row, or several.
    pub async fn query_one(&self, sql: &'static str, params: &Params<'_>) -> Result<Row, Error> {
        let name = name_of(sql);
        let params = for_driver(params);
        let row = self.run(name, "a statement", async {
            let statement = self.prepare(sql).await?;
            self.object().query_one(&statement, &params).await
        });
        Ok(Row::new(name, row.await?))
    }

    pub(crate) async fn execute(
        &self,
        sql: &'static str,
        params: &Params<'_>,
    ) -> Result<u64, Error> {
        let params: DriverParams<'_> = for_driver(params);
        self.run(name_of(sql), "a statement", async {
            let statement = self.prepare(sql).await?;
            self.object().execute(&statement, &params).await
        })
        .await
    }

    pub(crate) async fn batch(&self, name: &'static str, sql: &str) -> Result<(), Error> {
        self.run(name, "a statement", self.object().batch_execute(sql))
            .await
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
        self.broken.load(Ordering::Relaxed) || self.object().is_closed()
    }

    pub(crate) fn statement_timeout(&self) -> Duration {
        self.around.statement_timeout
    }

    pub(crate) fn object(&self) -> &Object {
        self.object.as_ref().expect("taken by drop alone")
    }

    async fn prepare(&self, sql: &'static str) -> Result<Statement, tokio_postgres::Error> {
        self.object().prepare_cached(sql).await
    }

    /// Runs one statement: metered, under the deadline, and judged.
    async fn run<T>(
        &self,
        name: &'static str,
        waiting_for: &'static str,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Error> {
        if self.ended.load(Ordering::Acquire) {
            return Err(Error::TransactionEnded);
        }
        let began = Instant::now();
        self.running.fetch_add(1, Ordering::Relaxed);
        let outcome = self.deadline.limit(waiting_for, statement).await?;
        self.running.fetch_sub(1, Ordering::Relaxed);
        metric::query(name, self.role, began.elapsed());
        outcome.map_err(|error| {
            let error = Error::from_driver(name, error);
            self.judge(&error);
            // The server's clock was faster.
            if error.is_cancelled() && self.deadline.has_passed() {
                return Error::Deadline { waiting_for };
            }
            error
        })
    }

    /// What an error says about the node: a lost connection counts against it, a stale role sends
    /// the monitor to look, and anything else is the statement's own affair.
    fn judge(&self, error: &Error) {
        match error {
            Error::ConnectionLost(_) => {
                self.break_off();
                // One that the server ended itself, with word of it, says that the server is there.
                if !error.was_told_by_server() {
                    self.node.on_failure(error);
                }
            }
            Error::Sql { .. } => {
                self.failed.store(true, Ordering::Relaxed);
                if error.is_stale_role() {
                    self.break_off();
                    (self.around.stale_role)(&self.node);
                }
            }
            _ => {}
        }
    }
}

impl Drop for ReadConn {
    fn drop(&mut self) {
        let running = *self.running.get_mut() > 0;
        if !running && !*self.broken.get_mut() {
            self.node.breaker.on_success(Instant::now());
            return;
        }
        let Some(object) = self.object.take() else {
            return;
        };
        // Out of the pool: its place is free at once, and nobody meets what it still has to say.
        let client = Object::take(object);
        if running && !client.is_closed() {
            let (tls, token) = (self.around.tls.clone(), client.cancel_token());
            let cancelling = async move {
                // Best effort: a server that can't be reached ends the statement by its timeout.
                let _told = tokio::time::timeout(CANCEL_TIMEOUT, token.cancel_query(tls)).await;
                drop(client);
            };
            self.around.tasks.spawn_on(cancelling, &self.around.runtime);
        }
    }
}
