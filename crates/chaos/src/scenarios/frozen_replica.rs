//! A replica freezes: its readers go elsewhere, and no user's request tries it again for the router.

use super::{
    Setting,
    common::{SECOND_US, Traffic, WRITES, go_on, latencies, not_served, window},
};
use crate::{
    error::Error,
    history::Kind,
    measure::Measure,
    rig::{Rig, Shape, on_rig},
};

/// A read that asked a frozen server has waited for a deadline; none is shorter than this.
const PROBE_MS: f64 = 200.0;
/// The generator's clock ticks in milliseconds, whatever the servers do.
const TICK_MS: f64 = 1.0;

pub(super) async fn play(setting: Setting) -> Result<Vec<Measure>, Error> {
    on_rig(&setting, "frozen_replica", Shape::default(), async |rig| {
        freeze(rig, &setting).await
    })
    .await
}

async fn freeze(rig: &Rig, setting: &Setting) -> Result<Vec<Measure>, Error> {
    let traffic = Traffic::start(rig, 300, 30, WRITES);
    go_on(setting.seconds(1.0, 1.0)).await;
    let healthy_from = rig.recorder().now();
    go_on(setting.seconds(4.0, 2.0)).await;
    let frozen = rig.freeze(1).await?;
    go_on(setting.seconds(6.0, 3.0)).await;
    let end = rig.recorder().now();
    rig.thaw(1).await?;
    let back = rig.until_serves(1, true).await;
    traffic.stop().await?;
    back?;

    let history = rig.history();
    let healthy = latencies(&history, Kind::ReadAny, healthy_from, frozen).p99_ms();
    let settled = frozen + SECOND_US;
    let later = latencies(&history, Kind::ReadAny, settled, end);
    let first = latencies(&history, Kind::ReadAny, frozen, settled).longest_ms();
    let limit = setting.ms(PROBE_MS);
    let waited = window(&history, Kind::ReadAny, settled, end)
        .filter(|op| op.latency().as_secs_f64() * 1_000.0 > limit);
    Ok(vec![
        Measure::ms(
            "reads after the first second, p99",
            later.p99_ms(),
            setting.ms(1.5 * healthy + TICK_MS),
        )
        .beside(format!(
            "healthy: {healthy:.2} ms; first second's slowest: {first:.0} ms"
        )),
        Measure::never("reads that waited for it after that", waited.count())
            .beside(format!("{} reads", later.count())),
        Measure::never(
            "reads that failed",
            not_served(&history, Kind::ReadAny, frozen, end),
        ),
    ])
}
