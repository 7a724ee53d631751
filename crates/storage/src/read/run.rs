//! How one statement runs: metered, under the deadline, no longer than its node is there, and judged.

use std::{
    pin::pin,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use tokio_postgres::{Row, Statement};

use super::ReadConn;
use crate::{
    error::{Error, Verdict},
    param::{Params, for_driver, with_types},
    query::name_of,
};

/// What a request waits for that waits for a statement.
const STATEMENT: &str = "a statement";

/// What `statement` answers and how long that took: the preparation, which is made once, apart.
pub(super) async fn timed<T, E>(
    statement: impl Future<Output = Result<T, E>>,
) -> Result<(T, Duration), E> {
    let began = Instant::now();
    statement.await.map(|value| (value, began.elapsed()))
}

impl ReadConn {
    pub(crate) async fn execute(
        &self,
        sql: &'static str,
        params: &Params<'_>,
    ) -> Result<u64, Error> {
        self.run(name_of(sql), async {
            if self.around.prepares {
                let statement = self.prepare(sql).await?;
                timed(self.session().execute(&statement, &for_driver(params))).await
            } else {
                timed(self.session().execute_typed(sql, &with_types(params))).await
            }
        })
        .await
    }

    pub(super) async fn rows(
        &self,
        sql: &'static str,
        params: &Params<'_>,
    ) -> Result<Vec<Row>, Error> {
        self.run(name_of(sql), async {
            if self.around.prepares {
                let statement = self.prepare(sql).await?;
                timed(self.session().query(&statement, &for_driver(params))).await
            } else {
                timed(self.session().query_typed(sql, &with_types(params))).await
            }
        })
        .await
    }

    async fn prepare(&self, sql: &'static str) -> Result<Statement, tokio_postgres::Error> {
        self.session().prepare_cached(sql).await
    }

    pub(super) async fn run<T>(
        &self,
        name: &'static str,
        statement: impl Future<Output = Result<(T, Duration), tokio_postgres::Error>>,
    ) -> Result<T, Error> {
        if self.has_ended() {
            return Err(Error::TransactionEnded);
        }
        let began = Instant::now();
        self.running.fetch_add(1, Ordering::Relaxed);
        // Pinned here: it is kilobytes, and each layer around it would move it.
        let statement = pin!(statement);
        let statement = self.generation.outlast(statement);
        let Some(outcome) = self.deadline.limit(STATEMENT, statement).await? else {
            return Err(Error::went_away(&self.node.label));
        };
        self.running.fetch_sub(1, Ordering::Relaxed);
        let metrics = &self.around.metrics;
        metrics.query(name, self.role, began.elapsed());
        let error = match outcome {
            Ok((value, time)) => {
                self.node.load.note_answer(time);
                return Ok(value);
            }
            Err(error) => Error::from_driver(name, error),
        };
        self.learn_from(&error);
        // The server's clock was faster.
        if error.is_cancelled() && self.deadline.has_passed() {
            return Err(Error::Deadline {
                waiting_for: STATEMENT,
            });
        }
        Err(error)
    }

    /// Draws the consequences of a statement's error, for the node and for this connection.
    fn learn_from(&self, error: &Error) {
        self.node.judge(error, self.generation.number);
        match error.verdict() {
            Verdict::Node | Verdict::Connection => self.break_off(),
            Verdict::StaleRole => {
                self.failed.store(true, Ordering::Relaxed);
                self.break_off();
            }
            Verdict::Refusal | Verdict::Innocent => {
                self.failed.store(true, Ordering::Relaxed);
            }
        }
    }
}
