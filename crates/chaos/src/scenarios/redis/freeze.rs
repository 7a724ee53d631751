//! Redis freezes: what it costs the readers of kept posts, and of others.

use std::time::Duration;

use tokio::task::spawn_blocking;

use super::{HOT, Play};
use crate::{
    error::Error,
    latency::Latencies,
    measure::Measure,
    scenarios::common::go_on,
    visitor::{Crowd, Visit},
};

/// Reads of cold posts a second, of all processes together.
const COLD_READS: u32 = 150;
/// Until when each process has stopped to ask it; a busy machine has as much more time for that as for all else.
const OPEN_MS: f64 = 250.0;

pub(super) async fn measure(play: &Play<'_>) -> Result<Vec<Measure>, Error> {
    let hot = play.readers();
    let new = |turn| HOT + 1 + turn;
    let cold = Crowd::start(play.recorder(), COLD_READS, play.bases, new);
    go_on(play.setting.seconds(1.0, 0.5)).await;
    let began_us = play.recorder().now();
    go_on(play.setting.seconds(5.0, 2.0)).await;
    let frozen_us = play.recorder().script("Redis freezes");
    play.rig
        .with_redis(|redis| {
            redis.freeze();
            Ok(())
        })
        .await?;
    go_on(play.setting.seconds(5.0, 4.0)).await;
    let thawed_us = play.recorder().script("Redis thaws");
    play.rig
        .with_redis(|redis| {
            redis.thaw();
            Ok(())
        })
        .await?;
    let (hot, cold) = spawn_blocking(move || (hot.stop(), cold.stop())).await?;

    let failed = hot.iter().chain(&cold);
    let failed = failed.filter(|visit| !visit.answer.is_well()).count();
    let open = Duration::from_secs_f64(play.setting.ms(OPEN_MS) / 1_000.0);
    let open_us = frozen_us + u64::try_from(open.as_micros()).unwrap_or(u64::MAX);
    let healthy = [
        times(&hot, began_us, frozen_us),
        times(&cold, began_us, frozen_us),
    ]
    .map(|times| times.p99_ms());
    let frozen = times(&hot, frozen_us, thawed_us);
    let early = times(&cold, frozen_us, open_us);
    let late = times(&cold, open_us, thawed_us);
    let slower = |what, ms: f64, of: &Latencies, healthy: f64, limit| {
        Measure::ms(what, ms - healthy, play.setting.ms(limit))
            .beside(format!("{} reads; healthy: {healthy:.2} ms", of.count()))
    };
    Ok(vec![
        slower(
            "frozen: p99 of posts in memory, slower by",
            frozen.p99_ms(),
            &frozen,
            healthy[0],
            1.0,
        ),
        slower(
            "frozen: slowest of other posts in the first 250 ms, slower by",
            early.longest_ms(),
            &early,
            healthy[1],
            150.0,
        ),
        slower(
            "frozen: p99 of other posts after that, slower by",
            late.p99_ms(),
            &late,
            healthy[1],
            2.0,
        ),
        Measure::never("frozen: reads that failed", failed),
    ])
}

/// Those of the visits sent in that time.
fn times(visits: &[Visit], from_us: u64, to_us: u64) -> Latencies {
    let mut times = Latencies::none();
    for visit in visits
        .iter()
        .filter(|visit| (from_us..to_us).contains(&visit.sent_us))
    {
        times.add(visit.took_us);
    }
    times
}
