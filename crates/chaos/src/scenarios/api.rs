//! The same promises over HTTP: two API processes in front of a primary and two replicas, and clients
//! behind a load balancer that asks `/health/ready` and retries nothing.

mod load;

use std::time::Duration;

use prepnexus_devstack::PgNode;
use prepnexus_storage::Deadline;
use tokio::task::{block_in_place, spawn_blocking};

use super::{Programs, Setting, common::go_on, programs_of};
use crate::{
    error::Error,
    measure::{Measure, ms_between},
    rig::{Rig, SOON, Shape, on_rig},
    site::{self, Running, Site},
};
use load::{Answer, HttpLoad};

/// From when on every write is refused rather than waited for.
const SETTLED_US: u64 = 1_500_000;

pub(super) async fn play(setting: Setting) -> Result<Vec<Measure>, Error> {
    let programs = programs_of(&setting)?;
    let shape = Shape {
        clusters: 1,
        ..Shape::default()
    };
    on_rig(&setting, "api", shape, async |rig| {
        over_http(rig, &setting, &programs).await
    })
    .await
}

async fn over_http(
    rig: &Rig,
    setting: &Setting,
    programs: &Programs,
) -> Result<Vec<Measure>, Error> {
    let site = Site::new(rig, programs)?;
    let running = block_in_place(|| site.run(2))?;
    let load = HttpLoad::start(rig.recorder(), &running.bases, &running.key);
    let outcome = script(rig, setting, &running, &load).await;
    // First the clients, who would otherwise knock at doors that are shut.
    let answers = spawn_blocking(move || load.stop()).await?;
    let marks = outcome?;
    Ok(measures(&answers, &marks, setting))
}

/// When what was played.
struct Marks {
    frozen: u64,
    thawed: u64,
    writable: Option<u64>,
    killed: u64,
    restarted: u64,
    terminated: u64,
    ended: u64,
    exit: bool,
    not_ready: usize,
    not_degraded: usize,
}

async fn script(
    rig: &Rig,
    setting: &Setting,
    running: &Running,
    load: &HttpLoad,
) -> Result<Marks, Error> {
    go_on(setting.seconds(2.0, 1.0)).await;
    let frozen = rig.freeze(0).await?;
    go_on(setting.seconds(5.0, 3.0)).await;
    let thawed = rig.thaw(0).await?;
    let writable = load.until_written(thawed, SOON).await;
    go_on(setting.seconds(1.0, 1.0)).await;
    let killed = rig.kill(0).await?;
    rig.until_primary(None).await?;
    go_on(setting.seconds(3.0, 1.5)).await;
    let bases = running.bases.clone();
    let (not_ready, not_degraded) = spawn_blocking(move || site::health(&bases)).await?;
    rig.with(0, PgNode::start).await??;
    let restarted = rig.recorder().script("start the primary again");
    load.until_written(restarted, SOON).await;
    go_on(setting.seconds(2.0, 1.0)).await;
    let terminated = rig.recorder().script("SIGTERM to one API");
    let deadline = Deadline::after(Duration::from_secs(15));
    let exit = running.apis[0].terminate(deadline).await;
    go_on(setting.seconds(2.0, 1.0)).await;
    Ok(Marks {
        frozen,
        thawed,
        writable,
        killed,
        restarted,
        terminated,
        ended: rig.recorder().now(),
        exit,
        not_ready,
        not_degraded,
    })
}

fn measures(answers: &[Answer], marks: &Marks, setting: &Setting) -> Vec<Measure> {
    let within = |from: u64, to: u64| {
        let asked = move |answer: &&Answer| (from..to).contains(&answer.asked_us);
        answers.iter().filter(asked)
    };
    let reads_failed = |from, to| {
        let reads = within(from, to).filter(|answer| !answer.is_write);
        reads.filter(|answer| answer.status != Some(200)).count()
    };
    let odd_writes = |from: u64, to: u64| {
        let writes = within(from, to).filter(|answer| answer.is_write);
        writes
            .filter(|answer| !answer.is_refused() && answer.status != Some(201))
            .count()
    };
    let refused = |from: u64, to: u64| {
        within(from, to)
            .filter(|answer| answer.is_write && answer.is_refused())
            .count()
    };
    let accepted = |from: u64, to: u64| {
        within(from, to)
            .filter(|answer| answer.status == Some(201))
            .count()
    };
    let Marks {
        frozen,
        thawed,
        killed,
        restarted,
        terminated,
        ended,
        ..
    } = *marks;
    let stopping: Vec<&Answer> = within(terminated, ended).collect();
    let refused_at_door = |answer: &&&Answer| answer.error.contains("Connection refused");
    let lost = || stopping.iter().filter(|answer| !answer.is_well());
    let cut_off = || lost().filter(|answer| !refused_at_door(answer));
    let words = cut_off().next().map(|answer| answer.words());
    vec![
        Measure::never(
            "primary frozen: reads not 200",
            reads_failed(frozen, thawed),
        ),
        Measure::never(
            "primary frozen: writes not 503 with Retry-After",
            odd_writes(frozen, thawed),
        )
        .beside(format!("{} refused", refused(frozen, thawed))),
        Measure::never(
            "primary frozen: writes accepted",
            accepted(frozen + SETTLED_US, thawed),
        ),
        Measure::ms(
            "primary thawed: first write after",
            ms_between(thawed, marks.writable),
            setting.ms(1_000.0),
        ),
        Measure::never("no primary: reads not 200", reads_failed(killed, restarted)),
        Measure::never(
            "no primary: writes not 503 with Retry-After",
            odd_writes(killed, restarted),
        )
        .beside(format!("{} refused", refused(killed, restarted))),
        Measure::never("no primary: /health/ready not 200", marks.not_ready),
        Measure::never("no primary: /health not degraded", marks.not_degraded),
        Measure::never("one API stopped: requests cut off", cut_off().count()).beside(format!(
            "of {}; {}",
            stopping.len(),
            words.unwrap_or_default()
        )),
        Measure::never(
            "one API stopped: connections refused",
            lost().filter(refused_at_door).count(),
        )
        .beside("asked whether it is ready every 100 ms"),
        Measure::never("one API stopped: not well ended", usize::from(!marks.exit)),
    ]
}
