//! Writes: a transaction from BEGIN to COMMIT, begun again after a fault that passes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::Cluster;
use crate::{deadline::Deadline, error::Error, metric, token::Token, tx::Tx};

/// How often a transaction is begun again after a passing fault.
const MAX_RETRIES: u32 = 3;
/// The pause before the first retry; each further one is twice as long, and all are jittered.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// What is done about a commit whose outcome is unknown.
#[derive(Debug, Clone, Copy)]
enum OnUnknown {
    Report,
    RunAgain,
}

/// What follows an attempt that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    GiveUp,
    /// It left nothing behind; `elsewhere`, if the primary may have changed.
    RunAgain {
        elsewhere: bool,
    },
    /// It may have been committed, and running it again tells.
    Resolve,
}

impl Next {
    fn after(cause: &Error, on_unknown: OnUnknown) -> Self {
        match (cause, on_unknown) {
            (Error::CommitUnknown(_), OnUnknown::RunAgain) => Self::Resolve,
            (Error::ConnectionLost(_), _) => Self::RunAgain { elsewhere: true },
            (cause, _) if cause.is_retryable() => Self::RunAgain {
                elsewhere: cause.is_stale_role(),
            },
            _ => Self::GiveUp,
        }
    }
}

/// The longest to look again at all nodes: one of them may be frozen.
const LOOK_LIMIT: Duration = Duration::from_millis(500);

/// A write that is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed<T> {
    /// What the transaction's work returned.
    pub value: T,
    /// Names the write to later reads; `None` when its position could not be learned.
    pub token: Option<Token>,
}

/// An error of a transaction's work that may be, or hold, one of this crate.
pub trait AsStorageError {
    /// The error of this crate, where it is one: it decides whether the transaction is begun again.
    fn as_storage_error(&self) -> Option<&Error>;
}

impl AsStorageError for Error {
    fn as_storage_error(&self) -> Option<&Error> {
        Some(self)
    }
}

impl Cluster {
    /// Runs `work` in one transaction on the primary and commits it; begins again, within the
    /// deadline, after a serialization failure, a deadlock, a change of roles, or a connection
    /// lost before COMMIT. `name` is the transaction's name in metrics.
    ///
    /// ```no_run
    /// # use prepnexus_storage::{Cluster, Error};
    /// # async fn example(cluster: Cluster) -> Result<(), Error> {
    /// let name = "cron";
    /// let renamed = cluster
    ///     .write("jobs.rename", cluster.deadline(), |tx| async move {
    ///         tx.execute("-- jobs.rename\nUPDATE jobs SET name = $1 WHERE id = 7", &[&name]).await
    ///     })
    ///     .await?;
    /// println!("{} rows, read them back with {:?}", renamed.value, renamed.token);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What `work` returned; [`Error::CommitUnknown`] when the connection was lost during COMMIT;
    /// [`Error::Unavailable`] at once when there is no primary.
    pub async fn write<T, E, F, W>(
        &self,
        name: &'static str,
        deadline: Deadline,
        work: F,
    ) -> Result<Committed<T>, E>
    where
        E: From<Error> + AsStorageError,
        F: FnMut(Tx) -> W,
        W: Future<Output = Result<T, E>>,
    {
        self.run_write(name, deadline, OnUnknown::Report, work)
            .await
    }

    /// As [`Cluster::write`], for work that does nothing when it was done before: it claims a key of
    /// its own in the transaction, and gives the recorded answer where the key is taken. Then a commit
    /// whose outcome is unknown is resolved by running the work again: the key tells.
    ///
    /// The claim is to wait for a transaction that is just using the key, and to take the row where it
    /// finds one (`INSERT … ON CONFLICT DO NOTHING`, then `SELECT … FOR UPDATE`): the repeat's COMMIT
    /// then waits, where replication is synchronous, for what it confirms.
    ///
    /// # Errors
    /// As [`Cluster::write`]. [`Error::CommitUnknown`] only when no primary was there in time to ask;
    /// the same key can be sent again.
    pub async fn write_once<T, E, F, W>(
        &self,
        name: &'static str,
        deadline: Deadline,
        work: F,
    ) -> Result<Committed<T>, E>
    where
        E: From<Error> + AsStorageError,
        F: FnMut(Tx) -> W,
        W: Future<Output = Result<T, E>>,
    {
        self.run_write(name, deadline, OnUnknown::RunAgain, work)
            .await
    }

