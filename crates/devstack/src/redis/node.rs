//! One Redis process of a kind that a [`Stack`](crate::Stack) has not: it needs no PostgreSQL beside it.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::account::Account;
use crate::binaries;
use crate::daemon::Daemon;
use crate::error::{During, Error, Result};
use crate::ports;
use crate::scratch::{self, Scratch};
use crate::spawn::Spawner;
use crate::tool;

/// The longest that a server may take to start, and a command of `redis-cli` to answer.
pub(super) const LIMIT: Duration = Duration::from_secs(10);
const ATTEMPTS: usize = 5;
/// What a server has logged that takes commands, and what a sentinel.
pub(super) const SERVES: &str = "Ready to accept connections";
pub(super) const WATCHES: &str = "Sentinel ID is";

/// What a server needs for TLS, as PEM texts.
#[derive(Clone, Debug)]
pub struct RedisTls {
    /// The authority of its own certificate and of its clients'.
    pub authority: String,
    /// Its certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
    /// Whether clients must bring a certificate too.
    pub asks_clients: bool,
}

/// A running Redis process on a free loopback port, without persistence. It ends when it is dropped, and when its owner's
/// process ends.
#[derive(Debug)]
pub struct RedisNode {
    port: u16,
    /// Of `redis-server`.
    arguments: Vec<String>,
    /// Of `redis-cli`, to reach it.
    access: Vec<String>,
    ready: &'static str,
    daemon: Daemon,
    home: Arc<Home>,
}

/// What processes that belong together share. Its directory is removed with the last of them.
#[derive(Debug)]
pub(super) struct Home {
    account: Account,
    spawner: Spawner,
    scratch: Scratch,
}

impl Home {
    pub(super) fn make() -> Result<Arc<Self>> {
        let account = Account::find()?;
        let scratch = Scratch::make(&scratch::default_base(), &account)?;
        let spawner = Spawner::start()?;
        Ok(Arc::new(Self {
            account,
            spawner,
            scratch,
        }))
    }

    /// Where a file of that name is.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.scratch.layout.root.join(name)
    }

    /// The arguments of a server that keeps nothing, with these settings. Its directory is for what comes from a master.
    pub(super) fn server(&self, settings: &[[&str; 2]]) -> Vec<String> {
        let dir = self.scratch.layout.root.display().to_string();
        let common = [
            ["--bind", "127.0.0.1"],
            ["--daemonize", "no"],
            ["--save", ""],
            ["--appendonly", "no"],
            ["--dir", &dir],
        ];
        let all = common.iter().chain(settings).flatten();
        all.map(|&word| word.to_owned()).collect()
    }

    /// Writes a file that the servers' user alone can read and change; its path.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<String> {
        let path = self.path(name);
        let writing = || format!("write {}", path.display());
        fs::write(&path, text).during(writing)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600)).during(writing)?;
        self.account.give(&path)?;
        Ok(path.display().to_string())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.spawner.close();
    }
}

impl RedisNode {
    /// Starts a server that takes TLS and nothing else.
    ///
    /// # Errors
    /// [`Error::Missing`] without the Debian package `redis-server`; [`Error::Start`] with the end of its log.
    pub fn start_with_tls(tls: &RedisTls) -> Result<Self> {
        let home = Home::make()?;
        let authority = home.write("ca.pem", &tls.authority)?;
        let certificate = home.write("server.pem", &tls.certificate)?;
        let key = home.write("server.key", &tls.key)?;
        let asks = if tls.asks_clients { "yes" } else { "no" };
        let mut node = Self::launch(Arc::clone(&home), "redis", SERVES, |port| {
            let port = port.to_string();
            let settings = [
                ["--port", "0"],
                ["--tls-port", &port],
                ["--tls-ca-cert-file", &authority],
                ["--tls-cert-file", &certificate],
                ["--tls-key-file", &key],
                ["--tls-auth-clients", asks],
            ];
            Ok(home.server(&settings))
        })?;
        let access = ["--tls", "--cacert", &authority, "--cert", &certificate];
        node.access = access
            .into_iter()
            .chain(["--key", &key])
            .map(str::to_owned)
            .collect();
        Ok(node)
    }

    /// Starts a process with the arguments that go with its port, and waits until it has logged `ready`.
    pub(super) fn launch(
        home: Arc<Home>,
        name: &str,
        ready: &'static str,
        arguments: impl Fn(u16) -> Result<Vec<String>>,
    ) -> Result<Self> {
        let log = home.path(&format!("{name}.log"));
        let mut node = Self {
            port: 0,
            arguments: Vec::new(),
            access: Vec::new(),
            ready,
            daemon: Daemon::new(name, log),
            home,
        };
        let mut attempt = 0;
        loop {
            node.port = ports::pick()?;
            node.arguments = arguments(node.port)?;
            attempt += 1;
            match node.start() {
                Err(Error::PortTaken { .. }) if attempt < ATTEMPTS => {}
                result => return result.map(|()| node),
            }
        }
    }

    /// The TCP port on `127.0.0.1`.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        ports::loopback(self.port)
    }

    /// Runs `redis-cli` with `args` and gives what it printed.
    ///
    /// # Errors
    /// [`Error::Tool`] when the server refuses or cannot be reached; [`Error::Timeout`] after 10 s.
    pub fn cli(&self, args: &[&str]) -> Result<String> {
        let mut command = self.home.account.tool(&binaries::redis("redis-cli")?);
        command.args(["-e", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        command.args(&self.access).args(args);
        tool::run(command, "redis-cli", "", LIMIT)
    }

    /// Starts it on the port it had. Does nothing when it runs.
    ///
    /// # Errors
    /// [`Error::Start`], [`Error::PortTaken`].
    pub fn start(&self) -> Result<()> {
        let program = binaries::redis("redis-server")?;
        let mut command = self.home.account.server(&program, true);
        command.args(&self.arguments);
        let ready = |log: &str| log.contains(self.ready);
        self.daemon
            .start(&self.home.spawner, command, self.port, LIMIT, ready)
    }

    /// Kills it; a server's data are gone.
    ///
    /// # Errors
    /// [`Error::Timeout`] after 10 s.
    pub fn kill(&self) -> Result<()> {
        self.daemon.kill()
    }

    /// Freezes it: it accepts connections and answers nothing until [`RedisNode::thaw`].
    pub fn freeze(&self) {
        self.daemon.signal(Signal::SIGSTOP);
    }

    /// Ends [`RedisNode::freeze`].
    pub fn thaw(&self) {
        self.daemon.signal(Signal::SIGCONT);
    }
}

impl Drop for RedisNode {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}
