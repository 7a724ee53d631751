//! Turns of many callers, and what each costs.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::work::{ARTICLES, Target};

/// Tasks that work at the same time.
pub(crate) const CALLERS: usize = 16;
/// How long one turn lasts.
pub(crate) const TURN: Duration = Duration::from_millis(500);
/// Turns of each.
pub(crate) const PAIRS: usize = 60;

/// The crate beside a bare pool.
#[derive(Debug, Serialize)]
pub(crate) struct Compared {
    /// The medians of the turns.
    pub(crate) per_second: f64,
    pub(crate) bare_per_second: f64,
    pub(crate) cpu_us: f64,
    pub(crate) bare_cpu_us: f64,
    /// The medians of the pairs' ratios, and the ratios.
    pub(crate) throughput_ratio: f64,
    pub(crate) cpu_ratio: f64,
    pub(crate) throughput_ratios: Vec<f64>,
}

struct Turn {
    per_second: f64,
    cpu_us: f64,
}

/// Takes turns, each beginning every other pair.
pub(crate) async fn compare(ours: &[Target; 2], bare: &[Target; 2]) -> Result<Compared> {
    let (ours, bare) = (&ours[0], &bare[0]);
    for target in [ours, bare] {
        turn(target, TURN / 2).await?;
    }
    let (mut us, mut them) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        if pair % 2 == 0 {
            us.push(turn(ours, TURN).await?);
            them.push(turn(bare, TURN).await?);
        } else {
            them.push(turn(bare, TURN).await?);
            us.push(turn(ours, TURN).await?);
        }
    }
    let of = |turns: &[Turn], value: fn(&Turn) -> f64| median(turns.iter().map(value).collect());
    let ratios = |value: fn(&Turn) -> f64| -> Vec<f64> {
        let pairs = us.iter().zip(&them);
        pairs.map(|(us, them)| value(us) / value(them)).collect()
    };
    let throughput_ratios = ratios(|turn| turn.per_second);
    Ok(Compared {
        per_second: of(&us, |turn| turn.per_second),
        bare_per_second: of(&them, |turn| turn.per_second),
        cpu_us: of(&us, |turn| turn.cpu_us),
        bare_cpu_us: of(&them, |turn| turn.cpu_us),
        throughput_ratio: median(throughput_ratios.clone()),
        cpu_ratio: median(ratios(|turn| turn.cpu_us)),
        throughput_ratios,
    })
}

/// The middle one; of an even number, the mean of the two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len().is_multiple_of(2) {
        values[middle - 1].midpoint(values[middle])
    } else {
        values[middle]
    }
}

async fn turn(target: &Target, length: Duration) -> Result<Turn> {
    let is_over = Arc::new(AtomicBool::new(false));
    let (began, cpu_before) = (Instant::now(), cpu_seconds()?);
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let (target, is_over) = (target.clone(), Arc::clone(&is_over));
        callers.spawn(async move {
            // Each caller has articles of its own: no write waits for another's row.
            let ids = (0..ARTICLES).skip(caller).step_by(CALLERS).cycle();
            let mut done = 0_u32;
            for id in ids {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                target.run(id).await?;
                done += 1;
            }
            anyhow::Ok(done)
        });
    }
    tokio::time::sleep(length).await;
    is_over.store(true, Ordering::Relaxed);
    let mut done = 0.0;
    while let Some(caller) = callers.join_next().await {
        done += f64::from(caller??);
    }
    Ok(Turn {
        per_second: done / began.elapsed().as_secs_f64(),
        cpu_us: (cpu_seconds()? - cpu_before) * 1e6 / done,
    })
}

/// The processor time of this process, user and system together, in seconds.
fn cpu_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat").context("/proc is not there")?;
    // The second field, the program's name in brackets, may hold spaces.
    let (_, fields) = stat.rsplit_once(')').context("/proc/self/stat")?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks = ticks
        .map(str::parse::<f64>)
        .collect::<Result<Vec<_>, _>>()?;
    // The kernel's interface to user space is fixed at 100 ticks a second.
    Ok(ticks.iter().sum::<f64>() / 100.0)
}
