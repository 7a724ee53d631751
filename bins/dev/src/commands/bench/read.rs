//! `./dev bench read`: one post and the first page of the list, through the whole service, beside
//! a handler that sends the same bytes from memory, a hand-written handler with the same statement
//! on a bare pool, and pgbench with the same statement, prepared.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

use super::load::{self, CONNECTIONS, TURN_SECONDS, Turn};
use super::pgbench;
use super::reference::{fixed, get, reference, text_field, typical_post};
use super::report::{self, median};
use super::rig::{Rig, free_port};
use crate::output::{note, say};
use crate::session::Session;

/// Turns of each target.
const ROUNDS: usize = 5;

/// A line of the table.
#[derive(Debug, Serialize)]
struct Row {
    what: String,
    requests_per_second: f64,
    cpu_us_per_request: Option<f64>,
    /// The service's processor time per request over this one's.
    service_cpu_ratio: Option<f64>,
}

pub(super) fn run(session: &Session) -> Result<()> {
    let mut rig = Rig::start(session)?;
    let samples = session.project.sample_posts();
    rig.migrator(session, &["seed", &samples.display().to_string()])?;
    let (api, base) = rig.api(session)?;
    let post_body = typical_post(&base)?;
    let slug = text_field(&post_body, "slug")?;
    let list = fixed(&format!("{base}/api/v1/posts"))?;
    let list_sql = rig.last_statement("posts.list")?;
    let post = fixed(&format!("{base}/api/v1/posts/slug/{slug}"))?;
    let post_sql = rig.last_statement("posts.find_by_slug")?;

    let setup = json!({
        "port": free_port()?, "service_port": free_port()?, "counts": true, "redis_port": rig.stack.redis().port(),
        "db_port": rig.stack.primary().port(), "user": rig.setting("DB_USER")?,
        "password": rig.setting("DB_PASSWORD")?, "database": rig.setting("DB_NAME")?,
        "post_sql": post_sql, "list_sql": list_sql, "post": post, "list": list,
    });
    let (reference, reference_base) = reference(session, &setup)?;

    let (service, other) = (api.id(), reference.id());
    let targets = [
        (
            "post: service",
            format!("{base}/api/v1/posts/slug/{slug}"),
            service,
        ),
        (
            "post: same bytes from memory",
            format!("{reference_base}/memory/post"),
            other,
        ),
        (
            "post: same SQL, bare pool",
            format!("{reference_base}/bare/post/{slug}"),
            other,
        ),
        ("list: service", format!("{base}/api/v1/posts"), service),
        (
            "list: same bytes from memory",
            format!("{reference_base}/memory/list"),
            other,
        ),
        (
            "list: same SQL, bare pool",
            format!("{reference_base}/bare/list"),
            other,
        ),
    ];
    let mut turns: BTreeMap<&str, Vec<Turn>> = BTreeMap::new();
    let mut rates: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for round in 1..=ROUNDS {
        note(format_args!("round {round} of {ROUNDS}"));
        for (what, url, pid) in &targets {
            turns
                .entry(what)
                .or_default()
                .push(load::turn(session, url, &[], *pid)?);
        }
        let now = format!(
            "now={}",
            text_field(&get(&format!("{base}/health"))?, "checks.database.since")?
        );
        for (what, sql, variables) in [
            (
                "post: pgbench, prepared",
                &post_sql,
                vec![format!("slug={slug}")],
            ),
            (
                "list: pgbench, prepared",
                &list_sql,
                vec![now, "limit=21".to_owned()],
            ),
        ] {
            rates
                .entry(what)
                .or_default()
                .push(pgbench(session, &rig, sql, &variables)?);
        }
    }
    show(session, &targets.map(|(what, _, _)| what), &turns, &rates)
}

fn show(
    session: &Session,
    order: &[&str],
    turns: &BTreeMap<&str, Vec<Turn>>,
    rates: &BTreeMap<&str, Vec<f64>>,
) -> Result<()> {
    let cpu = |what: &str| median(turns[what].iter().map(|turn| turn.cpu_us).collect());
    let mut rows: Vec<Row> = Vec::new();
    for what in order {
        let kind = what.split(':').next().unwrap_or_default();
        let service = cpu(&format!("{kind}: service"));
        rows.push(Row {
            what: (*what).to_owned(),
            requests_per_second: median(turns[what].iter().map(|turn| turn.per_second).collect()),
            cpu_us_per_request: Some(cpu(what)),
            service_cpu_ratio: Some(service / cpu(what)),
        });
    }
    rows.extend(rates.iter().map(|(what, rates)| Row {
        what: (*what).to_owned(),
        requests_per_second: median(rates.clone()),
        cpu_us_per_request: None,
        service_cpu_ratio: None,
    }));
    say(format_args!(
        "\n{CONNECTIONS} connections, the median of {ROUNDS} turns of {TURN_SECONDS} s; processor time is the server's own"
    ));
    let number = |number: Option<f64>, digits: usize| {
        number.map_or_else(|| "-".to_owned(), |n| format!("{n:.digits$}"))
    };
    let cells = rows.iter().map(|row| {
        vec![
            row.what.clone(),
            format!("{:.0}", row.requests_per_second),
            number(row.cpu_us_per_request, 1),
            number(row.service_cpu_ratio, 2),
        ]
    });
    report::print(
        &["", "requests/s", "CPU µs/request", "service ÷ this"],
        &cells.collect::<Vec<_>>(),
    );
    report::write(session, "read", &rows)
}

/// pgbench's variables go where the statement's parameters were, in their order.
fn pgbench(session: &Session, rig: &Rig, sql: &str, variables: &[String]) -> Result<f64> {
    let mut script = sql
        .lines()
        .filter(|line| !line.trim_start().starts_with("--"))
        .collect::<Vec<_>>()
        .join(" ");
    for (index, variable) in variables.iter().enumerate() {
        let name = variable.split('=').next().unwrap_or_default();
        script = script.replace(&format!("${}", index + 1), &format!(":{name}"));
    }
    pgbench::rate(session, rig, &(script + ";\n"), variables)
}
