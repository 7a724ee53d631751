//! The monitor's task has an owner, and ends with it.

use std::sync::Arc;

use anyhow::Result;
use prepnexus_health::Status;

use crate::support::{Redis, monitored, quick_probes, status, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_monitor_leaves_no_task() -> Result<()> {
    let redis = Redis::start()?;
    let (_pool, registry, monitor) = monitored(quick_probes(redis.patient_config()))?;
    until("health", async || Ok(status(&registry) == Status::Healthy)).await?;
    monitor.stop().await;
    assert_eq!(
        Arc::strong_count(&registry),
        1,
        "the task is gone with what it held"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_does_one_that_is_dropped_or_stopped_in_the_middle_of_a_probe() -> Result<()> {
    let redis = Redis::start()?;
    redis.server.freeze();
    let (_pool, registry, monitor) = monitored(quick_probes(redis.patient_config()))?;
    tokio::task::yield_now().await;
    drop(monitor);
    until("the task to end", async || {
        Ok(Arc::strong_count(&registry) == 1)
    })
    .await?;

    let (_pool, registry, monitor) = monitored(quick_probes(redis.patient_config()))?;
    tokio::task::yield_now().await;
    monitor.stop().await;
    assert_eq!(
        Arc::strong_count(&registry),
        1,
        "the task is gone with what it held"
    );
    Ok(())
}
