//! Who leads a cluster, and whether it is whole.

use std::thread;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::patroni::{PatroniCluster, PatroniNode};
use crate::wait::wait_for;

impl PatroniCluster {
    /// The node that now says it leads: of several, the one on the highest timeline. `None` while none does. It says so from
    /// the moment that it has the lock, which is before it accepts writes.
    #[must_use]
    pub fn leader(&self) -> Option<&PatroniNode> {
        // All at once, as frozen ones take their time.
        let timelines: Vec<Option<u32>> = thread::scope(|scope| {
            let nodes = self.nodes.iter();
            let asked: Vec<_> = nodes
                .map(|node| scope.spawn(|| node.led_timeline()))
                .collect();
            let answers = asked.into_iter();
            answers
                .map(|thread| thread.join().unwrap_or_default())
                .collect()
        });
        let leaders = self.nodes.iter().zip(timelines);
        let leaders = leaders.filter_map(|(node, timeline)| Some((timeline?, node)));
        leaders
            .max_by_key(|(timeline, _)| *timeline)
            .map(|(_, node)| node)
    }

    /// The nodes that do not lead now.
    #[must_use]
    pub fn replicas(&self) -> Vec<&PatroniNode> {
        let leader = self.leader().map(PatroniNode::name);
        let nodes = self.nodes.iter();
        nodes.filter(|node| Some(node.name()) != leader).collect()
    }

    /// Waits until a node leads and accepts writes.
    ///
    /// # Errors
    /// [`Error::Timeout`] after `limit`.
    pub fn wait_for_leader(&self, limit: Duration) -> Result<&PatroniNode> {
        wait_for("a leader", limit, || {
            Ok(self.leader().filter(|leader| leader.accepts_writes()))
        })
    }

    /// Waits until a node leads, and every other one is a replica that streams from it; in synchronous mode, until one of
    /// them is the synchronous one too.
    ///
    /// # Errors
    /// [`Error::Timeout`] after `limit`, with what was missing last.
    pub fn wait_for_healthy(&self, limit: Duration) -> Result<&PatroniNode> {
        let mut missing = String::new();
        let healthy = wait_for("a healthy cluster", limit, || match self.healthy_leader() {
            Ok(leader) => Ok(Some(leader)),
            Err(reason) => {
                missing = reason;
                Ok(None)
            }
        });
        healthy.map_err(|error| match error {
            Error::Timeout { what, limit } => Error::Timeout {
                what: format!("{what} ({missing})"),
                limit,
            },
            other => other,
        })
    }

    /// The leader that all others stream from, or what is missing. A dead replica's connection may linger in the leader's
    /// view, so the replicas are asked as well.
    pub(super) fn healthy_leader(&self) -> Result<&PatroniNode, String> {
        let leader = self.leader().ok_or("nobody leads")?;
        if !leader.accepts_writes() {
            return Err(format!("{} accepts no writes yet", leader.name()));
        }
        let others = self.nodes.iter();
        let others: Vec<_> = others.filter(|node| node.name() != leader.name()).collect();
        for node in &others {
            let name = node.name();
            let streams = format!(
                "SELECT count(*) > 0 FROM pg_stat_replication WHERE application_name = '{name}' \
                 AND state = 'streaming'"
            );
            if !leader.answers(&streams, "t") {
                return Err(format!("{name} does not stream from {}", leader.name()));
            }
            if !node.says("/replica") {
                return Err(format!("{name} does not say that it is a replica"));
            }
        }
        if self.synchronous && !others.iter().any(|node| node.says("/synchronous")) {
            return Err("no replica is synchronous".to_owned());
        }
        Ok(leader)
    }
}
