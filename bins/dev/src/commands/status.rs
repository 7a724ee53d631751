//! `./dev status`: what is running, in a small table.

use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use prepnexus_devstack::{PgNode, RedisServer, Stack};

use crate::env_file::EnvFile;
use crate::output::say;
use crate::session::Session;

type Row = [String; 5];

pub(crate) fn status(session: &Session) -> Result<ExitCode> {
    let Some(stack) = Stack::attach(session.project.private_dir())? else {
        say("no servers yet: ./dev up or ./dev run makes them");
        return Ok(ExitCode::SUCCESS);
    };
    let mut rows = vec![["name", "role", "port", "state", "pid"].map(str::to_owned)];
    rows.extend(stack.nodes().iter().map(node_row));
    rows.extend(stack.find_redis().map(redis_row));
    rows.push(api_row(&EnvFile::read(&session.project.env_file())?));
    for [name, role, port, state, pid] in rows {
        say(format!("{name:<8}{role:<10}{port:<8}{state:<14}{pid}").trim_end());
    }
    Ok(ExitCode::SUCCESS)
}

fn node_row(node: &PgNode) -> Row {
    let name = node.name().to_owned();
    let port = node.port().to_string();
    if !node.is_running() {
        return [name, "-".into(), port, "stopped".into(), "-".into()];
    }
    let asked = node.psql_within(
        Duration::from_secs(2),
        "postgres",
        "SELECT pg_is_in_recovery()",
    );
    let (role, state) = match asked.as_deref() {
        Ok("t") => ("replica", "running"),
        Ok(_) => ("primary", "running"),
        Err(_) => ("-", "not answering"),
    };
    let pid = fs::read_to_string(node.data_dir().join("postmaster.pid")).unwrap_or_default();
    let pid = pid.lines().next().unwrap_or("-").to_owned();
    [name, role.into(), port, state.into(), pid]
}

fn redis_row(redis: &RedisServer) -> Row {
    let (mut state, mut pid) = ("stopped", "-".to_owned());
    if redis.is_running() {
        state = "not answering";
        if let Ok(info) = redis.cli(&["INFO", "server"]) {
            state = "running";
            let found = info
                .lines()
                .find_map(|line| line.strip_prefix("process_id:"));
            pid = found.unwrap_or("-").trim().to_owned();
        }
    }
    [
        "redis".into(),
        "cache".into(),
        redis.port().to_string(),
        state.into(),
        pid,
    ]
}

fn api_row(env: &EnvFile) -> Row {
    let port = env.get("API_PORT").unwrap_or("8000");
    let state = match ready(env) {
        Some(200) => "ready",
        Some(_) => "not ready",
        None => "stopped",
    };
    [
        "api".into(),
        "-".into(),
        port.into(),
        state.into(),
        "-".into(),
    ]
}

/// What `GET /health/ready` answers, if anything does.
pub(crate) fn ready(env: &EnvFile) -> Option<u16> {
    let agent = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(2)));
    let agent = agent
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .new_agent();
    let response = agent.get(format!("{}/health/ready", base_url(env))).call();
    response.ok().map(|response| response.status().as_u16())
}

/// The API's address for a browser on this machine.
pub(crate) fn base_url(env: &EnvFile) -> String {
    let value = |name, default| env.get(name).unwrap_or(default).to_owned();
    format!(
        "http://{}:{}",
        value("API_HOST", "127.0.0.1"),
        value("API_PORT", "8000")
    )
}
