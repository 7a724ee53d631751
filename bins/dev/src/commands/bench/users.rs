//! `./dev bench users`: from one reader to ten thousand, with one change in a hundred requests, beside the same job over SQLite and
//! in FastAPI; what a request costs each; and what a thousand readers notice of each other.

mod peers;

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::json;

use self::peers::Peer;
use super::{
    load::cpu_seconds,
    open_loop::{Readers, Told, ask, connect, exchange, get},
    reference::{get as fetch, text_field, typical_post},
    report,
    rig::{COPIES, Rig},
};
use crate::{
    output::{note, say},
    session::Session,
};

/// How many read at the same time.
const READERS: [usize; 5] = [1, 5, 100, 1_000, 10_000];
const TURN: Duration = Duration::from_secs(6);
/// Turns of each target where costs are compared.
const ROUNDS: usize = 5;
/// One request in so many changes a post.
const CHANGES: u64 = 100;
/// One in so many asks for the newest posts, the others for one of them.
const LISTS: u64 = 10;
/// The share of what can be done that is asked for where latencies are compared.
const SHARE: f64 = 0.7;

/// One server under one load.
#[derive(Debug, Serialize)]
struct Row {
    server: String,
    readers: usize,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Answers that were none, or of another status.
    errors: u64,
    /// The same by status; 0 is no answer.
    statuses: BTreeMap<u16, u64>,
    /// 503: come again.
    refused: u64,
    cpu_us_per_request: f64,
    resident_mb: f64,
}

/// What a request costs one server, and how many times that is what it costs the service.
#[derive(Debug, Serialize)]
struct Cost {
    job: &'static str,
    server: String,
    cpu_us_per_request: f64,
    times_the_service: f64,
    wanted: Option<f64>,
}

/// All that is written down.
#[derive(Debug, Serialize)]
struct Report {
    rows: Vec<Row>,
    costs: Vec<Cost>,
    open_loop: Vec<Row>,
    open_loop_rate: f64,
    idle: Idle,
}

/// What connections that do nothing cost.
#[derive(Debug, Serialize)]
struct Idle {
    connections: usize,
    slow_clients: usize,
    resident_mb_before: f64,
    resident_mb_with: f64,
    p99_ms_before: f64,
    p99_ms_with: f64,
}

pub(super) fn run(session: &Session) -> Result<()> {
    let mut rig = Rig::durable(session)?;
    let samples = session.project.sample_posts();
    rig.migrator(session, &["seed", &samples.display().to_string()])?;
    let key = peers::key(&rig, session)?;
    rig.env.set("REDIS_HOST", "127.0.0.1");
    rig.env
        .set("REDIS_PORT", &rig.stack.redis().port().to_string());
    let (api, base) = rig.api(session)?;
    let typical = typical_post(&base)?;
    let first = rig.copies(&text_field(&typical, "slug")?)?;
    fetch(&format!("{base}/api/v1/posts"))?;
    let list_sql = rig.last_statement("posts.list")?;
    fetch(&format!("{base}/api/v1/posts/slug/copy-1"))?;
    let post_sql = rig.last_statement("posts.find_by_slug")?;
    let post: serde_json::Value =
        serde_json::from_str(&fetch(&format!("{base}/api/v1/posts/slug/copy-1"))?)?;
    let service = Peer::of("PrepNexus", api, &base)?;
    rig.env.set("CACHE_MEMORY_BYTES", "1");
    rig.env.remove("REDIS_HOST");
    rig.env.remove("REDIS_PORT");
    let (uncached, uncached_base) = rig.api(session)?;
    let uncached = Peer::of("PrepNexus, nothing kept", uncached, &uncached_base)?;
    let sqlite = peers::sqlite(
        session,
        &json!({"post": post, "first": first, "count": COPIES}),
    )?;
    let fastapi = |cache: &str| {
        peers::fastapi(
            session,
            &rig,
            cache,
            &json!({"post_sql": post_sql, "list_sql": list_sql}),
        )
    };
    let (plain, process, redis) = (fastapi("none")?, fastapi("process")?, fastapi("redis")?);

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let load = Load {
        first,
        key: key.into(),
    };
    let mut rows = Vec::new();
    for peer in [&service, &sqlite, &redis] {
        for readers in READERS {
            let row = runtime.block_on(load.row(peer, readers, None, TURN))?;
            describe(&row);
            rows.push(row);
        }
    }
    // What can be done is what is done with nothing refused: past that, changes are, for the sake of the rest.
    let well = rows
        .iter()
        .filter(|row| row.server == service.name && row.errors + row.refused == 0);
    let rate = SHARE * well.map(|row| row.per_second).fold(0.0, f64::max);
    let mut open_loop = Vec::new();
    for readers in [10, 1_000] {
        let row = runtime.block_on(load.row(&service, readers, Some(rate), TURN * 2))?;
        describe(&row);
        open_loop.push(row);
    }
    let idle = runtime.block_on(idle(&service, &load, rate))?;
    let costs = runtime.block_on(costs(&service, &uncached, &[process, redis], &[plain]))?;
    let report = Report {
        rows,
        costs,
        open_loop,
        open_loop_rate: rate,
        idle,
    };
    show(&report);
    report::write(session, "users", &report)
}

