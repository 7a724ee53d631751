//! How one statement runs: metered, under the deadline, no longer than its node is there, and judged.

use std::{
    pin::{Pin, pin},
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use futures_util::TryStreamExt as _;
use prepnexus_health::TRACE;
use smallvec::SmallVec;
use tokio_postgres::Row;
use tracing::Instrument as _;

use super::ReadConn;
use crate::{
    error::{Error, Verdict},
    metric,
    param::{Params, for_driver, with_types},
    pool::Named,
    query::name_of,
};

/// What a request waits for that waits for a statement.
const STATEMENT: &str = "a statement";
const LATE: Error = Error::Deadline {
    waiting_for: STATEMENT,
};

/// What preparing a statement is called in metrics.
const PREPARE: &str = "prepare";

/// The rows of one answer: mostly one, for which no list is made.
pub(super) type Rows = SmallVec<[Row; 1]>;

impl ReadConn {
    pub(crate) async fn execute(
        &self,
        sql: &'static str,
        params: &Params<'_>,
    ) -> Result<u64, Error> {
        let (known, session) = (self.known(sql).await?, self.session());
        let rows = if let Some(statement) = &known.statement {
            let params = for_driver(params);
            self.run(&known, pin!(session.execute_raw(statement, params)))
                .await?
        } else {
            let params: Vec<_> = with_types(params).collect();
            self.run(&known, pin!(session.execute_typed(sql, &params)))
                .await?
        };
        known.rows.increment(rows);
        Ok(rows)
    }

    /// The rows of `sql`, and its name.
    pub(super) async fn rows(
        &self,
        sql: &'static str,
        params: &Params<'_>,
    ) -> Result<(Rows, &'static str), Error> {
        let (known, session) = (self.known(sql).await?, self.session());
        let rows = async {
            let rows = if let Some(statement) = &known.statement {
                session.query_raw(statement, for_driver(params)).await?
            } else {
                session.query_typed_raw(sql, with_types(params)).await?
            };
            rows.try_collect::<Rows>().await
        };
        let rows = self.run(&known, pin!(rows)).await?;
        known.rows.increment(rows.len() as u64);
        self.note_seen(rows.first());
        Ok((rows, known.name))
    }

    /// Runs what needs no answer but that it was done.
    pub(crate) async fn batch(&self, name: &'static str, sql: &str) -> Result<(), Error> {
        let statements = &self.session().statements;
        let known = statements
            .get(name)
            .unwrap_or_else(|| statements.insert(name, self.named(name, name, None)));
        self.run(&known, pin!(self.session().batch_execute(sql)))
            .await
    }

    /// What the session knows of `sql`; prepares what is new to it.
    async fn known(&self, sql: &'static str) -> Result<Arc<Named>, Error> {
        if let Some(known) = self.session().statements.get(sql) {
            return Ok(known);
        }
        let name = name_of(sql);
        let mut named = self.named(name, name, Some(sql));
        if self.node().around.prepares {
            let preparing = self.named(name, PREPARE, None);
            // Boxed: it is seldom, and would make every statement's future larger.
            let mut statement = Box::pin(self.session().prepare(sql));
            named.statement = Some(self.run(&preparing, statement.as_mut()).await?);
        }
        Ok(self.session().statements.insert(sql, named))
    }

    /// One whose errors name the query `name`, and whose time counts for `metered_as`.
    fn named(
        &self,
        name: &'static str,
        metered_as: &'static str,
        sql: Option<&'static str>,
    ) -> Named {
        Named {
            name,
            sql,
            statement: None,
            time: metric::query(metered_as, self.role),
            rows: metric::rows(metered_as, self.role),
        }
    }

    /// The statement stays where it is pinned: it is kilobytes, and each layer would move it.
    async fn run<T>(
        &self,
        known: &Named,
        statement: Pin<&mut impl Future<Output = Result<T, tokio_postgres::Error>>>,
    ) -> Result<T, Error> {
        if self.has_ended() {
            return Err(Error::TransactionEnded);
        }
        let began = Instant::now();
        if self.deadline.is_before(began) {
            return Err(LATE);
        }
        let is_alone = self.running.fetch_add(1, Ordering::Relaxed) == 0;
        if !is_alone {
            self.note_side_by_side();
        }
        let span = tracing::trace_span!(
            target: TRACE,
            "query",
            otel.name = known.name,
            otel.kind = "client",
            db.system.name = "postgresql",
            db.query.summary = known.name,
            server.address = self.node().label,
            role = self.role.as_str(),
        );
        // Most of the time nobody traces.
        let outcome = if span.is_none() {
            self.in_time(is_alone, statement).await?
        } else {
            self.in_time(is_alone, statement.instrument(span)).await?
        };
        if outcome
            .as_ref()
            .is_err_and(|error| self.ended_with_generation(error))
        {
            // Not ended on the server, for all that is known.
            return Err(Error::went_away(&self.node().label));
        }
        self.running.fetch_sub(1, Ordering::Relaxed);
        let now = Instant::now();
        let time = now.duration_since(began);
        known.time.record(time);
        let slow = &self.node().around.slow;
        if time >= slow.threshold
            && let Some(sql) = known.sql
        {
            slow.note(known.name, sql, self.role, time, now);
        }
        let error = match outcome {
            Ok(value) => {
                self.node().note_answer(time, now);
                return Ok(value);
            }
            Err(error) => Error::from_driver(known.name, error),
        };
        self.learn_from(&error);
        // The server's clock was faster.
        if error.is_cancelled() && self.deadline.has_passed() {
            return Err(LATE);
        }
        Err(error)
    }

    /// What `statement` gives, if it is in time.
    async fn in_time<T>(
        &self,
        is_alone: bool,
        statement: impl Future<Output = T>,
    ) -> Result<T, Error> {
        if is_alone {
            let alarm = &self.session().alarm;
            alarm.limit(self.deadline, statement).await.ok_or(LATE)
        } else {
            self.deadline.limit(STATEMENT, statement).await
        }
    }

    /// Whether an error is that the session was ended because the node is not what it was.
    pub(crate) fn ended_with_generation(&self, error: &tokio_postgres::Error) -> bool {
        error.is_closed() && self.generation().is_over()
    }

    /// Draws the consequences of a statement's error, for the node and for this connection.
    fn learn_from(&self, error: &Error) {
        self.node().judge(error, self.generation().number);
        match error.verdict() {
            Verdict::Node | Verdict::Connection => self.break_off(),
            Verdict::StaleRole => {
                self.failed.store(true, Ordering::Relaxed);
                self.break_off();
            }
            Verdict::Refusal | Verdict::Innocent => {
                self.failed.store(true, Ordering::Relaxed);
                self.node().breaker.on_success(Instant::now());
            }
        }
    }
}
