//! What can happen to one node of a cluster.
//!
//! The processes of a node are those that name its directory, and all that these have started. Children of a postmaster
//! cannot be told by their titles: Patroni gives every server of a cluster the same name.

use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::error::Result;
use crate::patroni::PatroniNode;
use crate::postgres::{ownership, shared_memory};
use crate::process;
use crate::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(10);

impl PatroniNode {
    /// Patroni's process. Also when it is frozen.
    #[must_use]
    pub fn patroni_pid(&self) -> Option<i32> {
        self.inner.patroni.pid()
    }

    /// PostgreSQL's processes, the main one first: none when it does not run.
    #[must_use]
    pub fn postgres_pids(&self) -> Vec<i32> {
        process::with_descendants(self.postmasters())
    }

    /// Kills Patroni and PostgreSQL with all of its children, as a power failure would, and waits until they are gone. They
    /// come back by [`PatroniNode::start`].
    ///
    /// # Errors
    /// [`Error::Timeout`](crate::Error::Timeout) when the kernel does not end them within 10 s.
    pub fn kill(&self) -> Result<()> {
        // What is frozen starts nothing more, so the list is complete.
        self.inner.patroni.signal(Signal::SIGSTOP);
        self.signal_postmasters(Signal::SIGSTOP);
        let all = self.processes();
        self.inner.patroni.kill()?;
        signal(&all, Signal::SIGKILL);
        wait_until(&format!("the end of {}", self.name()), LIMIT, || {
            let left = self.processes();
            signal(&left, Signal::SIGKILL);
            Ok(left.is_empty() && all.iter().all(|pid| process::has_ended(*pid)))
        })
    }

    /// Kills PostgreSQL alone. Patroni notices, and starts it again or lets another lead.
    ///
    /// # Errors
    /// [`Error::Timeout`](crate::Error::Timeout) when the kernel does not end it within 10 s.
    pub fn kill_postgres(&self) -> Result<()> {
        self.signal_postmasters(Signal::SIGSTOP);
        let killed = self.postgres_pids();
        signal(&killed, Signal::SIGKILL);
        let what = format!("the end of PostgreSQL of {}", self.name());
        wait_until(&what, LIMIT, || {
            Ok(killed.iter().all(|pid| process::has_ended(*pid)))
        })
    }

    /// Kills Patroni alone: its PostgreSQL goes on as what it is. If that is the leader, another node leads when the lock has
    /// expired, and both accept writes.
    ///
    /// # Errors
    /// [`Error::Timeout`](crate::Error::Timeout) when the kernel does not end it within 10 s.
    pub fn kill_patroni(&self) -> Result<()> {
        self.inner.patroni.kill()
    }

    /// Freezes all processes of the node: nobody gets an answer until [`PatroniNode::thaw`], and nobody an error.
    pub fn freeze(&self) {
        // The postmaster first: it would fork more while its children are being stopped.
        self.signal_postmasters(Signal::SIGSTOP);
        signal(&self.postgres_pids(), Signal::SIGSTOP);
        self.inner.patroni.signal(Signal::SIGSTOP);
        signal(&self.processes(), Signal::SIGSTOP);
    }

    /// Ends [`PatroniNode::freeze`].
    pub fn thaw(&self) {
        signal(&self.processes(), Signal::SIGCONT);
    }

    /// The last resort before the directory is removed.
    pub(super) fn destroy(&self) {
        let _ = self.kill();
        self.clear_remains();
    }

    /// Removes what a killed PostgreSQL leaves, if none runs.
    pub(super) fn clear_remains(&self) {
        if self.processes().is_empty() {
            shared_memory::clear_remains(self.data_dir());
        }
    }

    pub(super) fn processes(&self) -> Vec<i32> {
        let dir = [self.inner.dir.as_os_str().as_bytes(), b"/"].concat();
        let named = process::find(|line| process::contains(line, &dir));
        process::with_descendants(named)
    }

    /// The main process; during recovery from a crash also the one that Patroni has for that.
    fn postmasters(&self) -> Vec<i32> {
        process::find(|line| ownership::is_run_on(self.data_dir(), line))
    }

    fn signal_postmasters(&self, signal: Signal) {
        self::signal(&self.postmasters(), signal);
    }
}

fn signal(pids: &[i32], signal: Signal) {
    for pid in pids {
        process::signal(*pid, signal);
    }
}