/// What readers and writers ask for.
#[derive(Clone)]
struct Load {
    /// The number of the first post.
    first: u32,
    key: Arc<str>,
}

impl Load {
    /// Posts in any order, the list now and then, and changes.
    fn mixed(&self) -> Arc<dyn Fn(u64) -> String + Send + Sync> {
        let load = self.clone();
        Arc::new(move |number| {
            let which = scatter(number) % u64::from(COPIES);
            if number % CHANGES == CHANGES - 1 {
                let body = format!("{{\"title\": \"Title {number}\"}}");
                return format!(
                    "PATCH /api/v1/posts/{} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {}\r\nIf-Match: *\r\n\
                     Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                    u64::from(load.first) + which,
                    load.key,
                    body.len()
                );
            }
            if number % LISTS == 0 {
                return get("/api/v1/posts");
            }
            one(which)
        })
    }

    /// Posts in any order, and nothing else.
    fn posts() -> Arc<dyn Fn(u64) -> String + Send + Sync> {
        Arc::new(|number| one(scatter(number) % u64::from(COPIES)))
    }

    async fn row(
        &self,
        peer: &Peer,
        connections: usize,
        rate: Option<f64>,
        time: Duration,
    ) -> Result<Row> {
        let readers = readers(connections, rate, self.mixed());
        // What is first asked for is not what is measured.
        ask(peer.server, &readers, time / 4).await?;
        measure(peer, &readers, time).await
    }
}

fn one(which: u64) -> String {
    get(&format!("/api/v1/posts/slug/copy-{}", which + 1))
}

/// Numbers that follow each other, far from each other (`SplitMix64`'s last steps, Steele, Lea and Flood 2014).
fn scatter(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}

fn readers(
    connections: usize,
    rate: Option<f64>,
    request: Arc<dyn Fn(u64) -> String + Send + Sync>,
) -> Readers {
    Readers {
        source: Ipv4Addr::LOCALHOST,
        rate,
        connections,
        request,
    }
}

async fn measure(peer: &Peer, readers: &Readers, time: Duration) -> Result<Row> {
    let before = cpu_seconds(peer.pid)?;
    let told = ask(peer.server, readers, time).await?;
    let used = cpu_seconds(peer.pid)? - before;
    Ok(row(
        peer,
        readers.connections,
        &told,
        used,
        time,
        resident_mb(peer.pid)?,
    ))
}

fn row(
    peer: &Peer,
    readers: usize,
    told: &Told,
    used: f64,
    time: Duration,
    resident_mb: f64,
) -> Row {
    let served = told.served.count() as f64;
    Row {
        server: peer.name.clone(),
        readers,
        per_second: served / time.as_secs_f64(),
        p50_ms: told.served.quantile_ms(0.5),
        p99_ms: told.served.p99_ms(),
        errors: told.errors,
        statuses: told.statuses.clone(),
        refused: told.refused.count(),
        cpu_us_per_request: used * 1e6 / served,
        resident_mb,
    }
}

/// Memory of the process that is in RAM.
fn resident_mb(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("the server is gone")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .context("no VmRSS")?;
    Ok(kilobytes.parse::<f64>()? / 1024.0)
}

/// A hundred readers, alone and beside connections that have asked once and do nothing, and clients that send a byte now and then.
async fn idle(service: &Peer, load: &Load, rate: f64) -> Result<Idle> {
    const IDLE: usize = 10_000;
    const SLOW: usize = 500;
    let alone = load.row(service, 100, Some(rate / 2.0), TURN).await?;
    let mut idle = Vec::new();
    let mut buffer = Vec::new();
    for _ in 0..IDLE {
        let mut connection = connect(service.server, Ipv4Addr::new(127, 0, 2, 1)).await?;
        exchange(&mut connection, &one(0), &mut buffer).await?;
        idle.push(connection);
    }
    let mut slow = tokio::task::JoinSet::new();
    for _ in 0..SLOW {
        slow.spawn(send_slowly(service.server));
    }
    let beside = load.row(service, 100, Some(rate / 2.0), TURN).await?;
    slow.shutdown().await;
    Ok(Idle {
        connections: idle.len(),
        slow_clients: SLOW,
        resident_mb_before: alone.resident_mb,
        resident_mb_with: beside.resident_mb,
        p99_ms_before: alone.p99_ms,
        p99_ms_with: beside.p99_ms,
    })
}

