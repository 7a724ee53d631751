//! How long a statement goes on running on the server after its caller has gone away.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use prepnexus_storage::{Cluster, Error, Freshness};
use tokio_postgres::Client;

const READS: usize = 50;
/// Longer than is waited for.
const SLEEP: &str = "-- sleeper\nSELECT pg_sleep(20)::text";
const SLEEPERS: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '-- sleeper%' AND state = 'active'";
const LIMIT: Duration = Duration::from_secs(10);

/// The times from dropping a read until the server has ended it, in milliseconds, in ascending order.
///
/// `watching` sees all sessions of the server that reads go to.
pub(crate) async fn cancellations(cluster: &Cluster, watching: &Client) -> Result<Vec<f64>> {
    let mut times = Vec::with_capacity(READS);
    for _ in 0..READS {
        let reading = cluster.read_with(Freshness::Any, cluster.deadline(), |conn| async move {
            conn.query_one(SLEEP, &[]).await.map(drop)
        });
        tokio::select! {
            ended = reading => return Err(ended.err().map_or_else(|| anyhow::anyhow!("it slept to its end"), Error::into)),
            running = until(watching, 1) => { running?; }
        }
        let dropped = Instant::now();
        until(watching, 0).await?;
        times.push(dropped.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

async fn until(watching: &Client, wanted: i64) -> Result<()> {
    let counting = async {
        while watching
            .query_typed_one(SLEEPERS, &[])
            .await?
            .get::<_, i64>(0)
            != wanted
        {}
        anyhow::Ok(())
    };
    let counted = tokio::time::timeout(LIMIT, counting).await;
    counted.context("the server did not begin or end the statement")?
}
