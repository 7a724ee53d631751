//! The backup engine, behind what the rest of this crate asks of it.

mod info;
mod log;
mod pgbackrest;
mod verify;

use std::{fmt, path::Path};

use async_trait::async_trait;
pub use info::{Backup, BackupKind, Stanza};
use jiff::{Timestamp, fmt::strtime};
pub use pgbackrest::PgBackRest;
pub use verify::Verification;

use crate::{error::Error, wal::Lsn};

/// Makes backups of one database cluster and restores them.
#[async_trait]
pub trait Engine: fmt::Debug + Send + Sync {
    /// Makes the repository ready for the cluster.
    ///
    /// # Errors
    /// [`Error`].
    async fn create(&self) -> Result<(), Error>;

    /// Makes the server archive a segment of its log, and waits until it is in the repository.
    ///
    /// # Errors
    /// [`Error`], where none arrives too.
    async fn check(&self) -> Result<(), Error>;

    /// What the repository holds.
    ///
    /// # Errors
    /// [`Error`], where it can't be read too; one that holds nothing yet is no error.
    async fn info(&self) -> Result<Stanza, Error>;

    /// Makes a backup, from a standby where asked to.
    ///
    /// # Errors
    /// [`Error`].
    async fn backup(&self, kind: BackupKind, from_standby: bool) -> Result<(), Error>;

    /// Reads all the repository holds, and compares it with its checksums.
    ///
    /// # Errors
    /// [`Error`], where it can't be read; what is found wrong is no error, but in the [`Verification`].
    async fn verify(&self) -> Result<Verification, Error>;

    /// Removes what is older than is to be kept; what it says of that.
    ///
    /// # Errors
    /// [`Error`].
    async fn expire(&self, dry_run: bool) -> Result<String, Error>;

    /// Restores into a directory that is empty or not there, ready for a server that then recovers up to `target`.
    ///
    /// # Errors
    /// [`Error`].
    async fn restore(&self, request: &Restore<'_>) -> Result<(), Error>;
}

/// What is to be restored.
#[derive(Debug, Clone, Copy)]
pub struct Restore<'a> {
    /// Where to.
    pub into: &'a Path,
    /// The backup to begin with, by its label; the engine chooses one for the target where there is none.
    pub backup: Option<&'a str>,
    /// How far the server is to recover.
    pub target: Target,
    /// Whether the restored server is to archive as the old one did. Two that archive to one repository spoil it.
    pub archives: bool,
    /// How many processors may be used; 0 for as many as the engine's own settings say.
    pub cpus: usize,
}

/// How far to recover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// To the end of what was archived.
    End,
    /// To the last commit at that time, or before it.
    Time(Timestamp),
    /// To the last record before that position.
    Lsn(Lsn),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End => f.write_str("the end of the archive"),
            Self::Time(time) => f.write_str(&postgres_time(*time)),
            Self::Lsn(lsn) => lsn.fmt(f),
        }
    }
}

/// A time as PostgreSQL and its tools write it, in UTC.
pub(crate) fn postgres_time(time: Timestamp) -> String {
    strtime::format("%Y-%m-%d %H:%M:%S%.6f+00", time).unwrap_or_else(|_| time.to_string())
}
