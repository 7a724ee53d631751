//! `./dev down`: nothing of `.dev` runs afterwards, and its data stay.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use prepnexus_devstack::Stack;

use crate::output::say;
use crate::poll;
use crate::run_lock::RunLock;
use crate::servers::any_is_running;
use crate::session::Session;

/// A `./dev run` gives its API 20 s and its servers 10 s.
const LIMIT: Duration = Duration::from_secs(45);

pub(crate) fn down(session: &Session) -> Result<ExitCode> {
    let dir = session.project.private_dir();
    let runner = RunLock::holder(&dir);
    if let Some(pid) = runner {
        kill(Pid::from_raw(pid), Signal::SIGTERM).context("can't stop ./dev run")?;
        poll::until("the end of ./dev run", LIMIT, &session.interrupts, || {
            Ok(RunLock::holder(&dir).is_none().then_some(()))
        })?;
    }
    let running = Stack::attach(&dir)?.filter(any_is_running);
    if let Some(stack) = &running {
        stack.stop().context("can't stop the servers")?;
    }
    say(if running.is_some() || runner.is_some() {
        "stopped"
    } else {
        "nothing was running"
    });
    Ok(ExitCode::SUCCESS)
}
