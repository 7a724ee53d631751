//! `./dev bench cache`: what an answer from memory costs, beside a handler that sends the same bytes; one from Redis, beside a
//! handler that asks Redis once; what it costs to count all that; and a write that records what it changes, beside one that
//! does not.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::json;

use super::load::{self, CONNECTIONS, TURN_SECONDS};
use super::pgbench;
use super::reference::{fixed, get, reference, tempfile, text_field, typical_post};
use super::report::{self, median};
use super::rig::{COPIES, Rig, free_port};
use crate::output::{note, say};
use crate::session::Session;

/// Turns of each target.
const ROUNDS: usize = 10;

/// A line of the table.
#[derive(Debug, Serialize)]
struct Row {
    what: &'static str,
    requests_per_second: f64,
    cpu_us_per_request: f64,
    compared_with: Option<&'static str>,
    cpu_ratio: Option<f64>,
    limit: Option<f64>,
}

/// Something that is asked for again and again.
struct Target {
    what: &'static str,
    url: String,
    options: Vec<String>,
    pid: u32,
    /// By its place among the targets, and how many times its cost is allowed, where a limit was set.
    compared_with: Option<(usize, Option<f64>)>,
}

pub(super) fn run(session: &Session) -> Result<()> {
    let mut rig = Rig::start(session)?;
    let samples = session.project.sample_posts();
    rig.migrator(session, &["seed", &samples.display().to_string()])?;
    let (api, base) = rig.api(session)?;
    let typical = typical_post(&base)?;
    let slug = text_field(&typical, "slug")?;
    let first = rig.copies(&slug)?;
    let post = format!("{base}/api/v1/posts/slug/{slug}");
    let list = format!("{base}/api/v1/posts");
    let redis = rig.stack.redis();
    let (service_port, redis_port) = (free_port()?, redis.port());
    let body = fixed(&post)?;
    let fill = format!(
        "for n = {first}, {} do redis.call('SET', 'bench:' .. n, ARGV[1]) end",
        first + COPIES - 1
    );
    redis.cli(&[
        "EVAL",
        &fill,
        "0",
        body["body"].as_str().context("no body")?,
    ])?;
    let setup = json!({
        "port": free_port()?, "service_port": service_port, "counts": true, "redis_port": redis_port,
        "db_port": rig.stack.primary().port(), "user": rig.setting("DB_USER")?,
        "password": rig.setting("DB_PASSWORD")?, "database": rig.setting("DB_NAME")?,
        "post_sql": "", "list_sql": "", "post": body, "list": fixed(&list)?,
    });
    let (bare, bare_base) = reference(session, &setup)?;
    // The same program, without a recorder for its metrics.
    let (mut setup, uncounted_port) = (setup, free_port()?);
    setup["port"] = json!(free_port()?);
    setup["service_port"] = json!(uncounted_port);
    setup["counts"] = json!(false);
    let (uncounted, _) = reference(session, &setup)?;
    let uncounted_base = format!("http://127.0.0.1:{uncounted_port}");
    let service_base = format!("http://127.0.0.1:{service_port}");
    // Whatever it is given weighs more than it may keep: each answer is Redis's.
    rig.env.set("REDIS_HOST", "127.0.0.1");
    rig.env.set("REDIS_PORT", &redis_port.to_string());
    rig.env.set("CACHE_MEMORY_BYTES", "1");
    let (forgetful, forgetful_base) = rig.api(session)?;
    for id in first..first + COPIES {
        get(&format!("{forgetful_base}/api/v1/posts/{id}"))?;
    }
    let each = |path: &str| script(session, path, first);
    let (of_api, of_bare) = (each("/api/v1/posts/")?, each("/redis/post/")?);
    let any = |file: &Path| vec!["-s".to_owned(), file.display().to_string()];
    let known = vec!["-H".to_owned(), format!("If-None-Match: {}", etag(&post)?)];
    let target = |what, url: String, pid, options, compared_with| Target {
        what,
        url,
        options,
        pid,
        compared_with,
    };
    let (api, bare, uncounted) = (api.id(), bare.id(), uncounted.id());
    let plain = Vec::new;
    let targets = [
        target(
            "post: bare handler",
            format!("{bare_base}/memory/post"),
            bare,
            plain(),
            None,
        ),
        target(
            "post: handler in the service",
            format!("{service_base}/memory/post/{slug}"),
            bare,
            plain(),
            Some((0, None)),
        ),
        target(
            "post: from memory",
            post.clone(),
            api,
            plain(),
            Some((1, Some(1.15))),
        ),
        target("post: 304", post, api, known, Some((2, Some(1.05)))),
        target(
            "list: bare handler",
            format!("{bare_base}/memory/list"),
            bare,
            plain(),
            None,
        ),
        target(
            "list: handler in the service",
            format!("{service_base}/memory/list"),
            bare,
            plain(),
            Some((4, None)),
        ),
        target(
            "list: from memory",
            list,
            api,
            plain(),
            Some((5, Some(1.15))),
        ),
        target(
            "posts: bare handler, one GET",
            bare_base,
            bare,
            any(&of_bare),
            None,
        ),
        target(
            "posts: handler in the service, one GET",
            service_base.clone(),
            bare,
            any(&of_bare),
            Some((7, None)),
        ),
        target(
            "posts: from Redis",
            forgetful_base,
            forgetful.id(),
            any(&of_api),
            Some((7, Some(1.15))),
        ),
        target(
            "post: from memory, nothing counted",
            format!("{uncounted_base}/api/v1/posts/slug/{slug}"),
            uncounted,
            plain(),
            None,
        ),
        target(
            "post: from memory, all counted",
            format!("{service_base}/api/v1/posts/slug/{slug}"),
            bare,
            plain(),
            Some((10, Some(1.03))),
        ),
    ];
    let mut turns = targets.each_ref().map(|_| Vec::new());
    for round in 1..=ROUNDS {
        note(format_args!("round {round} of {ROUNDS}"));
        for (target, turns) in targets.iter().zip(&mut turns) {
            turns.push(load::turn(
                session,
                &target.url,
                &target.options,
                target.pid,
            )?);
        }
    }
    for file in [of_api, of_bare] {
        fs::remove_file(file)?;
    }
    // Round by round, so that a slow minute of the machine slows both.
    let ratio = |index: usize, other: usize| {
        let pairs = turns[index].iter().zip(&turns[other]);
        median(
            pairs
                .map(|(one, other)| one.cpu_us / other.cpu_us)
                .collect(),
        )
    };
    let row = |(index, (target, turns)): (usize, (&Target, &Vec<load::Turn>))| Row {
        what: target.what,
        requests_per_second: median(turns.iter().map(|turn| turn.per_second).collect()),
        cpu_us_per_request: median(turns.iter().map(|turn| turn.cpu_us).collect()),
        compared_with: target.compared_with.map(|(other, _)| targets[other].what),
        cpu_ratio: target.compared_with.map(|(other, _)| ratio(index, other)),
        limit: target.compared_with.and_then(|(_, limit)| limit),
    };
    let rows: Vec<Row> = targets.iter().zip(&turns).enumerate().map(row).collect();
    show(session, &rows)?;
    writes(session, &rig, first)
}

