//! A post gets one title after the other through one of three processes, and is read through all of them: for how long any
//! shows the title before, after the writer was told.

use std::time::Duration;

use prepnexus_devstack::RedisServer;
use tokio::task::{block_in_place, spawn_blocking};

use super::{
    Setting,
    common::{go_on, until},
    programs_of,
};
use crate::{
    error::Error,
    latency::Latencies,
    measure::Measure,
    rig::{Rig, Shape, on_rig},
    site::{Running, Site},
    visitor::{Crowd, Visit, Visitor},
};

const NODES: usize = 3;
/// A second, of all processes together: each is asked every three milliseconds.
const READS: u32 = 1_000;
/// Between two titles, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 100..200;

pub(super) async fn play(setting: Setting) -> Result<Vec<Measure>, Error> {
    let programs = programs_of(&setting)?;
    on_rig(&setting, "refusal", Shape::for_site(), async |rig| {
        let site = Site::new(rig, &programs)?;
        let running = block_in_place(|| site.run(NODES))?;
        let visitor = Visitor::new(&running.key);
        let id = block_in_place(|| visitor.publish(&running.bases[0], "v1"))?;
        let renaming = Renaming {
            rig,
            running: &running,
            visitor,
            id,
            count: if setting.quick { 20 } else { 200 },
        };
        let with_redis = renaming.run(2).await?;
        rig.with_redis(RedisServer::kill).await?;
        renaming.until_redis_is_missed().await?;
        let without = renaming.run(2 + renaming.count).await?;
        let refused = |what, seen: &Outcome, limit| {
            let (delays, median) = (&seen.delays, seen.delays.quantile_ms(0.5));
            Measure::ms(what, delays.p99_ms(), setting.ms(limit)).beside(format!(
                "{} titles; half: {median:.1} ms, longest: {:.1} ms",
                delays.count(),
                delays.longest_ms()
            ))
        };
        Ok(vec![
            refused("a title is shown by no process any more", &with_redis, 20.0),
            refused("the same without Redis", &without, 150.0),
            Measure::never("reads that failed", with_redis.failed + without.failed)
                .beside(format!("{} reads", with_redis.reads + without.reads)),
            // A mark would excuse any title.
            Measure::never(
                "answers that are marked",
                with_redis.marked + without.marked,
            ),
        ])
    })
    .await
}

struct Renaming<'a> {
    rig: &'a Rig,
    running: &'a Running,
    visitor: Visitor,
    id: usize,
    count: u32,
}

struct Outcome {
    /// From the writer's being told to the sending of the last request that was answered with an older title.
    delays: Latencies,
    reads: usize,
    failed: usize,
    marked: usize,
}

impl Renaming<'_> {
    /// Writes versions from `first` on, under readers.
    async fn run(&self, first: u32) -> Result<Outcome, Error> {
        let recorder = self.rig.recorder();
        let id = self.id;
        let crowd = Crowd::start(recorder, READS, &self.running.bases, move |_| id);
        let mut told = Vec::new();
        for version in first..first + self.count {
            go_on(Duration::from_millis(fastrand::u64(PAUSE_MS))).await;
            let title = format!("v{version}");
            block_in_place(|| self.visitor.rename(&self.running.bases[0], id, &title))?;
            told.push((version, recorder.now()));
        }
        go_on(Duration::from_millis(PAUSE_MS.end)).await;
        let visits = spawn_blocking(move || crowd.stop()).await?;
        Ok(outcome(&told, &visits))
    }

    async fn until_redis_is_missed(&self) -> Result<(), Error> {
        for base in &self.running.bases {
            until("Redis being missed", async || {
                let health = block_in_place(|| self.visitor.get(&format!("{base}/health")).json());
                Ok(health["checks"]["cache"]["status"] == "degraded")
            })
            .await?;
        }
        Ok(())
    }
}

fn outcome(told: &[(u32, u64)], visits: &[Visit]) -> Outcome {
    let (well, failed): (Vec<_>, Vec<_>) = visits.iter().partition(|visit| visit.answer.is_well());
    let marked = well.iter().filter(|visit| visit.answer.is_marked());
    let marked = marked.count();
    let shown: Vec<(u64, u32)> = well
        .iter()
        .map(|visit| (visit.sent_us, visit.answer.version()))
        .collect();
    let mut delays = Latencies::none();
    for &(version, told_us) in told {
        let after = &shown[shown.partition_point(|(sent_us, _)| *sent_us < told_us)..];
        let last_old = after.iter().rev().find(|(_, seen)| *seen < version);
        delays.add(last_old.map_or(0, |(sent_us, _)| sent_us - told_us));
    }
    Outcome {
        delays,
        reads: visits.len(),
        failed: failed.len(),
        marked,
    }
}
