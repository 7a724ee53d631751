//! Replicas that fall behind, by time or by bytes, or are cut off: they are out in time. One that
//! comes back is given its share by and by; and an idle primary puts nobody out.

mod returning;

use prepnexus_devstack::PgNode;
use prepnexus_storage::Params;

use super::{
    Setting,
    common::{CAUSAL, SECOND_US, Traffic, go_on},
};
use crate::{
    error::Error,
    eye::Eye,
    history::{Kind, What},
    measure::{Measure, ms_between},
    rig::{Rig, SOON, Shape, on_rig},
};

/// The replica that everything happens to.
const NODE: usize = 1;

pub(super) async fn play(setting: Setting) -> Result<Vec<Measure>, Error> {
    on_rig(&setting, "lag", Shape::default(), async |rig| {
        lag(rig, &setting).await
    })
    .await
}

async fn lag(rig: &Rig, setting: &Setting) -> Result<Vec<Measure>, Error> {
    let traffic = Traffic::start(rig, 200, 100, CAUSAL);
    go_on(setting.seconds(1.0, 1.0)).await;
    let cut_off = cut_off(rig, setting).await?;
    let returned = returning::measure(rig, NODE).await?;
    let by_time = by_time(rig, setting).await?;
    let by_bytes = by_bytes(rig, setting).await?;
    traffic.stop().await?;
    let idle = idle(rig, setting).await?;
    let mut measures = vec![cut_off, by_time, by_bytes, idle];
    measures.extend(returned);
    Ok(measures)
}

/// How long after `limit_us` the replica was still in use: by the routers' word, or by the reads it
/// served after that. The primary is written to all the while.
async fn out_after(rig: &Rig, limit_us: u64) -> Result<f64, Error> {
    let noticed = rig.until_serves(NODE, false).await?;
    let port = rig.port(NODE);
    let served = rig.recorder().look(|history| {
        let any = history
            .ops
            .iter()
            .filter(|op| op.kind == Kind::ReadAny && op.port == Some(port));
        any.map(|op| op.invoked_us).max()
    });
    Ok(ms_between(limit_us, served.max(Some(noticed))))
}

async fn cut_off(rig: &Rig, setting: &Setting) -> Result<Measure, Error> {
    let cut = rig.recorder().script("cut the replica off");
    rig.with(NODE, PgNode::freeze_receiver).await?;
    let out = out_after(rig, cut).await?;
    rig.thaw(NODE).await?;
    rig.until_serves(NODE, true).await?;
    Ok(Measure::ms("cut off: out after", out, setting.ms(2_000.0)))
}

async fn by_time(rig: &Rig, setting: &Setting) -> Result<Measure, Error> {
    let paused = rig.recorder().script("pause the replica's replay");
    rig.with(NODE, PgNode::pause_replay).await??;
    let out = out_after(rig, paused + SECOND_US).await?;
    resume(rig).await?;
    Ok(Measure::ms(
        "a second behind: out after",
        out,
        setting.ms(500.0),
    ))
}

async fn by_bytes(rig: &Rig, setting: &Setting) -> Result<Measure, Error> {
    const PASSED: &str = "-- chaos.passed
SELECT pg_current_wal_flush_lsn() - $1::text::pg_lsn > 8 * 1024 * 1024 AS yes";
    let eye = Eye::on(rig, 0).await?;
    rig.recorder()
        .script("pause the replica's replay, and write 16 MiB");
    rig.with(NODE, PgNode::pause_replay).await??;
    let position = rig.psql(NODE, "SELECT pg_last_wal_replay_lsn()").await?;
    let bulk = rig.psql(
        0,
        "INSERT INTO chaos_bulk SELECT repeat('x', 1000) FROM generate_series(1, 16 * 1024)",
    );
    let position: &Params<'_> = &[&position];
    let passed = eye.when("8 MiB", SOON, PASSED, position);
    let (bulk, passed) = tokio::join!(bulk, passed);
    bulk?;
    let passed = rig.recorder().at(passed?.into_std());
    let out = out_after(rig, passed).await?;
    eye.close().await;
    resume(rig).await?;
    Ok(Measure::ms(
        "8 MiB behind: out after",
        out,
        setting.ms(500.0),
    ))
}

async fn resume(rig: &Rig) -> Result<(), Error> {
    rig.with(NODE, PgNode::resume_replay).await??;
    rig.recorder().script("resume the replay");
    rig.until_serves(NODE, true).await.map(drop)
}

/// Nobody writes anything: once for five minutes, else for a moment.
async fn idle(rig: &Rig, setting: &Setting) -> Result<Measure, Error> {
    let long = if setting.run == 0 { 300.0 } else { 10.0 };
    let duration = setting.seconds(long, 10.0);
    let since = rig.recorder().script("nobody writes");
    go_on(duration).await;
    let ejections = rig.recorder().look(|history| {
        let idle = history.events.iter().filter(|event| event.at_us > since);
        idle.filter(|event| matches!(event.what, What::Node { serves: false, .. }))
            .count()
    });
    let beside = format!("{} s", duration.as_secs());
    Ok(Measure::never("idle: replicas put out", ejections).beside(beside))
}
