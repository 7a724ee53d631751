//! One private PostgreSQL server: what it is, where it is, and asking it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::account::{Account, clean};
use crate::binaries::Postgres;
use crate::error::Result;
use crate::layout::hash_of;
use crate::ports::loopback;
use crate::psql;
use crate::spawn::Spawner;
use crate::tool;

pub(crate) mod config;
mod faults;
mod lifecycle;
pub(crate) mod ownership;
mod replica;
pub(crate) mod shared_memory;
mod timeline;

pub(crate) use lifecycle::Shutdown;
pub use replica::Rejoin;

use config::NodeConf;

/// The role that standbys connect as.
pub(crate) const REPLICATION_USER: &str = "replicator";
/// Its password. It opens loopback connections to throw-away servers only.
pub(crate) const REPLICATION_PASSWORD: &str = "replicator";

/// What the nodes of a stack share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) postgres: Postgres,
    pub(crate) account: Account,
    pub(crate) spawner: Spawner,
    /// Servers end with the process that started them.
    pub(crate) tied: bool,
}

/// A handle to one PostgreSQL server of a [`Stack`](crate::Stack).
///
/// Handles are cheap to clone and may be used from several threads; starting, stopping, killing and rejoining take turns.
/// All methods block.
#[derive(Clone, Debug)]
pub struct PgNode {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    dir: PathBuf,
    data: PathBuf,
    /// Appears in the title of every process of this server, and nowhere else on the machine.
    cluster_name: String,
    shared: Arc<Shared>,
    conf: Mutex<NodeConf>,
    /// Held while the server is being started or stopped. The process, if this handle's stack spawned it.
    lifecycle: Mutex<Option<Child>>,
}

impl PgNode {
    /// The node in `dir`, running or not.
    pub(crate) fn open(dir: &Path, shared: &Arc<Shared>) -> Self {
        let name = dir
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let data = dir.join("data");
        let inner = Inner {
            cluster_name: format!("{name}-{:016x}", hash_of(&data)),
            conf: Mutex::new(NodeConf::read(&dir.join("node.conf"))),
            shared: Arc::clone(shared),
            lifecycle: Mutex::new(None),
            dir: dir.to_owned(),
            name,
            data,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The node's name: `pg1`, `pg2`, … It stays with the data directory whatever the node's role becomes. It is also the
    /// node's `application_name` in the primary's `pg_stat_replication`, and the name of its replication slot there.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The address it listens on: always `127.0.0.1`.
    #[must_use]
    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    /// The TCP port, chosen when its stack started and kept from then on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.conf().port
    }

    /// Host and port: what a [`Proxy`](crate::Proxy) needs to stand before it.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        loopback(self.port())
    }

    /// The data directory.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.inner.data
    }

    /// The file that the server logs to; it grows over all of the node's starts.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.inner.dir.join("server.log")
    }

    /// Runs SQL in the database `postgres` as its superuser: see [`PgNode::psql_db`].
    ///
    /// # Errors
    /// As [`PgNode::psql_db`].
    pub fn psql(&self, sql: &str) -> Result<String> {
        self.psql_db("postgres", sql)
    }

    /// Runs SQL in `database` as the superuser. Statements run one by one, the first that fails ends it. Gives the rows
    /// without headers, one per line, columns separated by `|`, no trailing line break.
    ///
    /// # Errors
    /// [`Error::Tool`](crate::Error::Tool) with the server's message; [`Error::Timeout`](crate::Error::Timeout) after 30 s.
    pub fn psql_db(&self, database: &str, sql: &str) -> Result<String> {
        self.psql_within(psql::LIMIT, database, sql)
    }

    /// As [`PgNode::psql_db`], with a limit of its own: a frozen server never answers.
    ///
    /// # Errors
    /// As [`PgNode::psql_db`].
    pub fn psql_within(&self, limit: Duration, database: &str, sql: &str) -> Result<String> {
        let psql = self.inner.shared.postgres.program("psql");
        let server = (self.name(), self.port());
        psql::ask(&psql, server, database, sql, limit)
    }

    /// A client program that came with the server (`pg_dump`, `pgbench`), told to ask this server as the superuser.
    #[must_use]
    pub fn client(&self, program: &str) -> Command {
        let mut command = clean(&self.inner.shared.postgres.program(program));
        command.args(["-U", "postgres", "-h", self.host()]);
        command.args(["-p", &self.port().to_string()]);
        command
    }

    /// The schema of a database, as `pg_dump -s` writes it; without the lines that differ each time.
    ///
    /// # Errors
    /// [`Error::Tool`](crate::Error::Tool) with what `pg_dump` said.
    pub fn dump_schema(&self, database: &str) -> Result<String> {
        let mut command = self.client("pg_dump");
        command.args(["-s", "-d", database]);
        let name = format!("pg_dump on {}", self.name());
        let dump = tool::run(command, &name, "", psql::LIMIT)?;
        let differs = ["\\restrict", "\\unrestrict"];
        let is_same = |line: &&str| !differs.iter().any(|start| line.starts_with(start));
        Ok(dump.lines().filter(is_same).collect::<Vec<_>>().join("\n"))
    }

    fn conf(&self) -> MutexGuard<'_, NodeConf> {
        self.inner
            .conf
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn lifecycle(&self) -> MutexGuard<'_, Option<Child>> {
        self.inner
            .lifecycle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn account(&self) -> &Account {
        &self.inner.shared.account
    }
}
