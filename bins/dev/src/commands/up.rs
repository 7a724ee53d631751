//! `./dev up`: the servers, in the background.

use std::process::ExitCode;

use anyhow::Result;

use crate::output::say;
use crate::run_lock::RunLock;
use crate::servers::{Lifetime, Servers};
use crate::session::Session;

pub(crate) fn up(session: &Session) -> Result<ExitCode> {
    let dir = session.project.private_dir();
    let runner = RunLock::holder(&dir);
    let servers = Servers::start(session, Lifetime::UntilDown)?;
    let names = ["DB_PORT", "REDIS_PORT"].map(|name| servers.env.get(name).unwrap_or_default());
    say(format_args!(
        "PostgreSQL on ports {}, Redis on port {} of 127.0.0.1",
        names[0], names[1]
    ));
    say(format_args!(
        "settings in {}",
        session.project.env_file().display()
    ));
    if let Some(pid) = runner {
        say(format_args!(
            "they belong to ./dev run (process {pid}) and end with it"
        ));
    }
    Ok(ExitCode::SUCCESS)
}
