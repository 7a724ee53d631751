//! A look at one server by a session of its own, past the routers under test: when did it really
//! become the primary, when did it really fall behind?

use std::time::Duration;

use prepnexus_storage::{Cluster, ClusterConfig, Deadline, Freshness, Params, ReadConn, Row};
use tokio::{
    sync::Mutex,
    time::{Instant, MissedTickBehavior, interval},
};

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
    /// Another one after a change of roles, which ends it.
    conn: Mutex<ReadConn>,
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
        let conn = Mutex::new(connect(&cluster).await?);
        Ok(Self { cluster, conn })
    }

    /// Asks once; again where the session ended because the server is not what it was.
    async fn ask(&self, sql: &'static str, params: &Params<'_>) -> Result<Row, Error> {
        let mut conn = self.conn.lock().await;
        match conn.query_one(sql, params).await {
            Err(error) if error.is_retryable() => {
                *conn = connect(&self.cluster).await?;
                Ok(conn.query_one(sql, params).await?)
            }
            answer => Ok(answer?),
        }
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
            if self.ask(sql, params).await?.get("yes")? {
                return Ok(Instant::now());
            }
        }
        let what = what.to_owned();
        Err(Error::Timeout { what, limit })
    }

    /// The column `position`, now.
    pub(crate) async fn text(&self, sql: &'static str) -> Result<String, Error> {
        Ok(self.ask(sql, &[]).await?.get("position")?)
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

async fn connect(cluster: &Cluster) -> Result<ReadConn, Error> {
    let deadline = Deadline::after(LIFETIME);
    Ok(cluster.read(Freshness::Any, deadline).await?)
}
