//! `./dev bench overload`: more is asked than the database can do. What is still done, how long that takes, how quickly the rest
//! is refused, how soon all is well again, and what a greedy client does to the others.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::Value;

use super::{
    open_loop::{Readers, Told, ask, get as request},
    reference::get,
    report,
    rig::Rig,
};
use crate::{
    child,
    commands::seed,
    output::{note, say},
    session::Session,
};

const POSTS: u64 = 20_000;
/// Arrivals beyond what can be done, as a multiple of it.
const OVERLOAD: f64 = 5.0;
const MODEST: u8 = 4;
const GREED: f64 = 10.0;
const TURN: Duration = Duration::from_secs(8);
/// What is looked at together when all is to be well again.
const SLICE_US: u64 = 100_000;

/// A line of the table.
#[derive(Debug, Serialize)]
struct Row {
    what: String,
    measured: f64,
    limit: f64,
    unit: &'static str,
}

pub(super) fn run(session: &Session) -> Result<()> {
    let mut rig = Rig::start(session)?;
    note(format_args!("making {POSTS} posts"));
    let config = seed::owner_config(rig.stack.nodes(), &rig.env)?;
    seed::generate(session, config, POSTS)?;
    rig.psql("VACUUM (ANALYZE)")?;
    // In earnest the database is on a machine of its own, and does not take the processor from who refuses.
    renice(&rig, 10)?;
    // Nothing is kept: each request is the database's.
    rig.env.set("CACHE_MEMORY_BYTES", "1");
    let (_api, base) = rig.api(session)?;
    let subject = Subject::new(&base)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let rows = runtime.block_on(measure(&subject))?;
    let cells = rows.iter().map(|row| {
        vec![
            row.what.clone(),
            format!("{:.2} {}", row.measured, row.unit),
            format!("{:.2} {}", row.limit, row.unit),
        ]
    });
    report::print(&["", "measured", "wanted"], &cells.collect::<Vec<_>>());
    report::write(session, "overload", &rows)
}

/// Pages that differ, each of which costs the database about the same.
fn pages(tags: Arc<[String]>, seed: u64) -> Arc<dyn Fn(u64) -> String + Send + Sync> {
    Arc::new(move |number| {
        let limit = 70 + (number / 8) % 31;
        let tag = &tags[usize::try_from(number + seed).unwrap_or(0) % tags.len()];
        let sort = ["-published_at", "published_at"][usize::from(number % 2 == 1)];
        request(&format!(
            "/api/v1/posts?limit={limit}&sort={sort}&tag={tag}&fields=title"
        ))
    })
}

/// The service, and what may be asked of it.
#[derive(Clone)]
struct Subject {
    server: SocketAddr,
    tags: Arc<[String]>,
}

impl Subject {
    fn new(base: &str) -> Result<Self> {
        let list: Value = serde_json::from_str(&get(&format!("{base}/api/v1/tags"))?)?;
        let tags = list["data"].as_array().context("no tags")?.iter();
        let tags: Arc<[String]> = tags
            .filter_map(|tag| tag["slug"].as_str().map(str::to_owned))
            .collect();
        Ok(Self {
            server: base.trim_start_matches("http://").parse()?,
            tags,
        })
    }

    /// What readers at the address of that number are told.
    async fn ask(
        &self,
        from: u8,
        connections: usize,
        rate: Option<f64>,
        time: Duration,
    ) -> Result<Told> {
        let readers = Readers {
            source: Ipv4Addr::new(127, 0, 1, from),
            rate,
            connections,
            request: pages(Arc::clone(&self.tags), u64::from(from) * 3),
        };
        ask(self.server, &readers, time).await
    }
}

fn per_second(told: &Told, time: Duration) -> f64 {
    told.served.count() as f64 / time.as_secs_f64()
}

