//! Load on the database itself, by PostgreSQL's own tool.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::load::{CONNECTIONS, TURN_SECONDS};
use super::reference::tempfile;
use super::rig::Rig;
use crate::child;
use crate::session::Session;

/// How often a second a script is run by as many connections as ask a server, with `variables` (`name=value`).
pub(super) fn rate(
    session: &Session,
    rig: &Rig,
    script: &str,
    variables: &[String],
) -> Result<f64> {
    let file = tempfile(session, "script.sql", script)?;
    let primary = rig.stack.primary();
    let mut command = child::command(newest()?);
    command.args(["-n", "-M", "prepared", "-j", "2"]);
    command.args([
        "-c",
        &CONNECTIONS.to_string(),
        "-T",
        &TURN_SECONDS.to_string(),
    ]);
    command.args(["-h", primary.host(), "-p", &primary.port().to_string()]);
    command
        .args(["-U", rig.setting("DB_USER")?, "-f"])
        .arg(&file);
    command.args(variables.iter().flat_map(|variable| ["-D", variable]));
    command
        .env("PGPASSWORD", rig.setting("DB_PASSWORD")?)
        .env("PGDATABASE", rig.setting("DB_NAME")?);
    let printed = child::output(command, &session.interrupts);
    fs::remove_file(file)?;
    let printed = printed?;
    let line = printed.lines().find_map(|line| line.strip_prefix("tps = "));
    let number = line.and_then(|line| line.split(' ').next()?.parse().ok());
    number.with_context(|| format!("pgbench gave no rate:\n{printed}"))
}

fn newest() -> Result<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .context("PostgreSQL's programs are not where Debian puts them")?;
    let found = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin/pgbench")));
    found
        .filter(|path| path.exists())
        .max()
        .context("there is no pgbench: it comes with the server's package")
}
