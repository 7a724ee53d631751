//! Failovers, as a failover manager would do them: the most advanced replica is promoted, the others
//! follow it, and the old primary comes back as a replica.

use prepnexus_devstack::PgNode;

use super::Rig;
use crate::error::Error;

impl Rig {
    /// Kills a server as a power failure would.
    pub(crate) async fn kill(&self, node: usize) -> Result<u64, Error> {
        let at = self.recorder().script(&format!("kill {node}"));
        self.with(node, PgNode::kill).await??;
        Ok(at)
    }

    /// Freezes every process of a server.
    pub(crate) async fn freeze(&self, node: usize) -> Result<u64, Error> {
        let at = self.recorder().script(&format!("freeze {node}"));
        self.with(node, PgNode::freeze).await?;
        Ok(at)
    }

    /// Ends that.
    pub(crate) async fn thaw(&self, node: usize) -> Result<u64, Error> {
        self.with(node, PgNode::thaw).await?;
        Ok(self.recorder().script(&format!("thaw {node}")))
    }

    /// Which of the servers other than `without` has received most.
    pub(crate) async fn most_advanced(&self, without: usize) -> Result<usize, Error> {
        const RECEIVED: &str = "SELECT (greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0')::bigint";
        let mut best = (0_u64, 0);
        for node in (0..self.size()).filter(|node| *node != without) {
            let received = self.psql(node, RECEIVED).await?.parse().unwrap_or(0);
            best = best.max((received, node));
        }
        Ok(best.1)
    }

    /// Promotes `node`; the replicas other than `old` follow it from before that.
    pub(crate) async fn promote(&self, node: usize, old: usize) -> Result<(), Error> {
        for other in (0..self.size()).filter(|other| ![node, old].contains(other)) {
            let following = self.with_two((other, node), PgNode::follow);
            following.await??;
        }
        self.recorder().script(&format!("promote {node}"));
        Ok(self.with(node, PgNode::promote).await??)
    }

    /// Makes `node`, whatever it was, a replica of `primary`.
    pub(crate) async fn rejoin(&self, node: usize, primary: usize) -> Result<(), Error> {
        let rejoining = self.with_two((node, primary), |node, primary| {
            node.rejoin_as_replica_of(primary).map(drop)
        });
        rejoining.await??;
        self.recorder()
            .script(&format!("{node} is a replica again"));
        Ok(())
    }
}
