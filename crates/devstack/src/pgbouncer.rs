//! A PgBouncer in transaction pooling mode, as many installations have one between their services and PostgreSQL.
//!
//! In this mode a client has a server connection only while a transaction lasts. What belongs to a session (`SET`, prepared
//! statements, session locks, `LISTEN`) stays behind on a connection that the next client gets, so it shows what a
//! program wrongly takes for granted. Debian 12's PgBouncer is older than 1.21, which can follow prepared statements.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::account::Account;
use crate::binaries;
use crate::daemon::Daemon;
use crate::error::{During, Error, Result};
use crate::ports;
use crate::scratch::{self, Scratch};
use crate::spawn::Spawner;

const START_LIMIT: Duration = Duration::from_secs(10);
const ATTEMPTS: usize = 5;

/// What [`PgBouncer::start`] makes.
///
/// ```
/// use prepnexus_devstack::PgBouncerConfig;
///
/// let server = ([127, 0, 0, 1], 5432).into();
/// let config = PgBouncerConfig::new(server).user("app", "secret");
/// assert_eq!(config.pool_size, 10);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PgBouncerConfig {
    /// Where to make its directory, which is removed with it.
    pub dir: PathBuf,
    /// The PostgreSQL server: a [`PgNode`](crate::PgNode), a [`PatroniNode`](crate::PatroniNode), or a
    /// [`Proxy`](crate::Proxy) before one.
    pub server: SocketAddr,
    /// Who may log in: role and password, as on the server. All others are refused.
    pub users: Vec<(String, String)>,
    /// Server connections for each role and database.
    pub pool_size: u16,
    /// Startup parameters that it takes and does nothing with; others that it doesn't know it refuses.
    pub ignored: Vec<String>,
}

impl PgBouncerConfig {
    /// Ten connections to `server` for each role and database, and no role yet.
    #[must_use]
    pub fn new(server: SocketAddr) -> Self {
        Self {
            dir: scratch::default_base(),
            server,
            users: Vec::new(),
            pool_size: 10,
            ignored: Vec::new(),
        }
    }

    /// Takes one more startup parameter that it does nothing with.
    #[must_use]
    pub fn ignore(mut self, parameter: &str) -> Self {
        self.ignored.push(parameter.to_owned());
        self
    }

    /// Lets one more role in. It proves its password to PgBouncer, which uses the same one with the server.
    #[must_use]
    pub fn user(mut self, role: &str, password: &str) -> Self {
        self.users.push((role.to_owned(), password.to_owned()));
        self
    }

    /// Startup parameters beyond those that PgBouncer knows are refused, as they are by default.
    fn settings(&self, port: u16, users: &Path) -> String {
        let (host, server_port) = (self.server.ip(), self.server.port());
        let (size, users) = (self.pool_size, users.display());
        let ignored = self.ignored.join(",");
        format!(
            "[databases]\n\
             * = host={host} port={server_port}\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {port}\n\
             unix_socket_dir =\n\
             auth_type = scram-sha-256\n\
             auth_file = {users}\n\
             pool_mode = transaction\n\
             default_pool_size = {size}\n\
             max_client_conn = 1000\n\
             ignore_startup_parameters = {ignored}\n"
        )
    }

    fn user_lines(&self) -> String {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let lines = self.users.iter();
        lines
            .map(|(role, password)| format!("{} {}\n", quoted(role), quoted(password)))
            .collect()
    }
}

/// A running PgBouncer on a free loopback port. It ends when it is dropped, and when its process ends.
#[derive(Debug)]
pub struct PgBouncer {
    port: u16,
    account: Account,
    program: PathBuf,
    settings: PathBuf,
    daemon: Daemon,
    spawner: Spawner,
    _scratch: Scratch,
}

impl PgBouncer {
    /// Starts it and waits until it listens. The server need not run: PgBouncer connects when a client asks for something.
    ///
    /// # Errors
    /// [`Error::Missing`] without the Debian package `pgbouncer`; [`Error::Start`] with the end of its log.
    pub fn start(config: &PgBouncerConfig) -> Result<Self> {
        let program = binaries::pgbouncer()?;
        let account = Account::find()?;
        let scratch = Scratch::make(&config.dir, &account)?;
        let root = &scratch.layout.root;
        let (settings, users) = (root.join("pgbouncer.ini"), root.join("users.txt"));
        write_private(&users, &config.user_lines(), &account)?;
        let mut bouncer = Self {
            port: 0,
            daemon: Daemon::new("pgbouncer", root.join("pgbouncer.log")),
            account,
            program,
            settings,
            spawner: Spawner::start()?,
            _scratch: scratch,
        };
        let mut attempt = 0;
        loop {
            bouncer.port = ports::pick()?;
            let text = config.settings(bouncer.port, &users);
            write_private(&bouncer.settings, &text, &bouncer.account)?;
            attempt += 1;
            match bouncer.run() {
                Err(Error::PortTaken { .. }) if attempt < ATTEMPTS => {}
                result => return result.map(|()| bouncer),
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

    /// The file that it logs to.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        self.daemon.log_path()
    }

    /// Kills it: every client's connection breaks, and new ones are refused until [`PgBouncer::restart`].
    ///
    /// # Errors
    /// [`Error::Timeout`] after 10 s.
    pub fn kill(&self) -> Result<()> {
        self.daemon.kill()
    }

    /// Kills it and starts it on the port it had.
    ///
    /// # Errors
    /// [`Error::PortTaken`], [`Error::Start`], [`Error::Timeout`].
    pub fn restart(&self) -> Result<()> {
        self.kill()?;
        self.run()
    }

    /// Freezes it: clients hang until [`PgBouncer::thaw`].
    pub fn freeze(&self) {
        self.daemon.signal(Signal::SIGSTOP);
    }

    /// Ends [`PgBouncer::freeze`].
    pub fn thaw(&self) {
        self.daemon.signal(Signal::SIGCONT);
    }

    fn run(&self) -> Result<()> {
        let mut command = self.account.server(&self.program, true);
        command.arg(&self.settings);
        let started = |log: &str| log.contains("process up");
        self.daemon
            .start(&self.spawner, command, self.port, START_LIMIT, started)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.kill();
        self.spawner.close();
    }
}

/// Writes a file that the servers' user alone reads.
fn write_private(path: &Path, text: &str, account: &Account) -> Result<()> {
    let writing = || format!("write {}", path.display());
    fs::write(path, text).during(writing)?;
    fs::set_permissions(path, Permissions::from_mode(0o600)).during(writing)?;
    account.give(path)
}
