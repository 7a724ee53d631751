//! Who the service is compared with.

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Result, bail};
use serde_json::Value;

use super::super::{
    reference::{example, get},
    rig::{Rig, free_port},
};
use crate::{
    child::{self, Child},
    poll,
    session::Session,
};

const READY_LIMIT: Duration = Duration::from_secs(60);

/// A server that runs, until this is dropped.
pub(super) struct Peer {
    pub(super) name: String,
    pub(super) server: SocketAddr,
    pub(super) pid: u32,
    _running: Child,
}

impl Peer {
    pub(super) fn of(name: &str, running: Child, base: &str) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            server: base.trim_start_matches("http://").parse()?,
            pid: running.id(),
            _running: running,
        })
    }

    /// Waits until it answers.
    fn ready(name: &str, mut running: Child, port: u16, session: &Session) -> Result<Self> {
        let base = format!("http://127.0.0.1:{port}");
        poll::until(name, READY_LIMIT, &session.interrupts, || {
            if let Some(status) = running.ended()? {
                bail!("{name} ended ({status})");
            }
            Ok(get(&format!("{base}/api/v1/posts/slug/copy-1"))
                .ok()
                .map(|_| ()))
        })?;
        Self::of(name, running, &base)
    }
}

/// A key for the changes.
pub(super) fn key(rig: &Rig, session: &Session) -> Result<String> {
    let mut command = rig.binaries.command("api", &rig.env)?;
    command.args(["keys", "create", "--role", "editor", "--name", "Bench"]);
    Ok(child::output(command, &session.interrupts)?
        .trim()
        .to_owned())
}

/// The same over SQLite.
pub(super) fn sqlite(session: &Session, setup: &Value) -> Result<Peer> {
    let folder = session.project.root().join("target/bench-sqlite");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let port = free_port()?;
    let mut setup = setup.clone();
    setup["port"] = port.into();
    setup["file"] = folder.join("posts.db").display().to_string().into();
    let running = example(session, "sqlite_server", &setup)?;
    Peer::ready("SQLite", running, port, session)
}

/// The same in FastAPI, with answers kept in `cache`: none, process or redis.
pub(super) fn fastapi(
    session: &Session,
    rig: &Rig,
    cache: &str,
    statements: &Value,
) -> Result<Peer> {
    let python = python(session)?;
    let port = free_port()?;
    let mut setup = statements.clone();
    for (name, value) in [
        ("cache", Value::from(cache)),
        ("redis_port", rig.stack.redis().port().into()),
        ("db_port", rig.stack.primary().port().into()),
        ("user", rig.setting("DB_USER")?.into()),
        ("password", rig.setting("DB_PASSWORD")?.into()),
        ("database", rig.setting("DB_NAME")?.into()),
    ] {
        setup[name] = value;
    }
    let mut command = child::command(python);
    command
        .current_dir(session.project.root().join("bins/dev/peers"))
        .args([
            "-B",
            "-m",
            "uvicorn",
            "fastapi_server:app",
            "--loop",
            "uvloop",
            "--http",
            "httptools",
        ])
        .args([
            "--no-access-log",
            "--log-level",
            "warning",
            "--backlog",
            "4096",
            "--timeout-keep-alive",
            "75",
        ])
        .args(["--port", &port.to_string()])
        .env("SETUP", setup.to_string());
    let running = Child::spawn(command, &session.interrupts)?;
    let name = match cache {
        "none" => "FastAPI, nothing kept".to_owned(),
        "process" => "FastAPI, kept in the process".to_owned(),
        _ => "FastAPI, kept in Redis".to_owned(),
    };
    Peer::ready(&name, running, port, session)
}

/// A Python with what that server needs, made once.
fn python(session: &Session) -> Result<PathBuf> {
    let peers = session.project.root().join("bins/dev/peers");
    let venv = session.project.root().join("target/bench-venv");
    let python = venv.join("bin/python");
    let mut make = child::command("python3");
    make.args(["-m", "venv"]).arg(&venv);
    child::run_well(make, &session.interrupts)?;
    let mut install = child::command(&python);
    install.args([
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "-r",
    ]);
    install.arg(peers.join("requirements.txt"));
    child::run_well(install, &session.interrupts)?;
    Ok(python)
}
