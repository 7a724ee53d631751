//! Reads: run on a node that is fresh enough, and on another one when that node fails.

use std::sync::Arc;

use super::{AsStorageError, Cluster, Freshness};
use crate::{
    deadline::Deadline,
    error::Error,
    metric,
    read::ReadConn,
    router::{self, Indexes},
    token::Token,
};

impl Cluster {
    /// Runs `work` on a node that is fresh enough, and again on another where that one fails: a read
    /// changes nothing, so that it can. Also ends at once when the node it waits for is found to be
    /// away.
    ///
    /// ```no_run
    /// # use prepnexus_storage::{Cluster, Error, Freshness, seen};
    /// # async fn example(cluster: Cluster) -> Result<(), Error> {
    /// const SQL: &str = concat!("-- jobs.count\nSELECT count(*) AS jobs, ", seen!(), " FROM jobs");
    /// let (jobs, token) = cluster
    ///     .read_with(Freshness::Any, cluster.deadline(), |conn| async move {
    ///         let jobs: i64 = conn.query_one(SQL, &[]).await?.get("jobs")?;
    ///         Ok::<_, Error>((jobs, conn.token().await?))
    ///     })
    ///     .await?;
    /// println!("{jobs} jobs; whoever has seen that sends back {token}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What `work` returned; as [`Cluster::read`].
    pub async fn read_with<T, E, F, W>(
        &self,
        freshness: Freshness,
        deadline: Deadline,
        mut work: F,
    ) -> Result<T, E>
    where
        E: From<Error> + AsStorageError,
        F: FnMut(Arc<ReadConn>) -> W,
        W: Future<Output = Result<T, E>>,
    {
        self.0.budget.deposit();
        let mut failed = Indexes::new();
        // Each node may fail once, and the last one more than once: a pool can hold several dead
        // connections.
        let mut attempts_left = self.0.nodes.len() + 2;
        loop {
            let (conn, index) = self.find(freshness, deadline, &failed).await?;
            let error = match work(Arc::new(conn)).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            attempts_left -= 1;
            let may_pass = |error: &Error| error.is_worth_another_node();
            let again = error.as_storage_error().is_some_and(may_pass)
                && attempts_left > 0
                && !deadline.has_passed()
                && self.0.budget.withdraw();
            if !again {
                return Err(error);
            }
            metric::read_retry();
            if !failed.contains(&index) {
                failed.push(index);
            }
        }
    }

    /// A connection to read with, to a node that is fresh enough. [`Cluster::read_with`] is this,
    /// and begins again on another node when one fails in the middle.
    ///
    /// # Errors
    /// [`Error::Unavailable`] at once when no node may serve it, [`Error::UnknownToken`] for a token
    /// of another history, [`Error::Saturated`] and [`Error::Deadline`] when the node is too busy.
    pub async fn read(&self, freshness: Freshness, deadline: Deadline) -> Result<ReadConn, Error> {
        let found = self.find(freshness, deadline, &[]).await;
        found.map(|(conn, _)| conn)
    }

    /// Whether the history that `token` names is, or is part of, the one being served. Where nobody
    /// serves, that is left for the request itself to find out.
    ///
    /// # Errors
    /// [`Error::UnknownToken`] when it is not; [`Error::Deadline`].
    pub async fn check_token(&self, token: Token, deadline: Deadline) -> Result<(), Error> {
        let topology = self.topology_by(deadline).await?;
        self.topology_of(token, &topology, deadline).await.map(drop)
    }

    /// A connection to a node that is fresh enough and, if there is another, none of `failed`.
    async fn find(
        &self,
        freshness: Freshness,
        deadline: Deadline,
        failed: &[usize],
    ) -> Result<(ReadConn, usize), Error> {
        let mut failed = Indexes::from_slice(failed);
        let mut attempts_left = self.0.nodes.len() + 1;
        loop {
            let route = self.route(freshness, deadline, &failed).await?;
            let index = route.index;
            let error = match self.connect(&route, deadline).await {
                Ok(conn) => return Ok((conn, index)),
                Err(error) => error,
            };
            attempts_left -= 1;
            // A replica that has too much to do must not make the primary have too much to do.
            let others = || {
                let replicas = router::replicas(&self.topology(), &self.0.nodes);
                replicas
                    .iter()
                    .any(|other| *other != index && !failed.contains(other))
            };
            let elsewhere = error.is_worth_another_node()
                || (matches!(error, Error::Saturated { .. }) && others());
            if !elsewhere || attempts_left == 0 || deadline.has_passed() || failed.contains(&index)
            {
                return Err(error);
            }
            failed.push(index);
        }
    }
}
