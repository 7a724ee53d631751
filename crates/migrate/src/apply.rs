//! Sends what was planned, statement by statement, so that an error has a line; and again, where others' locks stood in the
//! way: a statement waits for a lock no longer than its file says, because whoever needs the same lock waits behind it.

use std::time::{Duration, Instant};

use tokio_postgres::{
    SimpleQueryMessage,
    error::{ErrorPosition, SqlState},
};

use crate::{
    error::{Error, FileFailure, Holders, said},
    file::Migration,
    leftover,
    lock::Runner,
    plan::{self, How, Sent, Unit},
    poll::Patience,
    progress::{OnProgress, Progress},
    session::Session,
    statement::Statement,
    steps::Place,
    watch::{Spot, watched},
};

/// How long a failed statement's leftovers are waited for that somebody else works on.
const CLEARING: Duration = Duration::from_secs(10);

/// Sends what concerns the tables of records.
pub(crate) async fn send_own(runner: &Runner, unit: &Unit) -> Result<(), Error> {
    for sent in &unit.statements {
        run(&runner.work, &sent.sql, "keeping the tables of records").await?;
    }
    Ok(())
}

/// Applies a file.
pub(crate) struct Application<'a> {
    pub(crate) runner: &'a Runner,
    pub(crate) migration: &'a Migration,
    /// For how long a unit is tried again.
    pub(crate) retry: Duration,
}

/// Why a unit was not done.
enum Failure {
    /// Others held locks, or waited for ours: all that was begun is undone.
    InTheWay {
        line: usize,
        holders: Holders,
    },
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Application<'_> {
    /// Sends `units`; how long that took.
    pub(crate) async fn send(
        &self,
        units: &[Unit],
        progress: OnProgress<'_>,
    ) -> Result<Duration, Error> {
        let begun = Instant::now();
        for unit in units {
            match unit.how {
                How::Repeated => self.send_repeatedly(unit, progress).await?,
                How::Transaction | How::Outside(_) => {
                    self.send_unit(unit, progress).await?;
                }
            }
        }
        Ok(begun.elapsed())
    }

    async fn send_repeatedly(&self, unit: &Unit, progress: OnProgress<'_>) -> Result<(), Error> {
        let line = unit.statements.iter().find_map(Sent::line).unwrap_or(1);
        let mut rows = 0;
        loop {
            let changed = self.send_unit(unit, progress).await?;
            if changed == 0 {
                return Ok(());
            }
            rows += changed;
            let file = self.migration.to_string();
            progress(Progress::Repeated { file, line, rows });
        }
    }

    /// One unit, until it is done; how many rows its statements changed.
    async fn send_unit(&self, unit: &Unit, progress: OnProgress<'_>) -> Result<u64, Error> {
        let (mut patience, begun) = (Patience::of(self.retry), Instant::now());
        let mut unit = unit.clone();
        loop {
            self.runner.check()?;
            let (line, holders) = match self.try_unit(&unit, progress).await {
                Ok(rows) => return Ok(rows),
                Err(Failure::InTheWay { line, holders }) => (line, holders),
                Err(Failure::Other(error)) => {
                    if let How::Outside(index) = unit.how {
                        self.clear(index).await;
                    }
                    return Err(error);
                }
            };
            let file = self.migration.to_string();
            let Some(pause) = patience.next_try() else {
                return Err(Error::Blocked {
                    file,
                    line,
                    waited: begun.elapsed(),
                    holders,
                });
            };
            progress(Progress::TryingAgain { file, line, pause });
            Patience::sleep(pause).await;
            if let How::Outside(index) = unit.how {
                unit = self.resume(index).await?;
            }
        }
    }

