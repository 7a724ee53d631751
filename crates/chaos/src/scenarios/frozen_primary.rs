//! The primary freezes: connections stay, and nobody answers. Only deadlines and probes notice it.

use prepnexus_devstack::PgNode;

use super::{
    Setting,
    common::{
        SECOND_US, Traffic, WRITES, go_on, is_refused, latencies, not_served, refusals, window,
    },
};
use crate::{
    error::Error,
    history::{Kind, Outcome},
    latency::Latencies,
    measure::Measure,
    rig::{Rig, Shape, on_rig},
};

/// What the measures of one form are called.
struct Names {
    reads_failed: &'static str,
    reads_p99: &'static str,
    slowest_write: &'static str,
    refused_p99: &'static str,
    other_errors: &'static str,
}

const WHOLE: Names = Names {
    reads_failed: "all frozen: reads that failed",
    reads_p99: "all frozen: reads, p99",
    slowest_write: "all frozen: slowest write of the first second",
    refused_p99: "all frozen: writes refused after that, p99",
    other_errors: "all frozen: writes that failed otherwise",
};

const ALONE: Names = Names {
    reads_failed: "postmaster frozen: reads that failed",
    reads_p99: "postmaster frozen: reads, p99",
    slowest_write: "postmaster frozen: slowest write until it is noticed",
    refused_p99: "postmaster frozen: writes refused after that, p99",
    other_errors: "postmaster frozen: writes that failed otherwise",
};

pub(super) async fn play(setting: Setting) -> Result<Vec<Measure>, Error> {
    let mut measures = on_rig(&setting, "frozen_primary", Shape::default(), async |rig| {
        form(rig, &setting, &WHOLE, PgNode::freeze, 4.0).await
    })
    .await?;
    let alone = on_rig(
        &setting,
        "frozen_postmaster",
        Shape::default(),
        async |rig| {
            // A router makes a new connection now and then, and so notices.
            form(rig, &setting, &ALONE, PgNode::freeze_postmaster, 9.0).await
        },
    );
    measures.extend(alone.await?);
    Ok(measures)
}

async fn form(
    rig: &Rig,
    setting: &Setting,
    names: &Names,
    freeze: fn(&PgNode),
    seconds: f64,
) -> Result<Vec<Measure>, Error> {
    let traffic = Traffic::start(rig, 250, 50, WRITES);
    go_on(setting.seconds(1.0, 1.0)).await;
    let healthy_from = rig.recorder().now();
    go_on(setting.seconds(3.0, 2.0)).await;
    let frozen = rig.recorder().script("freeze the primary");
    rig.with(0, freeze).await?;
    go_on(setting.seconds(seconds, seconds * 0.75)).await;
    let end = rig.recorder().now();
    rig.thaw(0).await?;
    traffic.stop().await?;

    let history = rig.history();
    let healthy = latencies(&history, Kind::ReadAny, healthy_from, frozen).p99_ms();
    let reads = latencies(&history, Kind::ReadAny, frozen, end);
    // From when on writes are refused at once: a second, or when the first was refused.
    let writes = || window(&history, Kind::Write, frozen, end);
    let refused_at = writes()
        .filter(|op| is_refused(op))
        .map(|op| op.completed_us);
    let noticed = refused_at.min();
    let settled = noticed.unwrap_or(end).max(frozen + SECOND_US);
    let slowest = Latencies::of(writes().filter(|op| op.intended_us < settled)).longest_ms();
    let refused = writes().filter(|op| is_refused(op) && op.intended_us >= settled);
    let otherwise = writes().filter(|op| {
        matches!(
            op.outcome,
            Outcome::Failed {
                unavailable: false,
                ..
            } | Outcome::Shed
        )
    });
    let mut measures = vec![
        Measure::never(
            names.reads_failed,
            not_served(&history, Kind::ReadAny, frozen, end),
        )
        .beside(format!("{} reads", reads.count())),
        Measure::ms(
            names.reads_p99,
            reads.p99_ms(),
            setting.ms(2.0 * healthy + 5.0),
        )
        .beside(format!("healthy: {healthy:.2} ms")),
        Measure::ms(names.slowest_write, slowest, setting.ms(1_000.0)),
        Measure::never(names.other_errors, otherwise.count()),
    ];
    // Sessions that were there go on under a frozen postmaster: it may be that nothing is refused.
    if noticed.is_some() {
        measures.push(refusals(names.refused_p99, setting, refused));
    }
    Ok(measures)
}
