//! Faults that leave the processes alive: frozen servers, and replicas that replay late or not at all.
//!
//! A frozen server is the nasty kind of failure: the kernel still completes TCP handshakes and acknowledges data for it, so
//! only a deadline of the client's own notices.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::error::Result;
use crate::postgres::PgNode;
use crate::process;
use crate::wait::wait_until;

const LIMIT: Duration = Duration::from_secs(20);

impl PgNode {
    /// Freezes every process of the server (SIGSTOP): nobody gets an answer until [`PgNode::thaw`], and nobody an error.
    pub fn freeze(&self) {
        // The postmaster first: it would fork more while its children are being stopped.
        self.freeze_postmaster();
        self.signal_all(Signal::SIGSTOP);
    }

    /// Freezes the postmaster alone: sessions that exist go on, new connections hang.
    pub fn freeze_postmaster(&self) {
        if let Some(postmaster) = self.postmaster() {
            process::signal(postmaster, Signal::SIGSTOP);
        }
    }

    /// Freezes the process by which a replica receives the log, as a network that is cut would: it goes on serving, what it
    /// has received is all replayed, and it gets nothing more until [`PgNode::thaw`]. Does nothing to a primary.
    pub fn freeze_receiver(&self) {
        let receives = |line: &[u8]| process::contains(line, b": walreceiver");
        for pid in self.processes() {
            if process::command_line(pid).is_some_and(|line| receives(&line)) {
                process::signal(pid, Signal::SIGSTOP);
            }
        }
    }

    /// Ends [`PgNode::freeze`], [`PgNode::freeze_postmaster`] and [`PgNode::freeze_receiver`].
    pub fn thaw(&self) {
        self.signal_all(Signal::SIGCONT);
    }

    /// Makes a replica replay each commit `delay` (in whole milliseconds) after the primary committed; zero ends that. It
    /// still receives at once, so that promoting it loses nothing. Has no effect on a primary.
    ///
    /// # Errors
    /// [`Error::Timeout`](crate::Error::Timeout) when the server does not take the setting over within 20 s.
    pub fn set_apply_delay(&self, delay: Duration) -> Result<()> {
        self.change_conf(|conf| conf.apply_delay = delay)?;
        if !self.is_running() {
            return Ok(());
        }
        self.reload();
        let question = "SELECT setting FROM pg_settings WHERE name = 'recovery_min_apply_delay'";
        let wanted = delay.as_millis().to_string();
        wait_until("the apply delay", LIMIT, || {
            Ok(self.psql(question)? == wanted)
        })
    }

    /// Stops a replica's replay: it goes on receiving, and its data stand still. Returns when replay has stopped.
    ///
    /// # Errors
    /// [`Error::Tool`](crate::Error::Tool) on a primary; [`Error::Timeout`](crate::Error::Timeout) after 20 s.
    pub fn pause_replay(&self) -> Result<()> {
        self.psql("SELECT pg_wal_replay_pause()")?;
        wait_until("replay pausing", LIMIT, || {
            Ok(self.psql("SELECT pg_get_wal_replay_pause_state()")? == "paused")
        })
    }

    /// Ends [`PgNode::pause_replay`].
    ///
    /// # Errors
    /// [`Error::Tool`](crate::Error::Tool) on a primary.
    pub fn resume_replay(&self) -> Result<()> {
        self.psql("SELECT pg_wal_replay_resume()").map(drop)
    }
}