/// Has wrk ask for the copies in any order.
fn script(session: &Session, path: &str, first: u32) -> Result<PathBuf> {
    let name = path.replace('/', "-") + ".lua";
    let last = first + COPIES - 1;
    let text = format!(
        "request = function() return wrk.format('GET', '{path}' .. math.random({first}, {last})) end\n"
    );
    tempfile(session, &name, &text)
}

/// What recording changes costs a write: the rate of one with its event, by that of the same without.
fn writes(session: &Session, rig: &Rig, first: u32) -> Result<()> {
    let update = "UPDATE posts SET title = 'Title ' || :n, updated_at = now() WHERE id = :id";
    let event = "INSERT INTO change_events (tags) VALUES (ARRAY['post ' || :id, 'posts title', 'posts text'])";
    let choose = format!(
        "\\set id random({first}, {})\n\\set n random(1, 1000000)\n",
        first + COPIES - 1
    );
    let without = format!("{choose}BEGIN;\n{update};\nCOMMIT;\n");
    let with = format!("{choose}BEGIN;\n{update};\n{event};\nCOMMIT;\n");
    let mut rates = [Vec::new(), Vec::new()];
    for round in 1..=ROUNDS {
        note(format_args!("writes, round {round} of {ROUNDS}"));
        // Each write leaves a dead row, and the next one more to do: neither is always the later.
        for turn in 0..2 {
            let which = (round + turn) % 2;
            rates[which].push(pgbench::rate(session, rig, [&without, &with][which], &[])?);
        }
    }
    let [without, with] = &rates;
    let pairs = with.iter().zip(without);
    let ratio = median(pairs.map(|(with, without)| with / without).collect());
    let [without, with] = rates.map(median);
    say(format_args!(
        "writes: {with:.0}/s with events, {without:.0}/s without: {ratio:.2} times as many, at least 0.90 wanted"
    ));
    report::write(
        session,
        "cache-writes",
        &json!({"with_events": with, "without": without, "ratio": ratio}),
    )
}

fn show(session: &Session, rows: &[Row]) -> Result<()> {
    say(format_args!(
        "\n{CONNECTIONS} connections, the median of {ROUNDS} turns of {TURN_SECONDS} s, of ratios that of the rounds'; processor time is the server's own"
    ));
    let number = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), |n| format!("{n:.2}"));
    let cells = rows.iter().map(|row| {
        vec![
            row.what.to_owned(),
            format!("{:.0}", row.requests_per_second),
            format!("{:.1}", row.cpu_us_per_request),
            row.compared_with.unwrap_or("-").to_owned(),
            number(row.cpu_ratio),
            number(row.limit),
        ]
    });
    report::print(
        &[
            "",
            "requests/s",
            "CPU µs/request",
            "compared with",
            "ratio",
            "limit",
        ],
        &cells.collect::<Vec<_>>(),
    );
    report::write(session, "cache", &rows)
}

fn etag(url: &str) -> Result<String> {
    let answer = ureq::get(url)
        .call()
        .with_context(|| format!("GET {url}"))?;
    let etag = answer.headers().get("etag").context("no ETag")?;
    Ok(etag.to_str()?.to_owned())
}
