//! `./dev bench read`: one post and the first page of the list, through the whole service, beside
//! a handler that sends the same bytes from memory, a hand-written handler with the same statement
//! on a bare pool, and pgbench with the same statement, prepared.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use serde_json::{Value, json};

use super::load::{self, CONNECTIONS, TURN_SECONDS, Turn};
use super::report::{self, median};
use super::rig::{Rig, free_port};
use crate::child::{self, Child};
use crate::output::{note, say};
use crate::poll;
use crate::session::Session;

/// Turns of each target.
const ROUNDS: usize = 5;
const READY_LIMIT: Duration = Duration::from_secs(20);

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
    let list_body = get(&format!("{base}/api/v1/posts"))?;
    let list_sql = rig.last_statement("posts.list")?;
    get(&format!("{base}/api/v1/posts/slug/{slug}"))?;
    let post_sql = rig.last_statement("posts.find_by_slug")?;

    let setup = json!({
        "port": free_port()?, "db_port": rig.stack.primary().port(), "user": rig.setting("DB_USER")?,
        "password": rig.setting("DB_PASSWORD")?, "database": rig.setting("DB_NAME")?,
        "post_sql": post_sql, "list_sql": list_sql, "post_body": post_body, "list_body": list_body,
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
                .push(load::turn(session, url, *pid)?);
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

/// The post whose content is of the middle length.
fn typical_post(base: &str) -> Result<String> {
    let list: Value = serde_json::from_str(&get(&format!("{base}/api/v1/posts?limit=100"))?)?;
    let slugs = list["data"]
        .as_array()
        .context("no list")?
        .iter()
        .filter_map(|post| post["slug"].as_str());
    let bodies = slugs.map(|slug| get(&format!("{base}/api/v1/posts/slug/{slug}")));
    let mut bodies = bodies.collect::<Result<Vec<_>>>()?;
    bodies.sort_by_key(String::len);
    let middle = bodies.len() / 2;
    bodies.into_iter().nth(middle).context("there are no posts")
}

fn reference(session: &Session, setup: &Value) -> Result<(Child, String)> {
    note("building the reference server");
    let mut cargo = child::command("cargo");
    cargo.args([
        "build",
        "--release",
        "-q",
        "-p",
        "prepnexus-web",
        "--example",
        "reference_server",
    ]);
    child::run_well(cargo, &session.interrupts)?;
    let target = std::env::current_exe().context("where is this program?")?;
    let program = target
        .parent()
        .unwrap_or(Path::new("."))
        .join("examples/reference_server");
    let file = tempfile(session, "setup.json", &setup.to_string())?;
    let mut command = child::command(program);
    command.stdin(Stdio::from(fs::File::open(&file)?));
    let mut server = Child::spawn(command, &session.interrupts)?;
    let base = format!("http://127.0.0.1:{}", setup["port"]);
    poll::until(
        "the reference server",
        READY_LIMIT,
        &session.interrupts,
        || {
            if let Some(status) = server.ended()? {
                bail!("the reference server ended ({status})");
            }
            Ok(get(&format!("{base}/memory/post")).ok())
        },
    )?;
    fs::remove_file(file)?;
    Ok((server, base))
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
    let file = tempfile(session, "script.sql", &(script + ";\n"))?;
    let primary = rig.stack.primary();
    let mut command = child::command(newest_pgbench()?);
    command.args([
        "-h",
        primary.host(),
        "-p",
        &primary.port().to_string(),
        "-U",
        rig.setting("DB_USER")?,
        "-f",
    ]);
    command
        .arg(&file)
        .env("PGPASSWORD", rig.setting("DB_PASSWORD")?);
    command.args(variables.iter().flat_map(|variable| ["-D", variable]));
    command.env("PGDATABASE", rig.setting("DB_NAME")?);
    let rate = load::pgbench(session, command);
    fs::remove_file(file)?;
    rate
}

fn newest_pgbench() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .context("PostgreSQL's programs are not where Debian puts them")?;
    let found = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin/pgbench")));
    found
        .filter(|path| path.exists())
        .max()
        .context("there is no pgbench: it comes with the server's package")
}

/// A file only this user can read, under `target/`.
fn tempfile(session: &Session, name: &str, text: &str) -> Result<PathBuf> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = session
        .project
        .root()
        .join("target")
        .join(format!("bench-{}-{name}", std::process::id()));
    let mut options = fs::File::options();
    let file = options
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("can't write {}", path.display()))?;
    Ok(path)
}

pub(super) fn get(url: &str) -> Result<String> {
    let mut response = ureq::get(url)
        .call()
        .with_context(|| format!("GET {url}"))?;
    response
        .body_mut()
        .read_to_string()
        .with_context(|| format!("GET {url}"))
}

fn text_field(body: &str, path: &str) -> Result<String> {
    let value: Value = serde_json::from_str(body)?;
    let found = path.split('.').fold(&value, |value, name| &value[name]);
    Ok(found
        .as_str()
        .with_context(|| format!("no {path}"))?
        .to_owned())
}
