//! The migrator as a process that is killed.

use std::{
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use prepnexus_devstack::PgNode;

use super::Programs;
use crate::error::Error;

/// The migrator for a database of `node`, as the superuser, saying nothing.
pub(super) fn migrator(programs: &Programs, node: &PgNode, database: &str) -> Command {
    let mut command = Command::new(&programs.migrator);
    command.env_clear();
    command.env("DB_HOST", node.host());
    command.env("DB_PORT", node.port().to_string());
    command.env("DB_NAME", database);
    command.env("DB_USER", "postgres");
    command.env("DB_SSLMODE", "disable");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Well,
    Badly,
    Killed,
}

/// Lets it run for a part of this time, by chance, and kills it where it still runs then.
pub(super) fn kill_within(mut command: Command, longest: Duration) -> Result<Ended, Error> {
    let deadline = Instant::now() + longest.mul_f64(fastrand::f64());
    let mut child = command.spawn()?;
    while Instant::now() < deadline && !has_ended(&mut child) {
        thread::sleep(Duration::from_millis(1));
    }
    if has_ended(&mut child) {
        let is_well = child.wait()?.success();
        return Ok(if is_well { Ended::Well } else { Ended::Badly });
    }
    kill(child)?;
    Ok(Ended::Killed)
}

pub(super) fn has_ended(child: &mut Child) -> bool {
    !matches!(child.try_wait(), Ok(None))
}

pub(super) fn kill(mut child: Child) -> Result<(), Error> {
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// Something that a scenario can't go on with.
pub(super) fn odd(what: &str, answer: &str) -> Error {
    Error::Answer {
        what: what.into(),
        answer: answer.into(),
    }
}
