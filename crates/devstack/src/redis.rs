//! Private Redis servers that keep nothing on disk: here the one of a stack.

mod cluster;
mod node;
mod sentinels;

use std::fs::{self, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::account::clean;
use crate::binaries;
use crate::error::{During, Error, Result};
use crate::ports;
use crate::postgres::Shared;
use crate::process;
use crate::tool;
use crate::wait::{wait_for, wait_until};

pub use cluster::RedisCluster;
pub use node::{RedisNode, RedisTls};
pub use sentinels::RedisSentinels;

const LIMIT: Duration = Duration::from_secs(10);
const ATTEMPTS: usize = 5;

/// A handle to the Redis server of a [`Stack`](crate::Stack): no password, no persistence, loopback only. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RedisServer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    port: AtomicU16,
    shared: Arc<Shared>,
    lifecycle: Mutex<Option<Child>>,
}

impl RedisServer {
    /// The server in `dir`, running or not.
    pub(crate) fn open(dir: &Path, shared: &Arc<Shared>) -> Self {
        let port = fs::read_to_string(dir.join("port")).unwrap_or_default();
        let port = AtomicU16::new(port.trim().parse().unwrap_or(0));
        let (dir, shared) = (dir.to_owned(), Arc::clone(shared));
        Self {
            inner: Arc::new(Inner {
                dir,
                port,
                shared,
                lifecycle: Mutex::new(None),
            }),
        }
    }

    /// The TCP port on `127.0.0.1`.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.inner.port.load(Ordering::Acquire)
    }

    /// Its address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        ports::loopback(self.port())
    }

    /// Whether its process exists. True for a frozen server.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.pid().is_some()
    }

    /// Runs `redis-cli` with `args` and gives what it printed.
    ///
    /// # Errors
    /// [`Error::Tool`] when the server refuses or cannot be reached; [`Error::Timeout`] after 10 s.
    pub fn cli(&self, args: &[&str]) -> Result<String> {
        let mut command = clean(&binaries::redis("redis-cli")?);
        command
            .args(["-e", "-h", "127.0.0.1", "-p", &self.port().to_string()])
            .args(args);
        tool::run(command, "redis-cli", "", LIMIT)
    }

    /// Starts it, empty, on the port it had. Does nothing when it runs.
    ///
    /// # Errors
    /// [`Error::Start`], [`Error::PortTaken`], [`Error::Gone`].
    pub fn start(&self) -> Result<()> {
        let mut child = self.lifecycle();
        self.start_locked(&mut child)
    }

    /// Stops it in order.
    ///
    /// # Errors
    /// [`Error::Timeout`] after 10 s.
    pub fn stop(&self) -> Result<()> {
        self.end(Signal::SIGTERM)
    }

    /// Kills it; its data are gone.
    ///
    /// # Errors
    /// [`Error::Timeout`] after 10 s.
    pub fn kill(&self) -> Result<()> {
        self.end(Signal::SIGKILL)
    }

    /// Freezes it: commands hang until [`RedisServer::thaw`].
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Ends [`RedisServer::freeze`].
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    pub(crate) fn start_on_any_port(&self) -> Result<()> {
        let mut child = self.lifecycle();
        let mut attempt = 0;
        while !self.is_running() {
            let remembered = self.port();
            if remembered == 0 || !ports::is_free(remembered) {
                let port = ports::pick()?;
                let path = self.inner.dir.join("port");
                fs::write(&path, port.to_string())
                    .during(|| format!("write {}", path.display()))?;
                self.inner.port.store(port, Ordering::Release);
            }
            attempt += 1;
            match self.start_locked(&mut child) {
                Err(Error::PortTaken { .. }) if attempt < ATTEMPTS => {}
                result => return result,
            }
        }
        Ok(())
    }

    pub(crate) fn is_own_child(&self) -> bool {
        self.lifecycle().is_some()
    }

    fn start_locked(&self, child: &mut Option<Child>) -> Result<()> {
        if self.is_running() {
            return Ok(());
        }
        let (shared, dir) = (&self.inner.shared, &self.inner.dir);
        let path = dir.join("server.log");
        let opened = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .open(&path);
        let log = opened.during(|| format!("open {}", path.display()))?;
        let mut command = shared
            .account
            .server(&binaries::redis("redis-server")?, shared.tied);
        command.args(["--port", &self.port().to_string(), "--bind", "127.0.0.1"]);
        command.args(["--daemonize", "no", "--save", "", "--appendonly", "no"]);
        command.arg("--dir").arg(dir).stdin(Stdio::null());
        command
            .stderr(
                log.try_clone()
                    .during(|| format!("open {}", path.display()))?,
            )
            .stdout(log);
        let spawned = child.insert(shared.spawner.spawn(command)?);
        let pid = spawned.id();
        let record = dir.join("redis.pid");
        fs::write(&record, pid.to_string()).during(|| format!("write {}", record.display()))?;
        let started = wait_for("redis getting ready", LIMIT, || {
            let log = || fs::read_to_string(&path).unwrap_or_default();
            if let Some(status) = spawned.try_wait().during(|| "watch redis".to_owned())? {
                if log().contains("Address already in use") {
                    return Err(Error::PortTaken {
                        server: "redis".to_owned(),
                        port: self.port(),
                    });
                }
                return Err(Error::Start {
                    server: "redis".to_owned(),
                    reason: format!("it ended with {status}"),
                    log_path: path.display().to_string(),
                    log: log().trim_end().to_owned(),
                });
            }
            Ok(log().contains("Ready to accept connections").then_some(()))
        });
        if started.is_err() {
            let _ = spawned.kill();
            let _ = spawned.wait();
        }
        started
    }

    fn end(&self, signal: Signal) -> Result<()> {
        let mut child = self.lifecycle();
        let told = self.pid();
        self.signal(signal);
        self.signal(Signal::SIGCONT);
        wait_until("redis stopping", LIMIT, || {
            let ended = match child.as_mut() {
                Some(own) => own
                    .try_wait()
                    .during(|| "watch redis".to_owned())?
                    .is_some(),
                None => true,
            };
            Ok(ended && told.is_none_or(process::has_ended) && !self.is_running())
        })
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            process::signal(pid, signal);
        }
    }

    /// The recorded process, if its command line names a Redis on this port: it shows `redis-server 127.0.0.1:port`, and
    /// before that the arguments it was started with.
    fn pid(&self) -> Option<i32> {
        let pid = fs::read_to_string(self.inner.dir.join("redis.pid"))
            .ok()?
            .trim()
            .parse()
            .ok()?;
        let line = process::command_line(pid)?;
        let port = self.port();
        let ours = process::contains(&line, b"redis-server")
            && (process::contains(&line, format!("127.0.0.1:{port}").as_bytes())
                || process::contains(&line, format!("--port\0{port}\0").as_bytes()));
        ours.then_some(pid)
    }

    fn lifecycle(&self) -> MutexGuard<'_, Option<Child>> {
        self.inner
            .lifecycle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
