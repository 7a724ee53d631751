//! Ends a cluster's servers when their owner is gone, however it went.
//!
//! The kernel kills our own children with us. But Patroni makes its PostgreSQL a child of the system's first process, so
//! that it survives Patroni. So a shell waits at a pipe of which this process holds the other end: it reads the end of the
//! pipe when that is closed, which the kernel does for a killed owner too, and then kills everything that names the cluster's
//! directory, or shows its name as children of a postmaster do.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::error::{During, Result};
use crate::postgres::Shared;
use crate::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(10);
const PATTERNS: &str = "guard.patterns";

/// In its directory it finds the patterns, so that they are in no command line of its own.
const SCRIPT: &str = "\
read -r _
while
  found=$(grep -lsaFf guard.patterns /proc/[0-9]*/cmdline)
  [ -n \"$found\" ]
do
  for process in $found; do
    process=${process#/proc/}
    kill -KILL \"${process%/cmdline}\" 2>/dev/null
  done
done";

/// The shell that waits.
#[derive(Debug)]
pub(super) struct Guard {
    child: Mutex<Child>,
}

impl Guard {
    /// Watches over the servers below `root`. Until it has done its work it holds the directory's `lock`, so that nobody
    /// removes files of servers that still run.
    pub(super) fn start(root: &Path, scope: &str, lock: &File, shared: &Shared) -> Result<Self> {
        let starting = || format!("guard {}", root.display());
        let patterns = format!("{}/\npostgres: {scope}: \n", root.display());
        let path = root.join(PATTERNS);
        fs::write(&path, patterns).during(starting)?;
        shared.account.give(&path)?;
        let mut command = shared.account.server(Path::new("sh"), false);
        command.args(["-c", SCRIPT]).current_dir(root);
        command.stdin(Stdio::piped()).stderr(Stdio::null());
        command.stdout(lock.try_clone().during(starting)?);
        let child = Mutex::new(shared.spawner.spawn(command)?);
        Ok(Self { child })
    }

    /// Lets it do its work, and waits until that is done.
    pub(super) fn close(&self) -> Result<()> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        drop(child.stdin.take());
        let ended = wait_until("the end of a cluster's servers", LIMIT, || {
            let ended = child.try_wait();
            ended
                .map(|status| status.is_some())
                .during(|| "watch the guard".to_owned())
        });
        if ended.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        ended
    }
}
