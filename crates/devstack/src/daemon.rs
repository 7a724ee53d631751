//! One server process that is our own child, logs to a file, and ends with its owner.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::error::{During, Error, Result};
use crate::logs;
use crate::process;
use crate::spawn::Spawner;
use crate::wait::{wait_for, wait_until};

const KILL_LIMIT: Duration = Duration::from_secs(10);

/// A process that can be started again after its end. Starting and ending it take turns.
#[derive(Debug)]
pub(crate) struct Daemon {
    name: String,
    log: PathBuf,
    child: Mutex<Option<Child>>,
}

impl Daemon {
    pub(crate) fn new(name: &str, log: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            log,
            child: Mutex::new(None),
        }
    }

    pub(crate) fn log_path(&self) -> &Path {
        &self.log
    }

    /// Starts `command` and waits until `ready` says so of what it has logged; `port` is named when it is taken. Does
    /// nothing when it runs.
    pub(crate) fn start(
        &self,
        spawner: &Spawner,
        mut command: Command,
        port: u16,
        limit: Duration,
        mut ready: impl FnMut(&str) -> bool,
    ) -> Result<()> {
        let mut slot = self.child();
        if is_alive(&self.name, &mut slot)? {
            return Ok(());
        }
        let opening = || format!("open {}", self.log.display());
        let opened = OpenOptions::new().create(true).append(true).open(&self.log);
        let log = opened.during(opening)?;
        let start = logs::length(&self.log);
        command
            .stdin(Stdio::null())
            .stderr(log.try_clone().during(opening)?)
            .stdout(log);
        let child = slot.insert(spawner.spawn(command)?);
        let started = wait_for(&format!("{} getting ready", self.name), limit, || {
            let ended = child.try_wait().during(|| format!("watch {}", self.name))?;
            let logged = logs::since(&self.log, start);
            match ended {
                Some(_) if logged.contains("ddress already in use") => Err(Error::PortTaken {
                    server: self.name.clone(),
                    port,
                }),
                Some(status) => Err(self.start_error(format!("it ended with {status}"), logged)),
                None => Ok(ready(&logged).then_some(())),
            }
        });
        let Err(error) = started else { return Ok(()) };
        let _ = child.kill();
        let _ = child.wait();
        Err(match error {
            Error::Timeout { .. } => self.start_error(
                format!("it was not ready within {limit:?}"),
                logs::since(&self.log, start),
            ),
            other => other,
        })
    }

    /// The process, while it lives: also when it is frozen.
    pub(crate) fn pid(&self) -> Option<i32> {
        let mut child = self.child();
        if !is_alive(&self.name, &mut child).unwrap_or(false) {
            return None;
        }
        i32::try_from(child.as_ref()?.id()).ok()
    }

    /// Sends a signal. The process is our child and not reaped, so its number is no other's.
    pub(crate) fn signal(&self, signal: Signal) {
        let mut child = self.child();
        if is_alive(&self.name, &mut child).unwrap_or(false)
            && let Some(pid) = child.as_ref().and_then(|own| i32::try_from(own.id()).ok())
        {
            process::signal(pid, signal);
        }
    }

    /// Kills it and waits until it is gone.
    pub(crate) fn kill(&self) -> Result<()> {
        self.signal(Signal::SIGKILL);
        wait_until(&format!("the end of {}", self.name), KILL_LIMIT, || {
            Ok(!is_alive(&self.name, &mut self.child())?)
        })
    }

    fn start_error(&self, reason: String, log: String) -> Error {
        Error::Start {
            server: self.name.clone(),
            reason,
            log_path: self.log.display().to_string(),
            log,
        }
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_alive(name: &str, child: &mut Option<Child>) -> Result<bool> {
    let Some(own) = child else { return Ok(false) };
    let ended = own.try_wait().during(|| format!("watch {name}"))?;
    Ok(ended.is_none())
}
