//! A look at one server by a session of its own, past the routers under test: when did it really
//! become the primary, when did it really fall behind?

use std::time::Duration;

use prepnexus_storage::{Cluster, ClusterConfig, Deadline, Freshness, Params, ReadConn};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{
    error::Error,
    rig::{Rig, patience},
};

/// How often it looks.
const PERIOD: Duration = Duration::from_millis(1);
/// How long its session can be used.
const LIFETIME: Duration = Duration::from_secs(300);

/// A session on one server.
pub(crate) struct Eye {
    cluster: Cluster,
    conn: ReadConn,
}

impl Eye {
    /// Connects to one server.
    pub(crate) async fn on(rig: &Rig, node: usize) -> Result<Self, Error> {
        let all = rig.config();
        let config = ClusterConfig {
            nodes: vec![all.nodes[node].clone()],
            application_name: "chaos-eye".into(),
            ..all
        };
        let cluster = Cluster::start(&config)?;
        // Its first look at the server may not be over.
        let _known = cluster.next_look().await;
        drop(cluster.read(Freshness::Any, patience()).await?);
        let conn = cluster
            .read(Freshness::Any, Deadline::after(LIFETIME))
            .await?;
        Ok(Self { cluster, conn })
    }

    /// Asks, about every millisecond, until the column `yes` is true; the first moment after that.
    pub(crate) async fn when(
        &self,
        what: &str,
        limit: Duration,
        sql: &'static str,
        params: &Params<'_>,
    ) -> Result<Instant, Error> {
        let began = Instant::now();
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while began.elapsed() < limit {
            ticks.tick().await;
            if self.conn.query_one(sql, params).await?.get("yes")? {
                return Ok(Instant::now());
            }
        }
        let what = what.to_owned();
        Err(Error::Timeout { what, limit })
    }

    /// The column `position`, now.
    pub(crate) async fn text(&self, sql: &'static str) -> Result<String, Error> {
        Ok(self.conn.query_one(sql, &[]).await?.get("position")?)
    }

    /// Waits until the server is a primary.
    pub(crate) async fn when_primary(&self, limit: Duration) -> Result<Instant, Error> {
        const SQL: &str = "-- chaos.is_primary\nSELECT NOT pg_is_in_recovery() AS yes";
        self.when("the promotion", limit, SQL, &[]).await
    }

    /// Ends the session.
    pub(crate) async fn close(self) {
        drop(self.conn);
        self.cluster.close().await;
    }
}
