//! Writes, each followed by a read elsewhere that carries its token: the read shows the write, while
//! replicas replay late or not at all, and through a failover without synchronous replication, which
//! may lose writes. Then the token is refused, by name; it is never honoured silently.

mod lag;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use prepnexus_devstack::PgNode;

use super::{
    Setting,
    common::{go_on, window},
};
use crate::{
    checker,
    client::Step,
    error::Error,
    history::Kind,
    load::{Load, Plan},
    measure::Measure,
    rig::{Rig, Shape, on_rig},
};

/// Pairs over all runs.
const PAIRS: u32 = 100_000;
/// Replicas less than this behind are close.
const CLOSE_US: u64 = 5_000;
/// Pairs a second.
const RATE: u32 = 300;
const QUICK_RATE: u32 = 120;
/// Fewer reads than this say nothing of a share.
const ENOUGH: usize = 50;

pub(super) async fn play(setting: Setting) -> Result<Vec<Measure>, Error> {
    on_rig(&setting, "pairs", Shape::default(), async |rig| {
        pairs(rig, &setting).await
    })
    .await
}

async fn pairs(rig: &Rig, setting: &Setting) -> Result<Vec<Measure>, Error> {
    let (count, rate) = if setting.quick {
        (1_200, QUICK_RATE)
    } else {
        (PAIRS.div_ceil(setting.runs), RATE)
    };
    let plan = Plan {
        rate,
        clients: 200,
        first_client: 0,
        steps: &[Step::Pair],
        count: Some(count),
    };
    let whole = Duration::from_secs(1) * count / rate;
    let load = Load::start(&rig.nodes, plan);
    go_on(whole.mul_f64(0.05)).await;
    let healthy_from = rig.recorder().now();
    let stop = CancellationToken::new();
    let all_well = async {
        go_on(whole.mul_f64(0.25)).await;
        stop.cancel();
    };
    let (samples, ()) = tokio::join!(lag::sample(rig, &stop), all_well);
    let samples = samples?;
    let healthy_to = rig.recorder().script("replica 1 replays late");
    let late = Duration::from_millis(200);
    rig.with(1, move |node| node.set_apply_delay(late))
        .await??;
    go_on(whole.mul_f64(0.15)).await;
    rig.recorder().script("replica 2 stops replaying");
    rig.with(2, PgNode::pause_replay).await??;
    go_on(whole.mul_f64(0.15)).await;
    rig.with(1, |node| node.set_apply_delay(Duration::ZERO))
        .await??;
    rig.with(2, PgNode::resume_replay).await??;
    rig.recorder().script("both replay again");
    go_on(whole.mul_f64(0.1)).await;
    rig.kill(0).await?;
    rig.until_primary(None).await?;
    let new = rig.most_advanced(0).await?;
    rig.promote(new, 0).await?;
    rig.until_primary(Some(new)).await?;
    rig.rejoin(0, new).await?;
    load.ended().await?;

    let history = rig.history();
    let verdict = checker::check(&history, &rig.rows(new).await?, None);
    let reads = history.ops.iter().filter(|op| op.kind == Kind::ReadToken);
    let done = f64_of(reads.filter(|op| op.is_done()).count());
    let healthy = window(&history, Kind::ReadToken, healthy_from, healthy_to);
    let healthy = healthy.filter(|op| op.is_done());
    let all = healthy.clone().count();
    let close = healthy.filter(|op| lag::were_close(&samples, op.invoked_us, CLOSE_US));
    let by_replica = close.clone().filter(|op| op.by_replica == Some(true));
    let share = f64_of(by_replica.count()) / f64_of(close.clone().count()) * 100.0;
    let mut measures = vec![
        Measure::never("reads that missed their write", verdict.stale_reads.len())
            .beside(format!("{done:.0} pairs")),
        Measure::never("reads that went backward", verdict.backward_reads.len()),
        Measure::at_least("pairs done", "", done, f64::from(count) * 0.75).beside(format!(
            "of {count}, through a failover; {} tokens refused, {} writes lost with the old primary",
            verdict.tokens_refused,
            verdict.lost.len()
        )),
        Measure::never("writes applied twice", verdict.duplicates.len()),
        Measure::never("writes refused and yet done", verdict.denied_but_there.len()),
    ];
    // On a machine that does other things meanwhile replicas may never be that close.
    if close.clone().count() >= ENOUGH || setting.patience <= 1.0 {
        let measure = Measure::at_least(
            "reads with a token by replicas, less than 5 ms behind",
            "%",
            share,
            80.0,
        )
        .beside(format!("{} reads of {all}", close.count()));
        measures.push(measure);
    }
    Ok(measures)
}

fn f64_of(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
