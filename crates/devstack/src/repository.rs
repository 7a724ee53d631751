//! A repository of backups by pgBackRest, for a stack that archives to it.
//!
//! The engine connects to a server by its socket alone, as the servers' user: so the servers of such a stack, unlike others,
//! have sockets, in the repository's directory, by which `postgres` gets in.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::account::Account;
use crate::error::{During, Result};
use crate::stack::Stack;

const DIRECTORIES: [&str; 5] = ["repository", "socket", "state", "lock", "spool"];

/// The repository, and what the engine needs beside it, in a temporary directory that is removed with it.
///
/// Its directories `repository`, `state` and `spool` belong to the servers' user. The engine's name for the stack is `main`.
#[derive(Debug)]
pub struct Repository {
    dir: TempDir,
    account: Account,
}

impl Repository {
    /// A repository with nothing in it.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io), [`Error::Missing`](crate::Error::Missing).
    pub fn make() -> Result<Self> {
        let doing = || "make a repository for backups".to_owned();
        let account = Account::find()?;
        let dir = tempfile::Builder::new()
            .prefix("backup-")
            .tempdir()
            .during(doing)?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).during(doing)?;
        for name in DIRECTORIES {
            let path = dir.path().join(name);
            fs::create_dir(&path).during(doing)?;
            account.give(&path)?;
        }
        Ok(Self { dir, account })
    }

    /// What is in its directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The engine's configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.path("pgbackrest.conf")
    }

    /// Settings for a stack that is to archive here: a segment that is not full after `timeout`, to the second.
    #[must_use]
    pub fn settings(&self, timeout: Duration) -> Vec<(String, String)> {
        let archive = format!(
            "pgbackrest --config={} --stanza=main archive-push %p",
            self.config().display()
        );
        let socket = self.path("socket").display().to_string();
        let seconds = timeout.as_secs().to_string();
        [
            ("archive_mode", "on".to_owned()),
            ("archive_command", archive),
            ("archive_timeout", seconds),
            ("unix_socket_directories", socket),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Lets the engine into the servers of a stack that was started with those settings, and writes its configuration: with
    /// `more` in its global part, and with the nodes that run, the primary first.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io), and of the servers.
    pub fn configure(&self, stack: &Stack, more: &str) -> Result<()> {
        const LET_IN: &str = "local all postgres trust\n";
        let (dir, primary) = (self.dir.path().display(), stack.primary());
        let mut text = format!(
            "[global]\nrepo1-path={dir}/repository\nlock-path={dir}/lock\nspool-path={dir}/spool\n\
             log-level-file=off\nlog-level-console=warn\nstart-fast=y\ncompress-type=zst\narchive-timeout=20\n{more}\n"
        );
        if !more.contains("repo1-retention-full") {
            text.push_str("repo1-retention-full=2\n");
        }
        text.push_str("[main]\n");
        let running = stack.nodes().iter().filter(|node| node.is_running());
        let others = running.filter(|node| node.name() != primary.name());
        for (number, node) in (1..).zip(std::iter::once(primary).chain(others)) {
            let (data, port) = (node.data_dir(), node.port());
            let rules = data.join("pg_hba.conf");
            let doing = || format!("change {}", rules.display());
            let known = fs::read_to_string(&rules).during(doing)?;
            if !known.starts_with(LET_IN) {
                fs::write(&rules, format!("{LET_IN}{known}")).during(doing)?;
                node.psql("SELECT pg_reload_conf()")?;
            }
            let data = data.display();
            let _ = write!(
                text,
                "pg{number}-path={data}\npg{number}-port={port}\npg{number}-socket-path={dir}/socket\npg{number}-user=postgres\n"
            );
        }
        let path = self.config();
        fs::write(&path, text).during(|| format!("write {}", path.display()))?;
        self.account.give(&path)
    }

    /// Gives a file below it to the servers' user.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io).
    pub fn give(&self, path: &Path) -> Result<()> {
        self.account.give(path)
    }
}
