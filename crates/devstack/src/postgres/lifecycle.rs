//! Starting and stopping one server.
//!
//! `postgres` is spawned directly rather than by `pg_ctl`, so that it is our own child: a killed server whose parent does
//! not reap it stays a zombie, and blocks `pg_rewind` and the next start.

use std::fs::{self, OpenOptions};
use std::process::{Child, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::error::{During, Error, Result};
use crate::logs;
use crate::ports;
use crate::postgres::PgNode;
use crate::postgres::config;
use crate::process;
use crate::wait::{wait_for, wait_until};

/// Recovery after a crash is part of a start.
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(20);
const KILL_LIMIT: Duration = Duration::from_secs(10);
const ATTEMPTS: usize = 5;

/// How a server is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shutdown {
    /// Sessions are ended, replicas get everything, a checkpoint is written.
    Fast,
    /// At once; the next start recovers.
    Immediate,
}

impl PgNode {
    /// Starts the server on the port it had and waits until it answers. Does nothing when it runs.
    ///
    /// # Errors
    /// [`Error::Start`] with the end of the server's log; [`Error::PortTaken`]; [`Error::Gone`] after the stack was dropped.
    pub fn start(&self) -> Result<()> {
        let mut child = self.lifecycle();
        self.start_locked(&mut child)
    }

    /// Stops the server as for maintenance: sessions are ended, replicas get all of the log, a checkpoint is written.
    /// A frozen server is thawed first. Does nothing when it does not run.
    ///
    /// # Errors
    /// [`Error::Timeout`] after 20 s.
    pub fn stop(&self) -> Result<()> {
        self.shut_down(Shutdown::Fast)
    }

    /// [`PgNode::stop`] and [`PgNode::start`].
    ///
    /// # Errors
    /// As those two.
    pub fn restart(&self) -> Result<()> {
        self.stop()?;
        self.start()
    }

    /// Kills the postmaster and all of its children with SIGKILL, as a power failure would, and waits until they are gone.
    ///
    /// # Errors
    /// [`Error::Timeout`] when the kernel does not end them within 10 s.
    pub fn kill(&self) -> Result<()> {
        let mut child = self.lifecycle();
        if let Some(postmaster) = self.postmaster() {
            // It forks no more, so the list of its children is complete.
            process::signal(postmaster, Signal::SIGSTOP);
        }
        let pids = self.processes();
        if let Some(own) = child.as_mut() {
            let _ = own.kill();
        }
        self.signal_all(Signal::SIGKILL);
        self.wait_gone(&mut child, &pids, KILL_LIMIT)
    }

    /// Starts the server, on another port if its own is taken or it has none yet.
    pub(crate) fn start_on_any_port(&self) -> Result<()> {
        let mut child = self.lifecycle();
        let mut attempt = 0;
        while !self.is_running() {
            let remembered = self.port();
            if remembered == 0 || !ports::is_free(remembered) {
                let port = ports::pick()?;
                self.change_conf(|conf| conf.port = port)?;
            }
            attempt += 1;
            match self.start_locked(&mut child) {
                Err(Error::PortTaken { .. }) if attempt < ATTEMPTS => {}
                result => return result,
            }
        }
        Ok(())
    }

    pub(crate) fn shut_down(&self, how: Shutdown) -> Result<()> {
        let mut child = self.lifecycle();
        let Some(postmaster) = self.postmaster() else {
            return self.reap(&mut child).map(drop);
        };
        let pids = self.processes();
        let signal = match how {
            Shutdown::Fast => Signal::SIGINT,
            Shutdown::Immediate => Signal::SIGQUIT,
        };
        process::signal(postmaster, signal);
        self.signal_all(Signal::SIGCONT);
        self.wait_gone(&mut child, &pids, STOP_LIMIT)
    }

    /// Whether this process started the server that runs, or the last that ran.
    pub(crate) fn is_own_child(&self) -> bool {
        self.lifecycle().is_some()
    }

    /// The last resort before a directory is left or removed: nothing of the node stays, whatever state it is in.
    pub(crate) fn destroy(&self) {
        let _ = self.kill();
        self.clear_remains();
    }

    /// Changes what the node remembers. A running server sees it at its next start or [`PgNode::reload`].
    pub(super) fn change_conf(&self, change: impl FnOnce(&mut config::NodeConf)) -> Result<()> {
        let mut conf = self.conf();
        change(&mut conf);
        let text = conf.text(self.name(), &self.inner.cluster_name);
        config::write(&self.inner.dir.join("node.conf"), &text)
    }

