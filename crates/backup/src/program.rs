//! Runs other programs: each within a time, and none of them outlives the one who asked.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use tokio::{process::Command, time::timeout};

use crate::error::Error;

/// What `setpriv`, which starts the program, exits with when there is no such program.
const NO_SUCH_PROGRAM: i32 = 127;

/// A command whose process is killed when the thread that spawned it ends: so it is to be spawned from one that lasts.
pub(crate) fn tied(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command
        .arg("--pdeathsig=KILL")
        .arg("--")
        .arg(program)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// A command whose process lives in a session of its own, until somebody ends it.
pub(crate) fn detached(program: &Path) -> Command {
    let mut command = Command::new("setsid");
    command.arg(program).stdin(Stdio::null());
    command
}

/// As [`tied`], with the least priority for processor and disk, on at most `cpus` processors.
pub(crate) fn limited(program: &Path, cpus: usize) -> Command {
    let mut command = tied("nice");
    command.args(["-n", "19", "ionice", "-c", "3"]);
    command
        .args(["taskset", "--cpu-list", &format!("0-{}", cpus.max(1) - 1)])
        .arg(program);
    command
}

/// Runs it to its end, and gives what it printed, where it succeeded.
pub(crate) async fn run(
    mut command: Command,
    program: &str,
    package: &'static str,
    limit: Duration,
) -> Result<Output, Error> {
    let program = program.to_owned();
    let Ok(ended) = timeout(limit, command.output()).await else {
        let output = format!("killed, having run for {} s", limit.as_secs());
        return Err(Error::Program { program, output });
    };
    let output = match ended {
        Ok(output) if output.status.code() != Some(NO_SUCH_PROGRAM) => output,
        _ => return Err(Error::Missing { program, package }),
    };
    if output.status.success() {
        return Ok(output);
    }
    let text = [output.stderr, output.stdout].concat();
    let output = one_line(&String::from_utf8_lossy(&text));
    Err(Error::Program { program, output })
}

/// A text without its line breaks.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A program of PostgreSQL, of the major version that `data` is of.
///
/// # Errors
/// [`Error::Missing`] where that version is not installed, [`Error::File`] where `data` is no data directory.
pub(crate) fn of_postgres(data: &Path, name: &str) -> Result<PathBuf, Error> {
    let path = data.join("PG_VERSION");
    let version = std::fs::read_to_string(&path).map_err(Error::file("reading", &path))?;
    let found = PathBuf::from(format!("/usr/lib/postgresql/{}/bin/{name}", version.trim()));
    if found.exists() {
        return Ok(found);
    }
    // Elsewhere than on Debian they are in PATH, of one version.
    let paths = std::env::split_paths(OsStr::new("/usr/local/bin:/usr/bin:/usr/local/pgsql/bin"));
    let mut found = paths.map(|dir| dir.join(name)).filter(|path| path.exists());
    found.next().ok_or_else(|| Error::Missing {
        program: format!("{name} of PostgreSQL {}", version.trim()),
        package: "postgresql",
    })
}
