//! Redis loses what it had, or comes back with what it had before: what readers are shown, and how soon it is kept again.

use prepnexus_devstack::RedisServer;
use tokio::task::{block_in_place, spawn_blocking};

use super::{HOT, Play, urls_of};
use crate::{
    coherence::{Read, Write, judge},
    error::Error,
    measure::Measure,
    scenarios::common::{SECOND_US, go_on},
    visitor::{Visit, visit_all},
};

/// For how long an unmarked answer may be old.
const BOUND_US: u64 = SECOND_US;
/// How many posts are changed around each fault: the first ones.
const CHANGED: usize = 60;
/// Part of the reads that are to be answered from what is kept.
const HIT_RATIO: f64 = 0.95;

/// What Redis is when it is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// Killed, and started with nothing.
    Killed,
    /// Emptied by a command.
    Flushed,
    /// Killed, and started with what it had before the changes.
    Restored,
}

pub(super) async fn measure(play: &Play<'_>) -> Result<Vec<Measure>, Error> {
    let mut seen = Seen {
        version: 1,
        ..Seen::default()
    };
    let mut measures = newcomer(play, &mut seen).await?;
    for (loss, what) in [
        (Loss::Killed, "killed: hit ratio above 95 % again"),
        (Loss::Flushed, "flushed: hit ratio above 95 % again"),
        (
            Loss::Restored,
            "restored from an old dump: hit ratio above 95 % again",
        ),
    ] {
        let seconds = seen.suffer(play, loss).await?;
        seen.recovered
            .push(Measure::at_most(what, "s", seconds, 10.0));
    }
    seen.writes.extend((1..=HOT).map(|id| Write {
        value: number(id),
        version: 1,
        sent_us: 0,
        acknowledged_us: Some(0),
    }));
    let stale = judge(&seen.writes, &seen.reads, BOUND_US).len();
    measures.extend(seen.recovered);
    measures.extend([
        Measure::never("killed, flushed, restored: reads that failed", seen.failed),
        Measure::never(
            "killed, flushed, restored: unmarked reads older than a second",
            stale,
        )
        .beside(format!(
            "{} reads, {} changes",
            seen.reads.len(),
            seen.writes.len()
        )),
    ]);
    Ok(measures)
}

#[derive(Default)]
struct Seen {
    writes: Vec<Write>,
    reads: Vec<Read>,
    failed: usize,
    recovered: Vec<Measure>,
    /// Of the posts that are changed, which version they are at.
    version: u32,
}

impl Seen {
    /// Changes posts, half of them before the fault; after how many seconds the hit ratio is well again.
    async fn suffer(&mut self, play: &Play<'_>, loss: Loss) -> Result<f64, Error> {
        let readers = play.readers();
        self.version += 1;
        if loss == Loss::Restored {
            play.rig.with_redis(|redis| redis.cli(&["SAVE"])).await?;
        }
        self.change(play, 1..=CHANGED / 2)?;
        play.recorder().script(&format!("Redis is {loss:?}"));
        if loss == Loss::Flushed {
            play.rig
                .with_redis(|redis| redis.cli(&["FLUSHALL"]))
                .await?;
        } else {
            play.rig.with_redis(RedisServer::kill).await?;
        }
        self.change(play, CHANGED / 2 + 1..=CHANGED)?;
        play.rig.with_redis(RedisServer::start).await?;
        let back_us = play.recorder().script("Redis is back");
        go_on(play.setting.seconds(11.0, 4.0)).await;
        let visits = spawn_blocking(move || readers.stop()).await?;
        self.note(&visits);
        Ok(recovered(&visits, back_us))
    }

    /// Gives these posts the next version. Blocks.
    fn change(
        &mut self,
        play: &Play<'_>,
        posts: std::ops::RangeInclusive<usize>,
    ) -> Result<(), Error> {
        for id in posts {
            let sent_us = play.recorder().now();
            let title = format!("v{}", self.version);
            block_in_place(|| {
                play.visitor
                    .rename(&play.bases[id % play.bases.len()], id, &title)
            })?;
            self.writes.push(Write {
                value: number(id),
                version: self.version,
                sent_us,
                acknowledged_us: Some(play.recorder().now()),
            });
        }
        Ok(())
    }

    fn note(&mut self, visits: &[Visit]) {
        let (well, failed): (Vec<_>, Vec<_>) =
            visits.iter().partition(|visit| visit.answer.is_well());
        self.failed += failed.len();
        self.reads.extend(well.iter().map(|visit| Read {
            value: number(visit.post),
            version: visit.answer.version(),
            asked_us: visit.sent_us,
            answered_us: visit.sent_us + visit.took_us,
            node: 0,
            is_marked: visit.answer.is_marked(),
            token_of: 0,
            in_list: false,
        }));
    }
}

/// A process that begins with an old dump of all hot posts: what it shows of the posts that were changed since, and how many of the others it
/// finds there.
async fn newcomer(play: &Play<'_>, seen: &mut Seen) -> Result<Vec<Measure>, Error> {
    play.rig.with_redis(|redis| redis.cli(&["SAVE"])).await?;
    seen.version += 1;
    seen.change(play, 1..=CHANGED)?;
    play.rig.with_redis(RedisServer::kill).await?;
    play.rig.with_redis(RedisServer::start).await?;
    let started = block_in_place(|| play.site.run(1))?;
    let urls = urls_of(&started.bases[0]);
    let answers = spawn_blocking(move || visit_all(&urls)).await?;
    let (changed, others) = answers.split_at(CHANGED);
    let old = changed
        .iter()
        .filter(|answer| answer.version() != seen.version);
    let found = others
        .iter()
        .filter(|answer| answer.is_well() && answer.is_hit());
    Ok(vec![
        Measure::never(
            "restored: posts that a new process shows as they were",
            old.count(),
        )
        .beside(format!("of {CHANGED} that were changed after the dump")),
        Measure::at_least(
            "restored: other posts that it finds there",
            "",
            f64::from(number(found.count())),
            0.5 * f64::from(number(others.len())),
        )
        .beside(format!("of {}", others.len())),
    ])
}

/// Seconds until the first whole one in which enough reads were answered from what is kept; NaN if there was none.
fn recovered(visits: &[Visit], back_us: u64) -> f64 {
    let mut second = 0_u32;
    loop {
        let from_us = back_us + u64::from(second) * SECOND_US;
        let of_it: Vec<&Visit> = visits
            .iter()
            .filter(|visit| (from_us..from_us + SECOND_US).contains(&visit.sent_us))
            .collect();
        if of_it.is_empty() {
            return f64::NAN;
        }
        let hits = of_it.iter().filter(|visit| visit.answer.is_hit()).count();
        if f64::from(number(hits)) > HIT_RATIO * f64::from(number(of_it.len())) {
            return f64::from(second);
        }
        second += 1;
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
