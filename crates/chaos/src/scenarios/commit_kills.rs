//! The primary is killed at random moments, again and again, with synchronous replication: what was
//! acknowledged is there in the end, once; and who did not learn an outcome learns it soon.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Setting,
    common::{MOSTLY_WRITES, Traffic, go_on, never},
};
use crate::{
    checker,
    error::Error,
    history::{History, Key, Kind, Op, Outcome, What},
    latency::Latencies,
    measure::Measure,
    rig::{Rig, Shape, on_rig},
};

/// Kills over all runs.
const KILLS: u32 = 50;

pub(super) async fn play(setting: Setting) -> Result<Vec<Measure>, Error> {
    let shape = Shape {
        synchronous: true,
        ..Shape::default()
    };
    on_rig(&setting, "commit_kills", shape, async |rig| {
        kill_again(rig, &setting).await
    })
    .await
}

async fn kill_again(rig: &Rig, setting: &Setting) -> Result<Vec<Measure>, Error> {
    let kills = if setting.quick {
        2
    } else {
        KILLS.div_ceil(setting.runs)
    };
    let traffic = Traffic::start(rig, 30, 350, MOSTLY_WRITES);
    let mut primary = 0;
    for _ in 0..kills {
        go_on(Duration::from_millis(fastrand::u64(300..1_300))).await;
        rig.kill(primary).await?;
        let new = rig.most_advanced(primary).await?;
        rig.promote(new, primary).await?;
        rig.until_primary(Some(new)).await?;
        rig.rejoin(primary, new).await?;
        rig.all_serve().await?;
        primary = new;
    }
    go_on(setting.seconds(1.0, 1.0)).await;
    traffic.stop().await?;

    rig.all_caught_up(primary).await?;
    let history = rig.history();
    let verdict = checker::check(&history, &rig.rows(primary).await?, None);
    let writes = || history.ops.iter().filter(|op| op.kind == Kind::Write);
    let done = writes().filter(|op| op.is_done()).count();
    let unknown = writes().filter(|op| matches!(op.outcome, Outcome::Unknown { .. }));
    let resolved = resolutions(&history);
    // At random moments: now and then nothing was under way.
    let slowest = if resolved.count() == 0 {
        0.0
    } else {
        resolved.longest_ms()
    };
    let mut measures = vec![
        Measure::never("acknowledged writes lost", verdict.lost.len()).beside(format!(
            "{done} acknowledged, {kills} kills; {} tokens refused",
            verdict.tokens_refused
        )),
        Measure::ms(
            "slowest write to be resolved once a primary is known",
            slowest,
            setting.ms(1_000.0),
        )
        .beside(format!(
            "{} resolved, median {:.0} ms; {} times told unknown",
            resolved.count(),
            resolved.quantile_ms(0.5),
            unknown.count()
        )),
    ];
    measures.extend(never(&verdict));
    Ok(measures)
}

/// For each write that was under way while there was no primary, and was acknowledged in the end: how long
/// that took from the moment at which its router knew the primary.
fn resolutions(history: &History) -> Latencies {
    let mut began: BTreeMap<Key, u64> = BTreeMap::new();
    let mut all = Latencies::none();
    let attempts = history.ops.iter().filter_map(|op| Some((op.key?, op)));
    for (key, op) in attempts {
        let began_us = *began.entry(key).or_insert(op.invoked_us);
        let known = op
            .is_done()
            .then(|| known_by(history, began_us, op))
            .flatten();
        if let Some(known_us) = known {
            all.add(op.completed_us.saturating_sub(known_us));
        }
    }
    all
}

/// When, since `began_us`, the router of `op` last came to know a primary before `op` ended.
fn known_by(history: &History, began_us: u64, op: &Op) -> Option<u64> {
    let events = history.events.iter().rev();
    let mut in_time = events.filter(|event| (began_us..=op.completed_us).contains(&event.at_us));
    let known = in_time.find(|event| {
        matches!(event.what, What::Primary { cluster, node: Some(_) } if cluster == op.cluster)
    });
    known.map(|event| event.at_us)
}