/// Sends a request byte by byte, again and again, and is cut off each time.
async fn send_slowly(server: SocketAddr) {
    loop {
        let Ok(connection) = connect(server, Ipv4Addr::new(127, 0, 2, 2)).await else {
            return;
        };
        for byte in one(0).bytes() {
            if connection.writable().await.is_err() || connection.try_write(&[byte]).is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// What a read costs, of what is kept and of what is not: round by round, so that a slow minute of the machine slows all.
async fn costs(
    service: &Peer,
    uncached: &Peer,
    keep: &[Peer],
    plain: &[Peer],
) -> Result<Vec<Cost>> {
    let mut costs = Vec::new();
    for (job, own, others, wanted) in [
        ("kept", service, keep, 20.0),
        ("not kept", uncached, plain, 7.0),
    ] {
        let targets: Vec<&Peer> = [own].into_iter().chain(others).collect();
        let mut turns = vec![Vec::new(); targets.len()];
        let readers = readers(16, None, Load::posts());
        for target in &targets {
            ask(target.server, &readers, TURN / 2).await?;
        }
        for round in 1..=ROUNDS {
            note(format_args!("{job}: round {round} of {ROUNDS}"));
            for (target, turns) in targets.iter().zip(&mut turns) {
                let row = measure(target, &readers, TURN / 2).await?;
                turns.push(row.cpu_us_per_request);
            }
        }
        let own_turns = turns[0].clone();
        for (target, turns) in targets.iter().zip(turns) {
            let ratios = turns.iter().zip(&own_turns).map(|(other, own)| other / own);
            costs.push(Cost {
                job,
                server: target.name.clone(),
                times_the_service: report::median(ratios.collect()),
                cpu_us_per_request: report::median(turns),
                wanted: (target.pid != own.pid).then_some(wanted),
            });
        }
    }
    Ok(costs)
}

fn describe(row: &Row) {
    say(format_args!(
        "{}, {} readers: {:.0}/s, p50 {:.2} ms, p99 {:.2} ms, {} errors {:?}, {} refused, {:.1} µs of CPU each, {:.0} MB",
        row.server,
        row.readers,
        row.per_second,
        row.p50_ms,
        row.p99_ms,
        row.errors,
        row.statuses,
        row.refused,
        row.cpu_us_per_request,
        row.resident_mb
    ));
}

fn show(report: &Report) {
    say(format_args!(
        "\nAs fast as answers come; one request in {CHANGES} is a change"
    ));
    let cells = report.rows.iter().map(|row| {
        vec![
            format!("{}, {}", row.server, row.readers),
            format!("{:.0}", row.per_second),
            format!("{:.2}", row.p50_ms),
            format!("{:.2}", row.p99_ms),
            row.errors.to_string(),
            format!("{:.1}", row.cpu_us_per_request),
            format!("{:.0}", row.resident_mb),
        ]
    });
    let headings = [
        "server, readers",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "errors",
        "CPU µs/request",
        "MB",
    ];
    report::print(&headings, &cells.collect::<Vec<_>>());
    let [few, many] = [&report.open_loop[0], &report.open_loop[1]];
    say(format_args!(
        "\nOpen loop, {:.0}/s: p99 of {} readers {:.2} ms, of {} readers {:.2} ms: {:.2} times (at most 3 wanted), {} errors, {} refused",
        report.open_loop_rate,
        few.readers,
        few.p99_ms,
        many.readers,
        many.p99_ms,
        many.p99_ms / few.p99_ms,
        few.errors + many.errors,
        few.refused + many.refused
    ));
    let idle = &report.idle;
    say(format_args!(
        "Beside {} idle connections and {} slow clients: p99 {:.2} ms instead of {:.2}, {:.0} MB instead of {:.0}\n",
        idle.connections,
        idle.slow_clients,
        idle.p99_ms_with,
        idle.p99_ms_before,
        idle.resident_mb_with,
        idle.resident_mb_before
    ));
    let cells = report.costs.iter().map(|cost| {
        let wanted = cost
            .wanted
            .map_or_else(|| "-".to_owned(), |wanted| format!("{wanted:.0}"));
        vec![
            format!("{}: {}", cost.job, cost.server),
            format!("{:.1}", cost.cpu_us_per_request),
            format!("{:.1}", cost.times_the_service),
            wanted,
        ]
    });
    report::print(
        &["a read", "CPU µs/request", "× the service", "wanted"],
        &cells.collect::<Vec<_>>(),
    );
}
