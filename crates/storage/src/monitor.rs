//! Watches the nodes: one task and one connection per node, never from the pool.
//!
//! Each probe is one round trip under its own deadline, because a frozen server keeps its TCP
//! connections alive and never answers. Its connection is made anew now and then: a server can
//! answer those it has and take no new ones. What all nodes said together is published as one
//! immutable [`Topology`].
//!
//! A healthy node is probed at the configured interval, and sooner when there is reason to: it is
//! not well, there is no primary, a replica falls behind, users' requests get no answer, or a session
//! was told of a promotion. When a node is found to be away, to have changed its role, or to have
//! another history, a new generation of it begins: see [`crate::pool`].

mod pace;
mod probe;
mod record;
mod seek;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use arc_swap::{ArcSwap, Guard};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::{sync::watch, time::sleep_until};
use tokio_util::sync::CancellationToken;

#[cfg(feature = "driver")]
pub(crate) use self::probe::PROBE;
use self::{pace::Stall, record::Views, seek::Seek};
use crate::{
    connect::{Connected, Connector},
    error::Error,
    node::Node,
    topology::{NodeState, NodeView, Observation, Role, Topology},
};

/// How long a probe's connection is used: a server whose main process hangs goes on answering the
/// connections it has, and takes no new ones.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(5);
/// How the session of a probe is set up.
const OPTIONS: &str = "-c statement_timeout=5s -c idle_in_transaction_session_timeout=5s -c default_transaction_read_only=on";

/// What the tasks of the monitor share.
pub(crate) struct Monitor {
    nodes: Vec<Arc<Node>>,
    connector: Connector,
    views: Mutex<Views>,
    topology: ArcSwap<Topology>,
    /// Counts the published topologies; 0 before every node was probed once: who of several is the
    /// primary can't be told before all have been asked.
    published: watch::Sender<u64>,
    seek: Seek,
    began: Instant,
}

/// What the task of one node has.
#[derive(Default)]
struct Post {
    /// The connection for probes, and since when it is there.
    line: Option<(Connected, Instant)>,
    /// The next one, while it is being made. The present one goes on meanwhile, so that a server that
    /// freezes just then is noticed no later.
    renewal: Option<BoxFuture<'static, Result<Connected, Error>>>,
    stall: Stall,
}

impl Monitor {
    pub(crate) fn new(nodes: Vec<Arc<Node>>, connector: Connector) -> Self {
        let views = Views::new(&nodes);
        Self {
            topology: ArcSwap::from_pointee(views.nothing_known()),
            views: Mutex::new(views),
            published: watch::Sender::new(0),
            seek: Seek::new(nodes.len()),
            began: Instant::now(),
            nodes,
            connector,
        }
    }

    pub(crate) fn topology(&self) -> Arc<Topology> {
        self.topology.load_full()
    }

    /// The same, to look at for a moment: a thread may hold a few of these, without a count that all share.
    pub(crate) fn glance(&self) -> Guard<Arc<Topology>> {
        self.topology.load()
    }

    /// Whether a node is in that role, and may be used in it.
    pub(crate) fn is_still(&self, index: usize, role: Role) -> bool {
        let topology = self.glance();
        let node = &topology.nodes[index];
        let is_usable = !matches!(node.state, NodeState::Down | NodeState::Fenced);
        match role {
            Role::Primary => topology.primary == Some(index),
            Role::Replica | Role::Unknown => node.role == role && is_usable,
        }
    }

