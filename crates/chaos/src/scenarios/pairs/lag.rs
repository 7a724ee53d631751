//! How far the replicas really are behind, asked of the servers themselves all the while: only reads
//! of moments when they are close say anything about where such reads go.

use std::time::Duration;

use prepnexus_storage::Params;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{error::Error, eye::Eye, rig::Rig};

/// How often it is asked.
const PERIOD: Duration = Duration::from_millis(25);
/// Further behind is far behind, whatever the number.
const FAR: Duration = Duration::from_secs(2);

/// How long the slower replica took to replay what the primary had flushed at some moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    from_us: u64,
    to_us: u64,
}

/// Asks until `stop`. The primary is node 0, the replicas are 1 and 2.
pub(super) async fn sample(rig: &Rig, stop: &CancellationToken) -> Result<Vec<Sample>, Error> {
    const FLUSHED: &str = "-- chaos.flushed\nSELECT pg_current_wal_flush_lsn()::text AS position";
    const REPLAYED: &str =
        "-- chaos.replayed\nSELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn AS yes";
    let eyes = (
        Eye::on(rig, 0).await?,
        Eye::on(rig, 1).await?,
        Eye::on(rig, 2).await?,
    );
    let mut samples = Vec::new();
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let position = eyes.0.text(FLUSHED).await?;
        let from_us = rig.recorder().now();
        let params: &Params<'_> = &[&position];
        let arrived = tokio::join!(
            eyes.1.when("replica 1", FAR, REPLAYED, params),
            eyes.2.when("replica 2", FAR, REPLAYED, params)
        );
        let to_us = match arrived {
            (Ok(one), Ok(other)) => rig.recorder().at(one.max(other).into_std()),
            _ => rig.recorder().now(),
        };
        samples.push(Sample { from_us, to_us });
    }
    eyes.0.close().await;
    eyes.1.close().await;
    eyes.2.close().await;
    Ok(samples)
}

/// Whether both replicas were less than `limit_us` behind just before and just after that moment.
pub(super) fn were_close(samples: &[Sample], at_us: u64, limit_us: u64) -> bool {
    let next = samples.partition_point(|sample| sample.from_us <= at_us);
    let around = [next.checked_sub(1), Some(next)].map(|index| samples.get(index?));
    around
        .iter()
        .all(|sample| sample.is_some_and(|sample| sample.to_us - sample.from_us < limit_us))
}

#[cfg(test)]
mod tests {
    use super::{Sample, were_close};

    #[test]
    fn close_is_close_before_and_after() {
        let sample = |from_us, lag_us| Sample {
            from_us,
            to_us: from_us + lag_us,
        };
        let samples = [sample(10, 1), sample(20, 1), sample(30, 9), sample(40, 1)];
        let close = |at_us| were_close(&samples, at_us, 5);
        assert_eq!(
            [5, 15, 25, 35, 45].map(close),
            [false, true, false, false, false]
        );
    }
}
