//! Writes: a transaction from BEGIN to COMMIT, begun again after a fault that passes.

use std::time::{Duration, Instant};

use super::Cluster;
use crate::{deadline::Deadline, error::Error, metric, token::Token, tx::Tx};

/// How often a transaction is begun again after a passing fault.
const MAX_RETRIES: u32 = 3;
/// The pause before the first retry; each further one is twice as long, and all are jittered.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

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
        mut work: F,
    ) -> Result<Committed<T>, E>
    where
        E: From<Error> + AsStorageError,
        F: FnMut(Tx) -> W,
        W: Future<Output = Result<T, E>>,
    {
        let mut attempt = 0;
        loop {
            let error = match self.attempt(deadline, &mut work).await {
                Ok(committed) => return Ok(committed),
                Err(error) => error,
            };
            match error.as_storage_error() {
                Some(Error::CommitUnknown(_)) => {
                    metric::commit_unknown();
                    return Err(error);
                }
                Some(cause)
                    if cause.is_retryable() && attempt < MAX_RETRIES && !deadline.has_passed() =>
                {
                    metric::retry(name);
                    tracing::debug!(transaction = name, attempt, cause = %cause.chain(), "beginning again");
                }
                _ => return Err(error),
            }
            let elsewhere =
                |error: &Error| error.is_stale_role() || matches!(error, Error::ConnectionLost(_));
            if error.as_storage_error().is_some_and(elsewhere) {
                let looking = self.0.monitor.look_again(Instant::now());
                // Late or not: the next attempt says what is the matter.
                let _looked = deadline.limit("a primary", looking).await;
            }
            let pause = RETRY_PAUSE * 2_u32.pow(attempt);
            tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
            attempt += 1;
        }
    }

    async fn attempt<T, E, F, W>(&self, deadline: Deadline, work: &mut F) -> Result<Committed<T>, E>
    where
        E: From<Error>,
        F: FnMut(Tx) -> W,
        W: Future<Output = Result<T, E>>,
    {
        let topology = self.topology_by(deadline).await?;
        let index = topology
            .primary
            .filter(|index| self.0.nodes[*index].breaker.allows());
        let index = index.ok_or_else(|| self.no("primary"))?;
        let conn = self.connect(&topology, index, "write", deadline).await?;
        let tx = Tx::begin(conn).await?;
        match work(tx.clone()).await {
            Ok(value) => {
                let position = tx.commit(&self.0.tasks).await?;
                let seen = topology.nodes[index].observation.as_ref();
                let token = seen.filter(|_| position > 0).map(|seen| Token {
                    system_id: seen.system_id,
                    timeline: seen.timeline,
                    position,
                });
                Ok(Committed { value, token })
            }
            Err(error) => {
                tx.rollback().await;
                Err(error)
            }
        }
    }
}
