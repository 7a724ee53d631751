//! Which processes are this node's. Nothing else is ever signalled.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sys::signal::Signal;

use crate::postgres::PgNode;
use crate::process;

/// The lines of `postmaster.pid` that are used here.
pub(crate) struct LockFile {
    pub(crate) pid: i32,
    /// Key and identifier of the shared memory segment that guards the data directory.
    pub(crate) segment: Option<(String, String)>,
    pub(crate) ready: bool,
}

impl LockFile {
    /// The lock file of a data directory, if there is one: also of a server that was killed.
    pub(crate) fn read(data: &Path) -> Option<Self> {
        let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let lines: Vec<&str> = text.lines().collect();
        let segment = lines.get(6).and_then(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?.to_owned(), words.next()?.to_owned()))
        });
        Some(Self {
            pid: lines.first()?.trim().parse().ok()?,
            segment,
            ready: lines.get(7).is_some_and(|status| status.trim() == "ready"),
        })
    }
}

/// The main process of the server in a data directory, and helpers that work on it alone: they keep their arguments in view.
pub(crate) fn is_run_on(data: &Path, line: &[u8]) -> bool {
    let started_with = [b"\0-D\0", data.as_os_str().as_bytes(), b"\0"].concat();
    process::contains(line, &started_with)
}

impl PgNode {
    /// Whether the server's main process exists. True for a frozen server.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.postmaster().is_some()
    }

    /// The main process, if it lives and is this node's.
    pub(super) fn postmaster(&self) -> Option<i32> {
        let pid = self.lock_file()?.pid;
        process::command_line(pid)
            .is_some_and(|line| self.owns(&line))
            .then_some(pid)
    }

    /// All processes of this node, those included that outlived their postmaster.
    pub(super) fn processes(&self) -> Vec<i32> {
        process::find(|line| self.owns(line))
    }

    pub(super) fn signal_all(&self, signal: Signal) {
        for pid in self.processes() {
            process::signal(pid, signal);
        }
    }

    pub(super) fn lock_file(&self) -> Option<LockFile> {
        LockFile::read(self.data_dir())
    }

    /// A postmaster keeps its arguments in view; its children show the cluster's name.
    fn owns(&self, line: &[u8]) -> bool {
        let title = format!("postgres: {}: ", self.inner.cluster_name);
        line.starts_with(title.as_bytes()) || is_run_on(self.data_dir(), line)
    }
}
