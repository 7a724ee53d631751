//! Servers of the benchmark's own: a database with roles and schema, and the programs.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use prepnexus_devstack::{Stack, StackConfig};

use crate::binaries::Binaries;
use crate::bootstrap::bootstrap;
use crate::child::{self, Child};
use crate::commands::status::ready;
use crate::env_file::EnvFile;
use crate::output::note;
use crate::poll;
use crate::session::Session;

/// Posts that are read in any order.
pub(super) const COPIES: u32 = 1_000;
const READY_LIMIT: Duration = Duration::from_secs(60);

/// A primary without replicas, migrated, a Redis that the API is only told of where that is said, and the release binaries.
pub(super) struct Rig {
    pub(super) stack: Stack,
    pub(super) env: EnvFile,
    pub(super) binaries: Binaries,
}

impl Rig {
    pub(super) fn start(session: &Session) -> Result<Self> {
        Self::with(session, false, Vec::new())
    }

    /// The same, whose commits are waited for on the disk.
    pub(super) fn durable(session: &Session) -> Result<Self> {
        Self::with(session, true, Vec::new())
    }

    /// The same, with further settings of the server.
    pub(super) fn durable_with(session: &Session, settings: Vec<(String, String)>) -> Result<Self> {
        Self::with(session, true, settings)
    }

    fn with(session: &Session, durable: bool, mut settings: Vec<(String, String)>) -> Result<Self> {
        note("building the release binaries");
        let binaries = Binaries::build(session)?;
        note("starting a database");
        // Long enough for `last_statement` to see all of a statement.
        settings.push(("track_activity_query_size".into(), "16384".into()));
        let config = StackConfig {
            settings,
            redis: true,
            durable,
            ..StackConfig::for_tests()
        };
        let stack = Stack::start(config).context("can't start the database")?;
        let mut env = EnvFile::default();
        bootstrap(stack.primary(), &mut env)?;
        env.set("DB_HOST", stack.primary().host());
        env.set("DB_PORT", &stack.primary().port().to_string());
        env.set("DB_SSLMODE", "disable");
        env.set("LOG_LEVEL", "warn");
        let rig = Self {
            stack,
            env,
            binaries,
        };
        rig.migrator(session, &["up"])?;
        Ok(rig)
    }

    /// Runs the migrator with these arguments.
    pub(super) fn migrator(&self, session: &Session, arguments: &[&str]) -> Result<()> {
        let mut migrator = self.binaries.command("migrator", &self.env)?;
        migrator.args(arguments);
        child::run_well(migrator, &session.interrupts)
    }

    /// Runs SQL in the API's database as the superuser; what it printed.
    pub(super) fn psql(&self, sql: &str) -> Result<String> {
        let database = self.setting("DB_NAME")?;
        Ok(self.stack.primary().psql_db(database, sql)?)
    }

    /// The same, of what takes long on a slow disk.
    pub(super) fn psql_within(&self, limit: Duration, sql: &str) -> Result<String> {
        let database = self.setting("DB_NAME")?;
        Ok(self.stack.primary().psql_within(limit, database, sql)?)
    }

    /// Makes copies of a post, so that readers ask for different ones: the number of the first. Their slugs are `copy-1` and so on.
    pub(super) fn copies(&self, slug: &str) -> Result<u32> {
        let copy = format!(
            "INSERT INTO posts (slug, title, excerpt, content, content_format, html, status, author_id,
                                reading_time_minutes, published_at)
             SELECT 'copy-' || n, title, excerpt, content, content_format, html, status, author_id, reading_time_minutes,
                    published_at - make_interval(secs => n)
             FROM posts, generate_series(1, {COPIES}) AS n WHERE slug = '{slug}' ORDER BY n"
        );
        self.psql(&copy)?;
        let first = self.psql("SELECT min(id) FROM posts WHERE slug LIKE 'copy-%'")?;
        Ok(first.trim().parse()?)
    }

    /// Starts the API on a free port and waits until it is ready; it and its address.
    pub(super) fn api(&mut self, session: &Session) -> Result<(Child, String)> {
        let port = free_port()?;
        self.env.set("API_HOST", "127.0.0.1");
        self.env.set("API_PORT", &port.to_string());
        let mut api = Child::spawn(
            self.binaries.command("api", &self.env)?,
            &session.interrupts,
        )?;
        poll::until(
            "the API getting ready",
            READY_LIMIT,
            &session.interrupts,
            || {
                if let Some(status) = api.ended()? {
                    bail!("the API ended ({status})");
                }
                Ok((ready(&self.env) == Some(200)).then_some(()))
            },
        )?;
        Ok((api, format!("http://127.0.0.1:{port}")))
    }

    /// The statement of that name as the API last sent it, from the server's list of sessions.
    pub(super) fn last_statement(&self, name: &str) -> Result<String> {
        let database = self.setting("DB_NAME")?;
        let sql = format!(
            "SELECT query FROM pg_stat_activity WHERE datname = '{database}' AND query LIKE '-- {name}%'
             ORDER BY query_start DESC LIMIT 1"
        );
        let text = self.stack.primary().psql(&sql)?;
        if text.is_empty() {
            bail!("no session has sent {name}");
        }
        Ok(text)
    }

    /// A setting that the bootstrap made.
    pub(super) fn setting(&self, name: &str) -> Result<&str> {
        self.env.get(name).with_context(|| format!("no {name}"))
    }
}

/// A port nobody listens on just now.
pub(super) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port is free")?;
    Ok(listener.local_addr()?.port())
}
