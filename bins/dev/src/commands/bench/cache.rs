//! `./dev bench cache`: what an answer from memory costs, beside a handler that sends the same bytes.

use serde::Serialize;
use serde_json::json;

use anyhow::{Context as _, Result};

use super::load::{self, CONNECTIONS, TURN_SECONDS};
use super::reference::{fixed, reference, text_field, typical_post};
use super::report::{self, median};
use super::rig::{Rig, free_port};
use crate::output::{note, say};
use crate::session::Session;

/// Turns of each target.
const ROUNDS: usize = 5;

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
    headers: Vec<String>,
    pid: u32,
    /// By its place among the targets, and how many times its cost is allowed.
    compared_with: Option<(usize, f64)>,
}

pub(super) fn run(session: &Session) -> Result<()> {
    let mut rig = Rig::start(session)?;
    let samples = session.project.sample_posts();
    rig.migrator(session, &["seed", &samples.display().to_string()])?;
    let (api, base) = rig.api(session)?;
    let post_body = typical_post(&base)?;
    let post = format!(
        "{base}/api/v1/posts/slug/{}",
        text_field(&post_body, "slug")?
    );
    let list = format!("{base}/api/v1/posts");
    let setup = json!({
        "port": free_port()?, "db_port": rig.stack.primary().port(), "user": rig.setting("DB_USER")?,
        "password": rig.setting("DB_PASSWORD")?, "database": rig.setting("DB_NAME")?,
        "post_sql": "", "list_sql": "", "post": fixed(&post)?, "list": fixed(&list)?,
    });
    let (bare, bare_base) = reference(session, &setup)?;
    let known = format!("If-None-Match: {}", etag(&post)?);
    let target = |what, url: &str, pid, compared_with| Target {
        what,
        url: url.to_owned(),
        headers: Vec::new(),
        pid,
        compared_with,
    };
    let targets = [
        target(
            "post: same bytes",
            &format!("{bare_base}/memory/post"),
            bare.id(),
            None,
        ),
        target(
            "list: same bytes",
            &format!("{bare_base}/memory/list"),
            bare.id(),
            None,
        ),
        target("post: from memory", &post, api.id(), Some((0, 1.15))),
        target("list: from memory", &list, api.id(), Some((1, 1.15))),
        Target {
            headers: vec![known],
            ..target("post: 304", &post, api.id(), Some((2, 1.05)))
        },
    ];
    let mut turns = targets.each_ref().map(|_| Vec::new());
    for round in 1..=ROUNDS {
        note(format_args!("round {round} of {ROUNDS}"));
        for (target, turns) in targets.iter().zip(&mut turns) {
            let headers: Vec<&str> = target.headers.iter().map(String::as_str).collect();
            turns.push(load::turn(session, &target.url, &headers, target.pid)?);
        }
    }
    let cpu = turns
        .each_ref()
        .map(|turns| median(turns.iter().map(|turn| turn.cpu_us).collect()));
    let rows: Vec<Row> = targets
        .iter()
        .zip(&turns)
        .enumerate()
        .map(|(index, (target, turns))| Row {
            what: target.what,
            requests_per_second: median(turns.iter().map(|turn| turn.per_second).collect()),
            cpu_us_per_request: cpu[index],
            compared_with: target.compared_with.map(|(other, _)| targets[other].what),
            cpu_ratio: target
                .compared_with
                .map(|(other, _)| cpu[index] / cpu[other]),
            limit: target.compared_with.map(|(_, limit)| limit),
        })
        .collect();
    show(session, &rows)
}

fn show(session: &Session, rows: &[Row]) -> Result<()> {
    say(format_args!(
        "\n{CONNECTIONS} connections, the median of {ROUNDS} turns of {TURN_SECONDS} s; processor time is the server's own"
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
