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
use tokio_postgres::Statement;
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::task::TaskTracker;

use crate::{
    deadline::Deadline,
    error::Error,
    metric,
    node::Node,
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
    pub(crate) stale_role: Arc<dyn Fn(&Node) + Send + Sync>,
}

/// A connection to one node, for reading, until it is dropped.
pub struct ReadConn {
    object: Option<Object>,
    node: Arc<Node>,
    role: Role,
    deadline: Deadline,
    around: Surroundings,
    /// Statements begun and not ended.
    running: AtomicUsize,
    broken: AtomicBool,
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
        object: Object,
        node: Arc<Node>,
        role: Role,
        deadline: Deadline,
        around: Surroundings,
    ) -> Self {
        Self {
            object: Some(object),
            node,
            role,
            deadline,
            around,
            running: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
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
            error
        })
    }

    /// What an error says about the node: a lost connection counts against it, a stale role sends
    /// the monitor to look, and anything else is the statement's own affair.
    fn judge(&self, error: &Error) {
        match error {
            Error::ConnectionLost(_) => {
                self.break_off();
                self.node.on_failure(error);
            }
            error if error.is_stale_role() => {
                self.break_off();
                (self.around.stale_role)(&self.node);
            }
            _ => {}
        }
    }
}

impl Drop for ReadConn {
    fn drop(&mut self) {
        let running = *self.running.get_mut() > 0;
        if !running && !*self.broken.get_mut() {
            return;
        }
        let Some(object) = self.object.take() else {
            return;
        };
        // Out of the pool: its place is free at once, and nobody meets what it still has to say.
        let client = Object::take(object);
        if running && !client.is_closed() {
            let (tls, token) = (self.around.tls.clone(), client.cancel_token());
            self.around.tasks.spawn(async move {
                // Best effort: a server that can't be reached ends the statement by its timeout.
                let _told = tokio::time::timeout(CANCEL_TIMEOUT, token.cancel_query(tls)).await;
                drop(client);
            });
        }
    }
}