    /// Waits until `wanted` holds of the topology.
    pub(crate) async fn wait_for(&self, mut wanted: impl FnMut(&Topology) -> bool) {
        let mut published = self.published.subscribe();
        while !wanted(&self.topology.load()) {
            if published.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits until every node has been probed once.
    pub(crate) async fn first_look(&self) {
        let mut published = self.published.subscribe();
        let _seen = published.wait_for(|count| *count > 0).await;
    }

    /// Waits until the next topology is published.
    pub(crate) async fn next_look(&self) {
        let mut published = self.published.subscribe();
        let _seen = published.changed().await;
    }

    /// Waits until all nodes that answer have been probed after `moment`.
    pub(crate) async fn look_again(&self, moment: Instant) {
        for node in &self.nodes {
            node.look_now.notify_one();
        }
        let looked_at = |node: &NodeView| {
            let seen = node.observation.as_ref();
            node.state == NodeState::Down || seen.is_some_and(|seen| seen.seen_at >= moment)
        };
        self.wait_for(|topology| topology.nodes.iter().all(looked_at))
            .await;
    }

    /// Waits until one of the nodes of these indexes is known to have replayed up to `position`.
    pub(crate) async fn arrival(&self, nodes: &[usize], position: u64) {
        let has_arrived =
            |index: &usize| self.nodes[*index].generation().progress.position() >= position;
        self.seek
            .until(nodes, || nodes.iter().any(has_arrived))
            .await;
    }

    /// Probes one node until `stop`.
    pub(crate) async fn watch(self: Arc<Self>, index: usize, stop: CancellationToken) {
        let mut post = Post::default();
        loop {
            let before = self.nodes[index].load.tally();
            let round = async {
                let outcome = self.probe(index, &mut post).await;
                self.record(index, outcome, before);
                self.rest(index, &mut post).await
            };
            match stop.run_until_cancelled(round).await {
                None => return,
                Some(Ok(())) => {}
                // As good as a probe that failed.
                Some(Err(error)) => self.record(index, Err(error), before),
            }
        }
    }

    /// Waits until the node is to be probed again; meanwhile asks it where it is for those who wait for
    /// that, and renews the connection.
    async fn rest(&self, index: usize, post: &mut Post) -> Result<(), Error> {
        let node = &self.nodes[index];
        let due = Instant::now() + self.pause(index);
        while Instant::now() < due {
            let tick = due.min(Instant::now() + pace::TICK);
            let (is_there, is_renewing) = (post.line.is_some(), post.renewal.is_some());
            tokio::select! {
                () = node.look_now.notified() => return Ok(()),
                () = self.seek.wanted(index), if is_there => self.ask_position(index, post, due).await?,
                renewed = finish(&mut post.renewal), if is_renewing => post.renew(renewed)?,
                () = sleep_until(tick.into()) => {
                    if post.stall.is_new(node.users(), node.load.answered()) {
                        self.look_at_others(index);
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// What has taken one node may have taken the others, whom nobody asks anything just now: they would be found out by
    /// their own next probe alone, when readers already wait for them.
    fn look_at_others(&self, index: usize) {
        let others = self.nodes.iter().enumerate();
        for (_, node) in others.filter(|(other, _)| *other != index) {
            node.look_now.notify_one();
        }
    }

    /// Asks the node where it is until nobody waits for that, a probe is due, or there is reason to probe.
    async fn ask_position(&self, index: usize, post: &mut Post, due: Instant) -> Result<(), Error> {
        let node = &self.nodes[index];
        while self.seek.is_wanted(index) && Instant::now() < due {
            let Some((connected, _)) = &post.line else {
                return Ok(());
            };
            let generation = node.generation();
            let asking = probe::ask_position(&connected.client);
            let asked = self.in_time(asking).await;
            generation
                .progress
                .note(asked.inspect_err(|_| post.line = None)?);
            self.seek.answered();
            tokio::select! {
                () = node.look_now.notified() => {
                    node.look_now.notify_one();
                    return Ok(());
                }
                () = tokio::time::sleep(seek::PAUSE) => {}
            }
        }
        Ok(())
    }

    async fn probe(&self, index: usize, post: &mut Post) -> Result<Observation, Error> {
        let connect = || {
            let (connector, addr) = (self.connector.clone(), self.nodes[index].addr.clone());
            // It has a limit of its own: it costs a busy server much more than an answer.
            let limit = connector.config().connect_timeout;
            async move { connector.connect(&addr, OPTIONS, limit).await }.boxed()
        };
        // On any error the connection is dropped, and the next probe makes a new one.
        let (connected, since) = match post.line.take() {
            Some(line) => line,
            None => (connect().await?, Instant::now()),
        };
        let observation = self.in_time(probe::ask(&connected.client)).await?;
        if since.elapsed() >= CONNECTION_LIFETIME && post.renewal.is_none() {
            post.renewal = Some(connect());
        }
        post.line = Some((connected, since));
        Ok(observation)
    }

    async fn in_time<T>(&self, asking: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let limit = self.connector.config().probe_timeout;
        let asked = tokio::time::timeout(limit, asking).await;
        asked.unwrap_or(Err(Error::Deadline {
            waiting_for: "a probe",
        }))
    }

    fn pause(&self, index: usize) -> Duration {
        let topology = self.topology.load();
        let in_doubt = self.nodes[index].breaker.probe_in(Instant::now());
        let config = self.connector.config();
        let pause = pace::pause(config, &topology, index, in_doubt);
        if pause < config.probe_interval {
            return pause;
        }
        let elapsed = self.began.elapsed();
        pace::in_turn(config.probe_interval, elapsed, index, self.nodes.len())
    }
}

impl Post {
    /// Takes the new connection in the place of the old one.
    fn renew(&mut self, renewed: Result<Connected, Error>) -> Result<(), Error> {
        self.renewal = None;
        let now = Instant::now();
        match (renewed, &mut self.line) {
            (Ok(connected), line) => *line = Some((connected, now)),
            // Refused, for want of a free place: it is there all the same.
            (Err(Error::Sql { .. }), Some((_, since))) => *since = now,
            (Err(error), line) => {
                *line = None;
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Waits for a future that is there.
async fn finish<T>(future: &mut Option<BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