async fn measure(subject: &Subject) -> Result<Vec<Row>> {
    let mut peak = 0.0_f64;
    for connections in [2, 4, 8, 16, 32] {
        let told = subject.ask(1, connections, None, TURN / 2).await?;
        let rate = per_second(&told, TURN / 2);
        note(format_args!(
            "{connections} connections: {rate:.0}/s, p99 {:.1} ms, {} refused",
            told.served.p99_ms(),
            told.refused.count()
        ));
        peak = peak.max(rate);
    }
    let most = subject.ask(1, 64, Some(0.8 * peak), TURN).await?;
    describe("at 80 % of the peak", &most, TURN);
    let over = subject.ask(1, 512, Some(OVERLOAD * peak), TURN).await?;
    describe("at five times the peak", &over, TURN);
    let after = subject.ask(1, 64, Some(0.8 * peak), TURN).await?;
    describe("after that, at 80 %", &after, TURN);
    let bearable = 3.0 * most.served.p99_ms();
    let mut rows = vec![
        Row {
            what: format!("goodput at {OVERLOAD} times the peak, of the peak"),
            measured: per_second(&over, TURN) / peak,
            limit: 0.9,
            unit: "×",
        },
        Row {
            what: "p99 of what was served, of that at 80 %".into(),
            measured: over.served.p99_ms() / most.served.p99_ms(),
            limit: 3.0,
            unit: "×",
        },
        Row {
            what: "p99 of a refusal".into(),
            measured: over.refused.p99_ms(),
            limit: 5.0,
            unit: "ms",
        },
        Row {
            what: "until all is well again".into(),
            measured: recovery(&after, bearable),
            limit: 2.0,
            unit: "s",
        },
        Row {
            what: "answers of any other kind".into(),
            measured: (most.errors + over.errors + after.errors) as f64,
            limit: 0.0,
            unit: "",
        },
    ];
    let (alone, beside) = greed(subject, peak).await?;
    rows.push(Row {
        what: format!("p99 of {MODEST} clients beside one that asks {GREED} times as much"),
        measured: beside / alone,
        limit: 1.5,
        unit: "×",
    });
    Ok(rows)
}

/// Gives the database's processes less of the processor; those to come as well.
fn renice(rig: &Rig, nice: u32) -> Result<()> {
    let pids = rig.psql("SELECT pid FROM pg_stat_activity")?;
    let file = rig.stack.primary().data_dir().join("postmaster.pid");
    let postmaster = fs::read_to_string(file).context("the database's process")?;
    let mut command = child::command("renice");
    command.args(["-n", &nice.to_string(), "-p"]);
    command.args(postmaster.lines().next()).args(pids.lines());
    // Of those that have ended meanwhile it complains.
    let _printed = command.output().context("renice")?;
    Ok(())
}

fn describe(what: &str, told: &Told, time: Duration) {
    say(format_args!(
        "{what}: {:.0}/s served, p50 {:.1} ms, p99 {:.1} ms; {} refused, p50 {:.2} ms, p99 {:.2} ms; {} errors",
        per_second(told, time),
        told.served.quantile_ms(0.5),
        told.served.p99_ms(),
        told.refused.count(),
        told.refused.quantile_ms(0.5),
        told.refused.p99_ms(),
        told.errors
    ));
}

/// Seconds from the end of the overload until the last slice of time whose slowest tenth was not bearable.
fn recovery(after: &Told, bearable_ms: f64) -> f64 {
    let slices = TURN.as_micros() as u64 / SLICE_US;
    let is_bad = |slice: &u64| {
        let in_slice = after
            .moments
            .iter()
            .filter(|(due, _)| due / SLICE_US == *slice);
        let times: Vec<u64> = in_slice.map(|(_, took)| *took).collect();
        let slow = times
            .iter()
            .filter(|took| **took as f64 > bearable_ms * 1_000.0);
        times.is_empty() || slow.count() * 10 > times.len()
    };
    let last = (0..slices).rev().find(is_bad);
    last.map_or(0.0, |slice| (slice + 1) as f64 * SLICE_US as f64 / 1e6)
}

/// The p99 of the modest ones: beside one who asks as they do, and beside a greedy one.
async fn greed(subject: &Subject, peak: f64) -> Result<(f64, f64)> {
    let each = 0.15 * peak;
    let mut found = Vec::new();
    for (times, connections) in [(1.0, 16), (GREED, 256)] {
        let mut modest = tokio::task::JoinSet::new();
        for from in 2..2 + MODEST {
            let subject = subject.clone();
            modest.spawn(async move { subject.ask(from, 16, Some(each), TURN).await });
        }
        let greedy = subject.clone();
        let rate = Some(times * each);
        let other = tokio::spawn(async move { greedy.ask(100, connections, rate, TURN).await });
        let mut all = Told::nothing();
        while let Some(told) = modest.join_next().await {
            all.take_in(&told.context("a client panicked")??);
        }
        describe("the modest ones", &all, TURN);
        let other = other.await.context("a client panicked")??;
        describe("the other one", &other, TURN);
        found.push(all.served.p99_ms());
    }
    Ok((found[0], found[1]))
}