    async fn run_write<T, E, F, W>(
        &self,
        name: &'static str,
        deadline: Deadline,
        on_unknown: OnUnknown,
        mut work: F,
    ) -> Result<Committed<T>, E>
    where
        E: From<Error> + AsStorageError,
        F: FnMut(Tx) -> W,
        W: Future<Output = Result<T, E>>,
    {
        self.0.budget.deposit();
        let (mut unresolved, mut retries) = (None, 0);
        loop {
            let error = match self.attempt(deadline, &mut work).await {
                Ok(committed) => return Ok(committed),
                Err(error) => error,
            };
            let Some(cause) = error.as_storage_error() else {
                return Err(error);
            };
            let next = Next::after(cause, on_unknown);
            let may_run_again = retries < MAX_RETRIES
                && !deadline.has_passed()
                && match next {
                    Next::GiveUp => false,
                    Next::RunAgain { .. } => self.0.budget.withdraw(),
                    Next::Resolve => true,
                };
            let leaves_it_open = cause.is_unavailable();
            if !may_run_again {
                // Once an outcome is unknown, being unable to ask leaves it so.
                return Err(unresolved.filter(|_| leaves_it_open).unwrap_or(error));
            }
            metric::retry(name);
            tracing::debug!(transaction = name, retries, cause = %cause.chain(), "beginning again");
            if next == Next::Resolve {
                unresolved = Some(error);
            }
            let is_there = match next {
                Next::RunAgain { elsewhere: false } => true,
                _ => {
                    self.find_primary_again(deadline, unresolved.is_some())
                        .await
                }
            };
            unresolved = match unresolved {
                Some(unknown) if !is_there => return Err(unknown),
                kept => kept,
            };
            let pause = RETRY_PAUSE * 2_u32.pow(retries);
            tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
            retries += 1;
        }
    }

    /// Looks again at who the primary is, and for an unknown outcome also waits a moment for one.
    async fn find_primary_again(&self, deadline: Deadline, outcome_is_unknown: bool) -> bool {
        let monitor = &self.0.monitor;
        let looking = monitor.look_again(Instant::now());
        let limit = Deadline::after(deadline.left().min(LOOK_LIMIT));
        // Late or not: what is known then decides.
        let _looked = limit.limit("a primary", looking).await;
        if !outcome_is_unknown {
            return true;
        }
        let wait = Deadline::after(deadline.left().min(self.0.unknown_commit_wait));
        let there = monitor.wait_for(|topology| topology.primary.is_some());
        wait.limit("a primary", there).await.is_ok()
    }

    async fn attempt<T, E, F, W>(&self, deadline: Deadline, work: &mut F) -> Result<Committed<T>, E>
    where
        E: From<Error>,
        F: FnMut(Tx) -> W,
        W: Future<Output = Result<T, E>>,
    {
        let route = self.route_write(deadline).await?;
        let conn = self.connect(&route, deadline).await?;
        let generation = Arc::clone(conn.generation());
        let tx = Tx::begin(conn).await?;
        match work(tx.clone()).await {
            Ok(value) => {
                let committing = tx.commit(&self.0.tasks).await;
                let position = committing.inspect_err(|error| {
                    if matches!(error, Error::CommitUnknown(_)) {
                        metric::commit_unknown();
                    }
                })?;
                let token = generation.progress.token_at(position);
                Ok(Committed { value, token })
            }
            Err(error) => {
                tx.rollback().await;
                Err(error)
            }
        }
    }
}
