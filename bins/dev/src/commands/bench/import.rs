//! `./dev bench import`: the import of a clean old file, beside what its parts cost by themselves (reading SQLite, a binary
//! COPY of the same rows into a table with a primary key) and beside pgloader, which copies the columns as they are.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use prepnexus_chaos::old_file;
use serde::Serialize;
use serde_json::Value;

use super::report;
use super::rig::Rig;
use crate::child::{self, Child};
use crate::output::{note, say};
use crate::poll;
use crate::session::Session;

const POSTS: u32 = 1_000_000;

/// A line of the table.
#[derive(Debug, Serialize)]
struct Row {
    what: &'static str,
    seconds: f64,
    posts_per_second: f64,
    peak_memory_mib: Option<u64>,
}

impl Row {
    fn new(what: &'static str, seconds: f64) -> Self {
        Self {
            what,
            seconds,
            posts_per_second: f64::from(POSTS) / seconds,
            peak_memory_mib: None,
        }
    }
}

pub(super) fn run(session: &Session) -> Result<()> {
    let rig = Rig::start(session)?;
    let dir = session.project.root().join("target/bench");
    fs::create_dir_all(&dir).with_context(|| format!("can't make {}", dir.display()))?;
    let file = dir.join("old.sqlite");
    note(format_args!("making a file of {POSTS} posts"));
    old_file::write(&file, POSTS, 0)?;
    let measured = measure(session, &rig, &file);
    fs::remove_file(&file)?;
    let rows = measured?;
    let cells = rows.iter().map(|row| {
        vec![
            row.what.to_owned(),
            format!("{:.1}", row.seconds),
            format!("{:.0}", row.posts_per_second),
            row.peak_memory_mib
                .map_or_else(|| "-".to_owned(), |peak| peak.to_string()),
        ]
    });
    say(format_args!("\n{POSTS} posts"));
    report::print(
        &["", "seconds", "posts/s", "peak MiB"],
        &cells.collect::<Vec<_>>(),
    );
    report::write(session, "import", &rows)
}

fn measure(session: &Session, rig: &Rig, file: &Path) -> Result<Vec<Row>> {
    note("reading the file, and no more");
    let began = Instant::now();
    old_file::read(file)?;
    let reading = began.elapsed().as_secs_f64();

    note("pgloader");
    let node = rig.stack.primary();
    node.psql("CREATE DATABASE pgloader")?;
    let mut pgloader = child::command("pgloader");
    // With its 100,000 rows at a time it exhausts its own heap.
    pgloader.args(["--with", "prefetch rows = 10000"]);
    pgloader.arg(format!("sqlite://{}", file.display()));
    pgloader.arg(format!(
        "postgresql://postgres@{}:{}/pgloader",
        node.host(),
        node.port()
    ));
    let began = Instant::now();
    child::output(pgloader, &session.interrupts)?;
    let pgloader = began.elapsed().as_secs_f64();
    let loaded = node.psql_db("pgloader", "SELECT count(*) FROM blogs")?;
    note(format_args!("pgloader loaded {loaded} posts"));

    note("a COPY of the same rows, and no more");
    let copied = format!("{}/copied", node.psql("SHOW data_directory")?);
    node.psql_db(
        "pgloader",
        &format!(
            "COPY blogs TO '{copied}' (FORMAT binary);
             CREATE TABLE copied (LIKE blogs INCLUDING DEFAULTS, PRIMARY KEY (id)); CHECKPOINT"
        ),
    )?;
    let began = Instant::now();
    node.psql_db(
        "pgloader",
        &format!("COPY copied FROM '{copied}' (FORMAT binary)"),
    )?;
    let copying = began.elapsed().as_secs_f64();
    node.psql("DROP DATABASE pgloader WITH (FORCE)")?;
    node.psql("CHECKPOINT")?;

    note("import");
    let report_file = file.with_extension("report.json");
    let mut migrator = rig.binaries.command("migrator", &rig.env)?;
    migrator.arg("import-sqlite").arg(file);
    migrator.arg("--report").arg(&report_file);
    let began = Instant::now();
    let peak = peak_memory(session, migrator)?;
    let seconds = began.elapsed().as_secs_f64();
    let report: Value = serde_json::from_slice(&fs::read(&report_file)?)?;
    let staging = report["phases"]["staging"]
        .as_f64()
        .context("the report has no time of staging")?;
    fs::remove_file(report_file)?;
    Ok(vec![
        Row::new("reading SQLite alone", reading),
        Row::new("binary COPY alone", copying),
        Row::new("both, one after the other", reading + copying),
        Row::new("pgloader", pgloader),
        Row::new("import: read, judge, render and stage", staging),
        Row::new("import: resolve, publish and read back", seconds - staging),
        Row {
            peak_memory_mib: Some(peak),
            ..Row::new("import: all", seconds)
        },
    ])
}

/// Runs it to its end; the most memory that it had resident, in MiB.
fn peak_memory(session: &Session, command: std::process::Command) -> Result<u64> {
    let mut child = Child::spawn(command, &session.interrupts)?;
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let limit = std::time::Duration::MAX;
    let status = poll::until("the import", limit, &session.interrupts, || {
        // Gone at the very end; what it was a moment before is what counts.
        let status = fs::read_to_string(&status_file).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0));
        child.ended()
    })?;
    anyhow::ensure!(status.success(), "the import failed ({status})");
    Ok(peak.div_ceil(1024))
}
