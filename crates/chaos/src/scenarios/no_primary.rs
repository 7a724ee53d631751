//! No primary at all: nobody is promoted. Replicas go on serving what need not be fresh.

use super::{
    Setting,
    common::{
        SECOND_US, Traffic, WRITES, go_on, is_refused, latencies, not_served, refusals, window,
    },
};
use crate::{
    checker::availability,
    error::Error,
    history::Kind,
    measure::Measure,
    rig::{Rig, Shape, on_rig},
};

pub(super) async fn play(setting: Setting) -> Result<Vec<Measure>, Error> {
    on_rig(&setting, "no_primary", Shape::default(), async |rig| {
        without(rig, &setting).await
    })
    .await
}

async fn without(rig: &Rig, setting: &Setting) -> Result<Vec<Measure>, Error> {
    let traffic = Traffic::start(rig, 250, 50, WRITES);
    go_on(setting.seconds(2.0, 1.0)).await;
    let killed = rig.kill(0).await?;
    go_on(setting.seconds(5.0, 3.0)).await;
    let end = rig.recorder().now();
    traffic.stop().await?;

    let history = rig.history();
    let served = availability(&history, Kind::ReadAny, killed, end).unwrap_or(f64::NAN);
    let failed = not_served(&history, Kind::ReadAny, killed, end);
    let settled = killed + SECOND_US;
    let refused = window(&history, Kind::Write, settled, end).filter(|op| is_refused(op));
    let first = latencies(&history, Kind::Write, killed, settled).longest_ms();
    let accepted = window(&history, Kind::Write, settled, end).filter(|op| op.is_done());
    Ok(vec![
        Measure::at_least("reads served", "%", served * 100.0, 100.0)
            .beside(format!("{failed} not served")),
        Measure::ms(
            "slowest write of the first second",
            first,
            setting.ms(1_000.0),
        ),
        refusals("writes refused after that, p99", setting, refused),
        Measure::never("writes accepted", accepted.count()),
    ])
}
