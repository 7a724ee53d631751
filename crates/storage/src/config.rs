//! How to reach the nodes, and how long to wait for them. A plain struct: it reads no environment.

mod url;

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

pub use url::InvalidUrl;

use crate::secret::Secret;

/// The address of one PostgreSQL server. The configuration lists nodes, never roles.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NodeAddr {
    /// A host name or an IP address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl fmt::Display for NodeAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// How a connection is encrypted and whom it trusts; the names are libpq's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SslMode {
    /// Never encrypted.
    Disable,
    /// Encrypted where the server can; anybody in between can prevent it.
    #[default]
    Prefer,
    /// Always encrypted, whoever answers.
    Require,
    /// Always encrypted, to a server with a certificate of a known authority.
    VerifyCa,
    /// As `VerifyCa`, and the certificate names the host.
    VerifyFull,
}

impl SslMode {
    /// All modes, weakest first.
    pub const ALL: [Self; 5] = [
        Self::Disable,
        Self::Prefer,
        Self::Require,
        Self::VerifyCa,
        Self::VerifyFull,
    ];

    /// libpq's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Prefer => "prefer",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

impl FromStr for SslMode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or("expected disable, prefer, require, verify-ca or verify-full")
    }
}

/// Everything a [`Cluster`](crate::Cluster) needs to know.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// All servers, primary and replicas alike, in any order.
    pub nodes: Vec<NodeAddr>,
    /// The database.
    pub database: String,
    /// The role to log in as.
    pub user: String,
    /// Its password; `None` for servers that ask for none.
    pub password: Option<Secret>,
    /// The file the password came from: read again when the server refuses the password, so that it
    /// can be changed without a restart.
    pub password_file: Option<PathBuf>,
    /// Encryption and trust.
    pub ssl_mode: SslMode,
    /// PEM file of the certificate authorities to trust, for the verifying modes.
    pub ssl_root_cert: Option<PathBuf>,
    /// How the connections present themselves in `pg_stat_activity`.
    pub application_name: String,
    /// The most connections to one node.
    pub pool_size: usize,
    /// The most requests that wait for a connection to one node; one more fails at once.
    pub pool_queue: usize,
    /// The connections that are kept ready while nobody needs them.
    pub pool_min_idle: usize,
    /// How long a connection beyond those may be idle.
    pub pool_idle_timeout: Duration,
    /// The oldest a connection gets, less up to a tenth by chance, so that none keeps a server's memory,
    /// or an old route, for ever.
    pub pool_max_lifetime: Duration,
    /// Whether the nodes' addresses are those of poolers in transaction mode (PgBouncer): then no
    /// statement is prepared, and no setting is made for a whole session.
    pub pooler: bool,
    /// The longest a new connection may take, from the name's look-up to the last greeting.
    pub connect_timeout: Duration,
    /// The longest a request without a deadline of its own may take.
    pub default_deadline: Duration,
    /// The longest any statement may run on the server, whatever its deadline.
    pub statement_timeout: Duration,
    /// What takes this long (100 ms) is remembered, and how it would be run is asked by [`Cluster::inspect`](crate::Cluster::inspect).
    pub slow_query: Duration,
    /// How often each node is probed while all is well.
    pub probe_interval: Duration,
    /// The longest a probe may take before the node counts as down.
    pub probe_timeout: Duration,
    /// A replica further behind its primary than this gets no reads.
    pub max_lag: Duration,
    /// The same in bytes of the write-ahead log.
    pub max_lag_bytes: u64,
    /// How long the share of a node that came back takes to rise to its whole.
    pub slow_start: Duration,
    /// The longest a read waits for a replica to reach its token, before the primary serves it.
    pub token_wait: Duration,
    /// The longest [`Cluster::write_once`](crate::Cluster::write_once) waits for a primary that can
    /// tell whether a commit was made.
    pub unknown_commit_wait: Duration,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self {
            nodes: vec![NodeAddr {
                host: "127.0.0.1".into(),
                port: 5432,
            }],
            database: "prepnexus".into(),
            user: "prepnexus".into(),
            password: None,
            password_file: None,
            ssl_mode: SslMode::default(),
            ssl_root_cert: None,
            application_name: "prepnexus".into(),
            pool_size: 16,
            pool_queue: 256,
            pool_min_idle: 2,
            pool_idle_timeout: Duration::from_secs(10 * 60),
            pool_max_lifetime: Duration::from_secs(30 * 60),
            pooler: false,
            connect_timeout: Duration::from_secs(1),
            default_deadline: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            slow_query: Duration::from_millis(100),
            probe_interval: Duration::from_millis(500),
            probe_timeout: Duration::from_millis(500),
            max_lag: Duration::from_secs(1),
            max_lag_bytes: 8 * 1024 * 1024,
            slow_start: Duration::from_secs(10),
            token_wait: Duration::from_millis(10),
            unknown_commit_wait: Duration::from_millis(250),
        }
    }
}

/// A setting that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {detail}")]
pub struct InvalidConfig {
    /// The field of [`ClusterConfig`].
    pub field: &'static str,
    /// What is wrong with it.
    pub detail: &'static str,
}

impl ClusterConfig {
    /// Reads a libpq URL: `postgresql://user:password@host1:5432,host2:5433/database?sslmode=require`.
    /// What the URL leaves out keeps its default.
    ///
    /// # Errors
    /// [`InvalidUrl`], which never repeats the URL: it may hold a password.
    pub fn from_url(text: &str) -> Result<Self, InvalidUrl> {
        url::parse(text)
    }

    /// Reads the certificates, as [`Cluster::start`](crate::Cluster::start) does.
    ///
    /// # Errors
    /// [`Error`](crate::Error) when they can't be used.
    pub fn check_tls(&self) -> Result<(), crate::Error> {
        crate::tls::connector(self).map(drop)
    }

    /// Checks what the types can't.
    ///
    /// # Errors
    /// The first setting that can't be used.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let invalid = |field, detail| Err(InvalidConfig { field, detail });
        if self.nodes.is_empty() {
            return invalid("nodes", "must name at least one server");
        }
        if self
            .nodes
            .iter()
            .any(|node| node.host.is_empty() || node.port == 0)
        {
            return invalid("nodes", "must each have a host and a port above 0");
        }
        if (1..self.nodes.len()).any(|index| self.nodes[..index].contains(&self.nodes[index])) {
            return invalid("nodes", "must not name a server twice");
        }
        for (field, text) in [("database", &self.database), ("user", &self.user)] {
            if text.is_empty() || text.contains('\0') {
                return invalid(field, "must not be empty");
            }
        }
        if self.pool_size == 0 {
            return invalid("pool_size", "must be at least 1");
        }
        let verifies = matches!(self.ssl_mode, SslMode::VerifyCa | SslMode::VerifyFull);
        if verifies && self.ssl_root_cert.is_none() {
            return invalid(
                "ssl_root_cert",
                "is required to verify the server's certificate",
            );
        }
        let waits = [
            ("connect_timeout", self.connect_timeout),
            ("default_deadline", self.default_deadline),
            ("statement_timeout", self.statement_timeout),
            ("probe_interval", self.probe_interval),
            ("probe_timeout", self.probe_timeout),
            ("pool_max_lifetime", self.pool_max_lifetime),
            ("max_lag", self.max_lag),
        ];
        match waits.into_iter().find(|(_, wait)| wait.is_zero()) {
            Some((field, _)) => invalid(field, "must be longer than nothing"),
            None => Ok(()),
        }
    }
}
