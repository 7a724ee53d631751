//! All of PostgreSQL goes away, stopped or frozen, and comes back: what was read before is served meanwhile, and marked.

use std::time::Duration;

use prepnexus_devstack::PgNode;
use tokio::task::{block_in_place, spawn_blocking};

use super::{
    Setting,
    common::{SECOND_US, go_on},
    programs_of,
};
use crate::{
    error::Error,
    latency::Latencies,
    measure::{Measure, ms_between},
    rig::{Rig, Shape, on_rig},
    seed,
    site::Site,
    visitor::{Crowd, Visit, post_url, visit_all},
};

/// The first has read all posts and remembers them; the second finds them in Redis.
const NODES: usize = 2;
/// A second, of posts that were read before, and of others.
const READS: u32 = 400;
const UNCACHED: u32 = 50;
/// Of those others, for each fault.
const NEW: usize = 2_000;

pub(super) async fn play(setting: Setting) -> Result<Vec<Measure>, Error> {
    let programs = programs_of(&setting)?;
    let warm = if setting.quick { 1_000 } else { 10_000 };
    on_rig(&setting, "outage", Shape::for_site(), async |rig| {
        seed::posts(rig, warm + FAULTS.len() * NEW).await?;
        let site = Site::new(rig, &programs)?;
        let running = block_in_place(|| site.run(NODES))?;
        let urls: Vec<String> = (1..=warm)
            .map(|id| post_url(&running.bases[0], id))
            .collect();
        let read = spawn_blocking(move || visit_all(&urls)).await?;
        let not_read = read.iter().filter(|answer| !answer.is_well()).count();
        let outage = Outage {
            rig,
            setting: &setting,
            bases: &running.bases,
            warm,
        };
        let mut measures = vec![
            Measure::never("posts that could not be read before", not_read)
                .beside(format!("{warm} posts")),
        ];
        for (number, fault) in FAULTS.iter().enumerate() {
            let seen = outage.run(fault, warm + number * NEW).await?;
            measures.extend(outage.judge(fault, &seen));
        }
        Ok(measures)
    })
    .await
}

type Act = fn(&PgNode) -> prepnexus_devstack::Result<()>;

/// What is done to every server, how it ends, and what the measures are called.
struct Fault {
    begin: Act,
    end: Act,
    served: &'static str,
    p99: &'static str,
    refused: &'static str,
    odd: &'static str,
    fresh: &'static str,
}

const FAULTS: [Fault; 2] = [
    Fault {
        begin: PgNode::kill,
        end: PgNode::start,
        served: "stopped: reads of kept posts that are served and marked",
        p99: "stopped: p99 of them",
        refused: "stopped: slowest refusal of a post that is not kept",
        odd: "stopped: such posts not answered with 503",
        fresh: "stopped: unmarked again, after its return",
    },
    Fault {
        begin: |node| {
            node.freeze();
            Ok(())
        },
        end: |node| {
            node.thaw();
            Ok(())
        },
        served: "frozen: reads of kept posts that are served and marked",
        p99: "frozen: p99 of them",
        refused: "frozen: slowest refusal of a post that is not kept",
        odd: "frozen: such posts not answered with 503",
        fresh: "frozen: unmarked again, after its return",
    },
];

struct Outage<'a> {
    rig: &'a Rig,
    setting: &'a Setting,
    bases: &'a [String],
    warm: usize,
}

/// What was seen, and when it happened.
struct Seen {
    kept: Vec<Visit>,
    others: Vec<Visit>,
    gone_us: u64,
    /// When it began to come back, and when the primary was back.
    returning_us: u64,
    back_us: u64,
}

impl Outage<'_> {
    /// Plays `fault` under readers of kept posts, and of those from `new` on, each of which is read once.
    async fn run(&self, fault: &Fault, new: usize) -> Result<Seen, Error> {
        let recorder = self.rig.recorder();
        let warm = self.warm;
        let kept = Crowd::start(recorder, READS, self.bases, move |_| {
            fastrand::usize(1..=warm)
        });
        let others = Crowd::start(recorder, UNCACHED, self.bases, move |turn| new + 1 + turn);
        go_on(self.setting.seconds(1.0, 0.5)).await;
        for node in (0..self.rig.size()).rev() {
            self.rig.with(node, fault.begin).await??;
        }
        let gone_us = recorder.script("all servers are gone");
        go_on(Duration::from_secs(1) + self.setting.seconds(5.0, 2.0)).await;
        let returning_us = recorder.script("the servers come back");
        self.rig.with(0, fault.end).await??;
        let back_us = recorder.script("the primary is back");
        for node in 1..self.rig.size() {
            self.rig.with(node, fault.end).await??;
        }
        go_on(Duration::from_secs(3)).await;
        let (kept, others) = spawn_blocking(move || (kept.stop(), others.stop())).await?;
        Ok(Seen {
            kept,
            others,
            gone_us,
            returning_us,
            back_us,
        })
    }

    fn judge<'s>(&self, fault: &Fault, seen: &'s Seen) -> Vec<Measure> {
        let away = seen.gone_us + SECOND_US..seen.returning_us;
        let during = |visits: &'s [Visit]| -> Vec<&'s Visit> {
            let visits = visits.iter();
            visits
                .filter(|visit| away.contains(&visit.sent_us))
                .collect()
        };
        let (kept, others) = (during(&seen.kept), during(&seen.others));
        let times = |visits: &[&Visit]| {
            let mut times = Latencies::none();
            visits.iter().for_each(|visit| times.add(visit.took_us));
            times
        };
        let served = kept
            .iter()
            .filter(|visit| visit.answer.is_well() && visit.answer.is_marked());
        let odd = others.iter().filter(|visit| visit.answer.status != 503);
        let marked = seen.kept.iter().rev();
        let last_marked = marked
            .filter(|visit| !visit.answer.is_well() || visit.answer.is_marked())
            .map(|visit| visit.sent_us)
            .next();
        vec![
            Measure::at_least(fault.served, "%", percent(served.count(), kept.len()), 99.0)
                .beside(format!("{} reads", kept.len())),
            Measure::ms(fault.p99, times(&kept).p99_ms(), self.setting.ms(5.0)),
            Measure::ms(
                fault.refused,
                times(&others).longest_ms(),
                self.setting.ms(50.0),
            )
            .beside(format!("{} reads", others.len())),
            Measure::never(fault.odd, odd.count()),
            Measure::ms(
                fault.fresh,
                ms_between(seen.back_us, last_marked),
                self.setting.ms(1_000.0),
            ),
        ]
    }
}

/// So many of so many; NaN of none.
fn percent(part: usize, whole: usize) -> f64 {
    let number = |count| u32::try_from(count).map_or(f64::NAN, f64::from);
    100.0 * number(part) / number(whole)
}
