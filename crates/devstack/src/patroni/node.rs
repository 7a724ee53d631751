//! One member of a Patroni cluster: where it is, and asking it and its PostgreSQL.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::binaries::Patroni;
use crate::daemon::Daemon;
use crate::error::{During, Error, Result};
use crate::http::{self, Response};
use crate::ports::{self, loopback};
use crate::postgres::Shared;
use crate::psql;

const START_LIMIT: Duration = Duration::from_secs(20);
const ASK_LIMIT: Duration = Duration::from_secs(1);
/// A switchover and a restart are answered when they are done.
const ACT_LIMIT: Duration = Duration::from_secs(60);

/// A handle to one node of a [`PatroniCluster`](crate::PatroniCluster): a Patroni process, and the PostgreSQL server that it
/// starts, stops, promotes and demotes as it sees fit.
///
/// Handles are cheap to clone and may be used from several threads. All methods block.
#[derive(Clone, Debug)]
pub struct PatroniNode {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) name: String,
    pub(super) dir: PathBuf,
    pub(super) data: PathBuf,
    pub(super) port: u16,
    pub(super) rest_port: u16,
    pub(super) patroni: Daemon,
    program: PathBuf,
    shared: Arc<Shared>,
}

impl PatroniNode {
    /// A member that has not been started, on free ports.
    pub(super) fn new(dir: PathBuf, programs: &Patroni, shared: &Arc<Shared>) -> Result<Self> {
        let name = dir.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let inner = Inner {
            port: ports::pick()?,
            rest_port: ports::pick()?,
            patroni: Daemon::new(&format!("patroni of {name}"), dir.join("server.log")),
            data: dir.join("data"),
            program: programs.patroni.clone(),
            shared: Arc::clone(shared),
            name,
            dir,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The node's name: `pg1`, `pg2`, … It stays with the data directory whatever the node's role becomes, and is its
    /// `application_name` in the leader's `pg_stat_replication`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The address that both of its servers listen on: always `127.0.0.1`.
    #[must_use]
    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    /// PostgreSQL's TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.inner.port
    }

    /// Host and port of PostgreSQL.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        loopback(self.port())
    }

    /// The TCP port of Patroni's REST API.
    #[must_use]
    pub fn rest_port(&self) -> u16 {
        self.inner.rest_port
    }

    /// The data directory.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.inner.data
    }

    /// The file that Patroni and PostgreSQL log to.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        self.inner.patroni.log_path()
    }

    /// Runs SQL in the database `postgres` as its superuser: see [`PatroniNode::psql_db`].
    ///
    /// # Errors
    /// As [`PatroniNode::psql_db`].
    pub fn psql(&self, sql: &str) -> Result<String> {
        self.psql_db("postgres", sql)
    }

    /// As [`PgNode::psql_db`](crate::PgNode::psql_db).
    ///
    /// # Errors
    /// [`Error::Tool`] with the server's message; [`Error::Timeout`] after 30 s.
    pub fn psql_db(&self, database: &str, sql: &str) -> Result<String> {
        self.psql_within(psql::LIMIT, database, sql)
    }

    /// As [`PatroniNode::psql_db`], with a limit of its own: a frozen server never answers.
    ///
    /// # Errors
    /// As [`PatroniNode::psql_db`].
    pub fn psql_within(&self, limit: Duration, database: &str, sql: &str) -> Result<String> {
        let program = self.inner.shared.postgres.program("psql");
        psql::ask(&program, (self.name(), self.port()), database, sql, limit)
    }

    /// Restarts PostgreSQL in order, through Patroni, which then takes care that nobody takes over.
    ///
    /// # Errors
    /// [`Error::Tool`] with what Patroni answered; [`Error::Io`] when it does not answer.
    pub fn restart_postgres(&self) -> Result<()> {
        self.act("/restart", "{}")
    }

    /// Starts Patroni on the ports that it had, which starts PostgreSQL or takes over one that runs. Returns when Patroni
    /// answers; what becomes of its PostgreSQL is for the cluster to say. Does nothing when it runs.
    ///
    /// # Errors
    /// [`Error::Start`] with the end of the log; [`Error::PortTaken`]; another one after the cluster was dropped.
    pub fn start(&self) -> Result<()> {
        self.clear_remains();
        let Inner {
            shared,
            dir,
            rest_port,
            ..
        } = &*self.inner;
        let mut command = shared.account.server(&self.inner.program, shared.tied);
        command.arg(dir.join("patroni.yml"));
        let answers = |_: &str| self.get("/liveness").is_some();
        self.inner
            .patroni
            .start(&shared.spawner, command, *rest_port, START_LIMIT, answers)
    }

    /// The timeline on which this node says that it leads; `None` when it does not say so, for whatever reason.
    pub(super) fn led_timeline(&self) -> Option<u32> {
        let answer = self.get("/primary").filter(|answer| answer.status == 200)?;
        number_in(&answer.body, "timeline")
    }

    /// Whether Patroni answers a question about its state with yes.
    pub(super) fn says(&self, path: &str) -> bool {
        self.get(path).is_some_and(|answer| answer.status == 200)
    }

    /// Whether PostgreSQL is a primary now. A replica that has been told to become one replays to the end first.
    pub(super) fn accepts_writes(&self) -> bool {
        self.answers("SELECT pg_is_in_recovery()", "f")
    }

    /// Whether PostgreSQL gives this answer, and in time.
    pub(super) fn answers(&self, question: &str, answer: &str) -> bool {
        let asked = self.psql_within(ASK_LIMIT, "postgres", question);
        asked.is_ok_and(|given| given == answer)
    }

    /// Has Patroni do something, and waits until it is done.
    pub(super) fn act(&self, path: &str, body: &str) -> Result<()> {
        let tool = || format!("POST {path} at {}", self.name());
        let answer = http::request(loopback(self.rest_port()), "POST", path, body, ACT_LIMIT);
        let Response { status, body } = answer.during(tool)?;
        if status == 200 {
            return Ok(());
        }
        Err(Error::Tool {
            tool: tool(),
            status: status.to_string(),
            stderr: body.trim_end().to_owned(),
        })
    }

    fn get(&self, path: &str) -> Option<Response> {
        http::request(loopback(self.rest_port()), "GET", path, "", ASK_LIMIT).ok()
    }
}

/// The number of a member of a JSON object, as in `"timeline": 2`.
fn number_in(json: &str, member: &str) -> Option<u32> {
    let (_, rest) = json.split_once(&format!("\"{member}\":"))?;
    let rest = rest.trim_start();
    let end = rest.find(|c: char| !c.is_ascii_digit());
    rest[..end.unwrap_or(rest.len())].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_in_json() {
        let json = r#"{"role": "master", "xlog": {"location": 67108960}, "timeline": 12, "x": 3}"#;
        assert_eq!(number_in(json, "timeline"), Some(12));
        assert_eq!(number_in(json, "location"), Some(67_108_960));
        assert_eq!(number_in(json, "role"), None);
        assert_eq!(number_in(json, "absent"), None);
    }
}
