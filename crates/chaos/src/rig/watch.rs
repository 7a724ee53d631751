//! What the routers see, noted in the history as it changes.

use std::{sync::Arc, time::Duration};

use prepnexus_storage::{Cluster, NodeState, NodeView, Role, Topology};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{SOON, patience};
use crate::{
    client::Nodes,
    error::Error,
    history::{History, Recorder, What},
};

/// How late a change is noted at most.
const PERIOD: Duration = Duration::from_millis(10);

/// How often a condition is asked for.
const POLL: Duration = Duration::from_millis(5);

impl Nodes {
    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    pub(crate) fn clusters(&self) -> &[Cluster] {
        &self.clusters
    }

    /// The history so far.
    pub(crate) fn history(&self) -> History {
        self.recorder.snapshot()
    }

    /// Notes what the routers see, until `stop`.
    pub(crate) fn watch(&self, stop: &CancellationToken) -> Vec<JoinHandle<()>> {
        let routers = self.clusters.iter().enumerate();
        let watch = |(index, cluster): (usize, &Cluster)| {
            let watching = watch(index, cluster.clone(), self.recorder.clone());
            let stop = stop.clone();
            tokio::spawn(async move {
                stop.run_until_cancelled(watching).await;
            })
        };
        routers.map(watch).collect()
    }

    /// Waits until `holds`; the moment at which it was seen.
    pub(crate) async fn until(
        &self,
        what: &str,
        limit: Duration,
        mut holds: impl FnMut(&Self) -> bool,
    ) -> Result<u64, Error> {
        let deadline = Instant::now() + limit;
        while !holds(self) {
            if Instant::now() > deadline {
                let what = what.to_owned();
                return Err(Error::Timeout { what, limit });
            }
            sleep(POLL).await;
        }
        Ok(self.recorder.now())
    }

    /// Waits until all routers know a primary and all replicas serve.
    pub(crate) async fn all_serve(&self) -> Result<(), Error> {
        for cluster in self.clusters() {
            cluster.wait_for_primary(patience()).await?;
        }
        let all = |nodes: &Self| {
            nodes.clusters.iter().all(|cluster| {
                let topology = cluster.topology();
                serving(&topology) + 1 == topology.nodes.len()
            })
        };
        self.until("all replicas serving", SOON, all)
            .await
            .map(drop)
            .map_err(|error| self.with_views(error))
    }

    /// Says what the routers see instead of what was waited for.
    fn with_views(&self, error: Error) -> Error {
        let Error::Timeout { what, limit } = error else {
            return error;
        };
        let view = |view: &NodeView| {
            let (role, state) = (view.role.as_str(), view.state.as_str());
            let seen = view.observation.as_ref();
            let place = seen.map(|seen| (seen.timeline, seen.position));
            let reason = view.last_error.as_deref().unwrap_or_default();
            format!("{} {role} {state} {place:?} {reason}", view.addr)
        };
        let topologies = self.clusters().iter().map(Cluster::topology);
        let views = topologies.map(|topology| {
            let nodes: Vec<String> = topology.nodes.iter().map(view).collect();
            format!("primary {:?} of [{}]", topology.primary, nodes.join("; "))
        });
        let views: Vec<String> = views.collect();
        let what = format!("{what}: {}", views.join(" and "));
        Error::Timeout { what, limit }
    }

    /// Waits until all routers see that server as the primary, or none; the moment.
    pub(crate) async fn until_primary(&self, node: Option<usize>) -> Result<u64, Error> {
        let seen = |nodes: &Self| {
            nodes
                .clusters()
                .iter()
                .all(|cluster| cluster.topology().primary == node)
        };
        self.until("a change of the primary", SOON, seen).await
    }

    /// Waits until all routers see that server serve as a replica, or not; the moment.
    pub(crate) async fn until_serves(&self, node: usize, wanted: bool) -> Result<u64, Error> {
        let seen = |nodes: &Self| {
            nodes
                .clusters()
                .iter()
                .all(|cluster| serves(&cluster.topology(), node) == wanted)
        };
        self.until("a change of a replica", SOON, seen).await
    }
}

async fn watch(index: usize, cluster: Cluster, recorder: Recorder) {
    let mut last: Option<Arc<Topology>> = None;
    loop {
        let now = cluster.topology();
        if last.as_ref().map(|last| last.primary) != Some(now.primary) {
            recorder.note(What::Primary {
                cluster: index,
                node: now.primary,
            });
        }
        for node in 0..now.nodes.len() {
            let is = serves(&now, node);
            if last.as_ref().map(|last| serves(last, node)) != Some(is) {
                recorder.note(What::Node {
                    cluster: index,
                    node,
                    serves: is,
                });
            }
        }
        last = Some(now);
        // A look that is published just before this waits is seen a moment later.
        let _seen = timeout(PERIOD, cluster.next_look()).await;
    }
}

fn serves(topology: &Topology, node: usize) -> bool {
    let view = &topology.nodes[node];
    view.role == Role::Replica && view.state == NodeState::Up
}

fn serving(topology: &Topology) -> usize {
    let nodes = 0..topology.nodes.len();
    nodes.filter(|node| serves(topology, *node)).count()
}