    async fn try_unit(&self, unit: &Unit, progress: OnProgress<'_>) -> Result<u64, Failure> {
        let mut rows = 0;
        for sent in &unit.statements {
            let (answer, holders) = {
                let line = self.line_of(unit, sent);
                let file = self.migration.to_string();
                let work = self.runner.work.client().simple_query(&sent.sql);
                watched(self.runner, &Spot { file, line }, progress, work).await
            };
            match answer {
                Ok(messages) if sent.of.is_some() => rows += changed(&messages),
                Ok(_) => {}
                Err(error) => {
                    let failure = self.failure(unit, sent, &error, holders);
                    if !matches!(unit.how, How::Outside(_)) {
                        // Where the connection is gone, so is the transaction.
                        let _rolled_back =
                            self.runner.work.client().batch_execute("ROLLBACK").await;
                    }
                    return Err(failure);
                }
            }
        }
        Ok(rows)
    }

    fn failure(
        &self,
        unit: &Unit,
        sent: &Sent,
        error: &tokio_postgres::Error,
        holders: Holders,
    ) -> Failure {
        let in_the_way = [
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::T_R_DEADLOCK_DETECTED,
        ];
        if error.code().is_some_and(|code| in_the_way.contains(code)) {
            let line = self.line_of(unit, sent);
            return Failure::InTheWay { line, holders };
        }
        if error.as_db_error().is_none() {
            let doing = "the connection was lost; run it again, and it goes on from where it was";
            return Error::query(doing, error).into();
        }
        // A deferred constraint speaks up only at COMMIT.
        let last = || {
            unit.statements
                .iter()
                .rev()
                .find_map(|sent| sent.of.as_ref())
        };
        match sent.of.as_ref().or_else(last) {
            Some(statement) => refused(self.migration, statement, error).into(),
            None => Error::query("recording the migration", error).into(),
        }
    }

    /// The unit of a statement outside a transaction, from where it is now.
    async fn resume(&self, index: usize) -> Result<Unit, Error> {
        let place = Place {
            migration: self.migration,
            index,
        };
        plan::outside(&self.runner.work, place, true, &Patience::endless()).await
    }

    /// Removes what a statement that failed has left behind, so that a changed one can take its place. What can't be
    /// removed now is found by the next run.
    async fn clear(&self, index: usize) {
        let place = Place {
            migration: self.migration,
            index,
        };
        let sql = &self.migration.statements[index].sql;
        let clearing = async {
            let patience = Patience::of(CLEARING);
            let work = &self.runner.work;
            let course = leftover::course(work, sql, true, &patience).await?;
            for sql in course.before {
                run(work, &sql, "removing what a failed statement left behind").await?;
            }
            run(work, &place.forget(), "forgetting a failed statement").await
        };
        let _cleared: Result<(), Error> = clearing.await;
    }

    fn line_of(&self, unit: &Unit, sent: &Sent) -> usize {
        let first = || unit.statements.iter().find_map(Sent::line);
        sent.line().or_else(first).unwrap_or(1)
    }
}

impl Sent {
    fn line(&self) -> Option<usize> {
        self.of.as_ref().map(|statement| statement.line)
    }
}

fn changed(messages: &[SimpleQueryMessage]) -> u64 {
    let changed = messages.iter().map(|message| match message {
        SimpleQueryMessage::CommandComplete(rows) => *rows,
        _ => 0,
    });
    changed.sum()
}

fn refused(migration: &Migration, at: &Statement, error: &tokio_postgres::Error) -> Error {
    let position = error.as_db_error().and_then(|db| db.position());
    Error::Failed(Box::new(FileFailure {
        file: migration.to_string(),
        line: match position {
            Some(ErrorPosition::Original(position)) => at.line_of(*position),
            // A position in a function's own statement says nothing about the file.
            Some(ErrorPosition::Internal { .. }) | None => at.line,
        },
        message: said(error),
    }))
}

pub(crate) async fn run(session: &Session, sql: &str, doing: &'static str) -> Result<(), Error> {
    let ran = session.client().batch_execute(sql).await;
    ran.map_err(|e| Error::query(doing, &e))
}
