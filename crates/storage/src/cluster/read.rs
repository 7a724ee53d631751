//! Reads: to which node each goes, and to which other one when that node fails.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{AsStorageError, Cluster, Freshness};
use crate::{
    deadline::Deadline,
    error::Error,
    metric,
    read::ReadConn,
    router::{self, Indexes},
    token::{Token, UnknownToken},
    topology::Topology,
};

/// The longest to look for a timeline that a token names and that was not seen yet: another process
/// may have heard of a promotion first.
const UNSEEN_TIMELINE_LIMIT: Duration = Duration::from_millis(500);

/// A node, and why it was chosen.
type Route = (usize, &'static str);

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
            let topology = self.topology_by(deadline).await?;
            let (index, reason) = self.route(&topology, freshness, deadline, &failed).await?;
            let error = match self.connect(&topology, index, reason, deadline).await {
                Ok(conn) => return Ok((conn, index)),
                Err(error) => error,
            };
            attempts_left -= 1;
            // A replica that has too much to do must not make the primary have too much to do.
            let others = || {
                let replicas = router::replicas(&topology, &self.0.nodes);
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

    async fn route(
        &self,
        topology: &Arc<Topology>,
        freshness: Freshness,
        deadline: Deadline,
        failed: &[usize],
    ) -> Result<Route, Error> {
        match freshness {
            Freshness::Any => self.route_any(topology, failed),
            Freshness::Primary => {
                let primary = router::primary(topology, &self.0.nodes);
                primary
                    .map(|index| (index, "asked"))
                    .ok_or_else(|| self.no("primary"))
            }
            Freshness::AtLeast(token) => {
                let topology = self.topology_of(token, topology, deadline).await?;
                self.route_at_least(&topology, token, deadline, failed)
                    .await
            }
        }
    }

    fn route_any(&self, topology: &Topology, failed: &[usize]) -> Result<Route, Error> {
        let nodes = &self.0.nodes;
        let all = router::replicas(topology, nodes);
        let primary = router::primary(topology, nodes);
        let untried: Indexes = all
            .iter()
            .copied()
            .filter(|i| !failed.contains(i))
            .collect();
        // When all were away there is no warm node to spare them, and the primary least of all.
        let is_warm =
            |index: usize| nodes[index].ramp.share(Instant::now(), self.0.slow_start) >= 1.0;
        let primary_is_warm = primary.is_some_and(is_warm);
        let elected = if primary_is_warm {
            router::elect(&untried, nodes, self.0.slow_start)
        } else {
            router::elect_any(&untried, nodes)
        };
        if let Some(index) = elected {
            let reason = match (failed.is_empty(), primary) {
                (false, _) => "retry",
                (true, Some(_)) => "any",
                (true, None) => "no_primary",
            };
            return Ok((index, reason));
        }
        let reason = if !untried.is_empty() {
            "slow_start"
        } else if failed.is_empty() {
            "no_replica"
        } else {
            "retry"
        };
        if let Some(index) = primary.filter(|index| !failed.contains(index)) {
            return Ok((index, reason));
        }
        // Nobody else is left: those that are still rising, then those that failed.
        let rising = router::elect_any(&untried, nodes);
        let last = rising
            .or_else(|| router::elect_any(&all, nodes))
            .or(primary);
        last.map(|index| (index, "retry"))
            .ok_or_else(|| self.no("node"))
    }

    /// A replica that has replayed up to the token, now or within a few milliseconds; else the primary.
    async fn route_at_least(
        &self,
        topology: &Topology,
        token: Token,
        deadline: Deadline,
        failed: &[usize],
    ) -> Result<Route, Error> {
        let nodes = &self.0.nodes;
        let all = router::replicas(topology, nodes);
        let untried = all.iter().copied().filter(|i| !failed.contains(i));
        let replicas: Indexes = untried.collect();
        let arrived = |of: &Indexes| -> Indexes {
            let there = |index: &usize| nodes[*index].progress.position() >= token.position;
            of.iter().copied().filter(there).collect()
        };
        let primary = router::primary(topology, nodes).filter(|index| !failed.contains(index));
        let mut ready = arrived(&replicas);
        let mut reason = "token";
        if ready.is_empty() && !replicas.is_empty() && !self.0.patience.is_short(Instant::now()) {
            let wait = deadline.left().min(self.0.token_wait);
            let waiting = self.0.monitor.arrival(&replicas, token.position);
            let in_time = tokio::time::timeout(wait, waiting).await.is_ok();
            self.0.patience.note(in_time, Instant::now());
            (ready, reason) = (arrived(&replicas), "token_waited");
        }
        if let Some(index) = router::elect(&ready, nodes, self.0.slow_start) {
            return Ok((index, reason));
        }
        let behind = if ready.is_empty() {
            "behind_token"
        } else {
            "slow_start"
        };
        if let Some(index) = primary {
            return Ok((
                index,
                if replicas.is_empty() {
                    "no_replica"
                } else {
                    behind
                },
            ));
        }
        // Nobody else is left: those that are still rising, then those that failed.
        let last = router::elect_any(&ready, nodes)
            .map(|index| (index, "no_primary"))
            .or_else(|| {
                router::elect_any(&arrived(&all), nodes)
                    .or_else(|| router::primary(topology, nodes))
                    .map(|index| (index, "retry"))
            });
        last.ok_or_else(|| self.no("node as new as the token"))
    }

    /// The topology in which the history that a token names is, or is part of, the one being served.
    async fn topology_of(
        &self,
        token: Token,
        topology: &Arc<Topology>,
        deadline: Deadline,
    ) -> Result<Arc<Topology>, Error> {
        match judge_token(token, topology) {
            Err(UnknownToken::LostTimeline) if is_ahead(token, topology) => {
                let wait = Deadline::after(deadline.left().min(UNSEEN_TIMELINE_LIMIT));
                let looking = async {
                    self.0.monitor.look_again(Instant::now()).await;
                    let seen = |topology: &Topology| !is_ahead(token, topology);
                    self.0.monitor.wait_for(seen).await;
                };
                // Late or not: what is known then decides.
                let _looked = wait.limit("a timeline", looking).await;
                let topology = self.topology();
                judge_token(token, &topology)?;
                Ok(topology)
            }
            checked => Ok(checked.map(|()| Arc::clone(topology))?),
        }
    }
}

fn is_ahead(token: Token, topology: &Topology) -> bool {
    topology
        .newest_timeline()
        .is_some_and(|newest| token.timeline > newest)
}

fn judge_token(token: Token, topology: &Topology) -> Result<(), UnknownToken> {
    let Some((system_id, newest)) = topology.system_id.zip(topology.newest_timeline()) else {
        // Nobody serves: that is said soon enough.
        return Ok(());
    };
    if token.system_id != system_id {
        return Err(UnknownToken::OtherCluster);
    }
    let Token {
        timeline, position, ..
    } = token;
    if topology.timelines.holds(newest, timeline, position) {
        Ok(())
    } else {
        Err(UnknownToken::LostTimeline)
    }
}