    /// Makes a running server read its settings anew.
    pub(super) fn reload(&self) {
        if let Some(postmaster) = self.postmaster() {
            process::signal(postmaster, Signal::SIGHUP);
        }
    }

    pub(super) fn start_locked(&self, child: &mut Option<Child>) -> Result<()> {
        if self.is_running() {
            return Ok(());
        }
        self.reap(child)?;
        self.signal_all(Signal::SIGKILL);
        wait_until("the end of leftover processes", KILL_LIMIT, || {
            Ok(self.processes().is_empty())
        })?;
        self.clear_remains();
        let path = self.log_path();
        let opened = OpenOptions::new().create(true).append(true).open(&path);
        let log = opened.during(|| format!("open {}", path.display()))?;
        let log_start = log.metadata().map_or(0, |metadata| metadata.len());
        let shared = &self.inner.shared;
        let mut command = self
            .account()
            .server(&shared.postgres.program("postgres"), shared.tied);
        command.arg("-D").arg(self.data_dir()).stdin(Stdio::null());
        let stderr = log
            .try_clone()
            .during(|| format!("open {}", path.display()))?;
        command.stdout(log).stderr(stderr);
        *child = Some(shared.spawner.spawn(command)?);
        let started = wait_for(
            &format!("{} getting ready", self.name()),
            START_LIMIT,
            || self.look_at_start(child, log_start),
        );
        let Err(error) = started else { return Ok(()) };
        if let Some(own) = child.as_mut() {
            let _ = own.kill();
        }
        self.signal_all(Signal::SIGKILL);
        let _ = self.wait_gone(child, &[], KILL_LIMIT);
        match error {
            Error::Timeout { what, limit } => {
                Err(self.start_error(format!("{what}: not within {limit:?}"), log_start))
            }
            other => Err(other),
        }
    }

    /// `Some` when the server is ready, an error when it ended.
    fn look_at_start(&self, child: &mut Option<Child>, log_start: u64) -> Result<Option<()>> {
        let Some(own) = child else {
            return Err(Error::Gone);
        };
        let ended = own.try_wait().during(|| format!("watch {}", self.name()))?;
        if let Some(status) = ended {
            if self
                .log_since(log_start)
                .contains("could not bind IPv4 address")
            {
                return Err(Error::PortTaken {
                    server: self.name().to_owned(),
                    port: self.port(),
                });
            }
            return Err(self.start_error(format!("it ended with {status}"), log_start));
        }
        let pid = i32::try_from(own.id()).unwrap_or(0);
        let ready = self
            .lock_file()
            .is_some_and(|lock| lock.ready && lock.pid == pid);
        Ok(ready.then_some(()))
    }

    fn start_error(&self, reason: String, log_start: u64) -> Error {
        Error::Start {
            server: self.name().to_owned(),
            reason,
            log_path: self.log_path().display().to_string(),
            log: self.log_since(log_start),
        }
    }

    fn log_since(&self, start: u64) -> String {
        logs::since(&self.log_path(), start)
    }

    /// Waits for the end of the processes that were the node's before they were told, and of any that came since.
    fn wait_gone(&self, child: &mut Option<Child>, told: &[i32], limit: Duration) -> Result<()> {
        wait_until(&format!("{} stopping", self.name()), limit, || {
            let ended = self.reap(child)? && told.iter().all(|pid| process::has_ended(*pid));
            Ok(ended && self.processes().is_empty())
        })
    }

    /// Collects the exit status of our own child, so that it is no zombie; false while it lives. The handle stays: it says
    /// that we were the parent.
    fn reap(&self, child: &mut Option<Child>) -> Result<bool> {
        let Some(own) = child else { return Ok(true) };
        let ended = own.try_wait().during(|| format!("watch {}", self.name()))?;
        Ok(ended.is_some())
    }

    /// Writes the settings that all nodes share.
    pub(crate) fn write_stack_conf(&self, text: &str) -> Result<()> {
        config::write(&self.inner.dir.join("stack.conf"), text)
    }

    /// Whether the node is configured to be a standby.
    pub(crate) fn is_standby(&self) -> bool {
        fs::exists(self.data_dir().join("standby.signal")).unwrap_or(false)
    }
}
