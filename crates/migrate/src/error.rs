//! What can go wrong, by what the operator does about it.

use std::{fmt, path::PathBuf, time::Duration};

use prepnexus_domain::Invalid;
use prepnexus_storage::Error as StorageError;
use tokio_postgres::Row;

use crate::{import::SourceError, lint::Finding, schema::Difference};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why nothing, or not all, was done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No primary could be reached, or it refused the login, or the settings can't be used.
    #[error("can't connect to the primary")]
    Connect(#[source] StorageError),
    /// The primary did not answer in time.
    #[error("no primary answered within {waited:?}; last seen: {last_seen}")]
    TimedOut {
        /// How long it was waited for.
        waited: Duration,
        /// What the last attempt saw.
        last_seen: String,
    },
    /// Something between us and the server shares its sessions among clients: locks that are a session's mean nothing there.
    #[error(
        "a connection pooler is in between ({sign}): migrations need a connection to the server itself"
    )]
    Pooler {
        /// How it showed itself.
        sign: &'static str,
    },
    /// Others held locks that a file needs, each time it was tried.
    #[error("{file}, line {line}: others held its locks each time, for {waited:?}: {holders}")]
    Blocked {
        /// The file.
        file: String,
        /// The line of the statement that waited.
        line: usize,
        /// Since the first time it was tried.
        waited: Duration,
        /// Who held them last, as far as was seen.
        holders: Holders,
    },
    /// A file was changed while it was applied in part.
    #[error(
        "{file}, line {line}: was changed after it had been run, while the file is applied in part"
    )]
    ChangedMidway {
        /// The file.
        file: String,
        /// The line of the first statement that differs from what was run.
        line: usize,
    },
    /// An index is there that was not made by the file that makes it.
    #[error("{file}, line {line}: an index {index} is there already")]
    IndexExists {
        /// The file.
        file: String,
        /// The line of the statement that makes it.
        line: usize,
        /// The index.
        index: String,
    },
    /// What is pending is unsafe by the linter's rules. Nothing was applied.
    #[error("what is pending is unsafe: {} findings", .0.len())]
    Unsafe(Vec<Finding>),
    /// There is no migration of that number.
    #[error("there is no migration {0:04}")]
    NoSuchVersion(i32),
    /// A database that has records needs no baseline.
    #[error("the database has records of migrations already")]
    HasRecords,
    /// The schema is not the one that the migrations make.
    #[error("the schema is not the one that the migrations make: {} differences", .0.len())]
    Differs(Vec<Difference>),
    /// The connection that holds the lock was lost. What had been begun was finished, and nothing more was begun.
    #[error("the lock was lost with its connection; run it again")]
    LockLost,
    /// Another runner holds the lock and did not release it in time.
    #[error("another runner holds the lock: {holder} (waited {waited:?})")]
    LockHeld {
        /// Who.
        holder: LockHolder,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The files are not a sequence of migrations.
    #[error(transparent)]
    Files(#[from] FileError),
    /// A file was changed after it had been applied.
    #[error(
        "{file} was changed after it had been applied: its SHA-256 was {applied}, and is {found} now"
    )]
    Changed {
        /// The file.
        file: String,
        /// The checksum on record.
        applied: String,
        /// The checksum of the file.
        found: String,
    },
    /// The database has a migration that is not among the files: this program is older than the database.
    #[error("the database has {file} applied, which this program doesn't know")]
    UnknownApplied {
        /// The migration.
        file: String,
    },
    /// A file is not applied while a later one is: somebody removed its record.
    #[error("{file} is not applied, but {later} is")]
    OutOfOrder {
        /// The file that is missing.
        file: String,
        /// The one that was applied without it.
        later: String,
    },
    /// The server refused a file. Nothing of the file remains.
    #[error(transparent)]
    Failed(Box<FileFailure>),
    /// The server refused one of this crate's own statements.
    #[error("{doing}")]
    Query {
        /// What was being done.
        doing: &'static str,
        /// What the server said.
        #[source]
        source: Source,
    },
    /// A seed file could not be read.
    #[error("line {line}: can't be read")]
    SeedRead {
        /// The line, from 1.
        line: u64,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A line of a seed file is no valid post. Nothing was written.
    #[error("line {line}")]
    SeedLine {
        /// The line, from 1.
        line: u64,
        /// Every bad field.
        #[source]
        source: Invalid,
    },
    /// The old system's file could not be read.
    #[error(transparent)]
    OldFile(#[from] SourceError),
    /// A file could not be written.
    #[error("can't write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// What was to be written over is the old system's file itself.
    #[error("{} is the file that is to be read", .0.display())]
    WouldOverwrite(PathBuf),
    /// Rows can't be brought into a schema that is not there yet.
    #[error("{0} is not applied yet: run `migrator up`")]
    Pending(String),
    /// The numbers of an import don't add up, which is an error of this program. Nothing was changed.
    #[error(
        "{0}: rows imported, rejected and skipped are not the rows of the file; nothing was changed"
    )]
    DoesNotAddUp(String),
    /// Others wrote what an import was about to write, each time it was tried. Nothing was changed.
    #[error("{doing}: others wrote the same meanwhile")]
    Conflict {
        /// What was being done.
        doing: &'static str,
        /// What the server said.
        #[source]
        source: Source,
    },
    /// No free address was found for a tag, an author or a post.
    #[error("no address is free for {0:?}")]
    NoFreeSlug(String),
}

impl Error {
    pub(crate) fn query(doing: &'static str, source: &tokio_postgres::Error) -> Self {
        Self::Query {
            doing,
            source: said(source).into(),
        }
    }

    /// This error and its sources on one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}

/// The server refused a statement of a migration file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}: {message}")]
pub struct FileFailure {
    /// The file's name.
    pub file: String,
    /// The line in it, from 1: where the server points to, else where the statement begins.
    pub line: usize,
    /// What the server said: message, SQLSTATE, detail, hint.
    pub message: String,
}

/// Who holds the lock, as far as the server tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockHolder {
    /// The process id of its server process.
    pub pid: Option<i32>,
    /// Its `application_name`.
    pub application_name: Option<String>,
    /// The address it connected from.
    pub client: Option<String>,
}

impl LockHolder {
    /// Of a row with the columns `pid`, `application_name` and `client`.
    pub(crate) fn of(row: &Row) -> Self {
        Self {
            pid: row.get("pid"),
            application_name: row.get("application_name"),
            client: row.get("client"),
        }
    }
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(pid) = self.pid else {
            return f.write_str("somebody who has just let go of it");
        };
        let name = self.application_name.as_deref().unwrap_or_default();
        let client = self.client.as_deref().unwrap_or("an unknown address");
        write!(f, "server process {pid}, {name:?} from {client}")
    }
}

/// Who holds what is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holders(pub Vec<LockHolder>);

impl fmt::Display for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holders: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        match holders.as_slice() {
            [] => f.write_str("nobody who was seen"),
            holders => f.write_str(&holders.join("; ")),
        }
    }
}

/// Why files are not a sequence of migrations.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The directory or a file could not be read.
    #[error("can't read {path}")]
    Read {
        /// What was read.
        path: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A file's name has the wrong form.
    #[error("{0}: a migration's name is four digits, then _ and a-z, 0-9, _, then .sql")]
    Name(String),
    /// Two files have the same version.
    #[error("{0} and {1} have the same version")]
    Duplicate(String, String),
    /// The versions don't count up from 1 without a gap.
    #[error("{file}: expected version {expected:04}")]
    Gap {
        /// The file whose version is not the next.
        file: String,
        /// What would be.
        expected: i32,
    },
    /// A line of the form `-- migrate: …` says something unknown.
    #[error("{file}, line {line}: {why}")]
    Header {
        /// The file.
        file: String,
        /// The line.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// A statement that can't be run, or not so.
    #[error("{file}, line {line}: {why}")]
    Statement {
        /// The file.
        file: String,
        /// The line on which it begins.
        line: usize,
        /// What is wrong, and what to do.
        why: &'static str,
    },
}

/// What the server said, on one line.
pub(crate) fn said(error: &tokio_postgres::Error) -> String {
    let Some(db) = error.as_db_error() else {
        return match std::error::Error::source(error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
    };
    let mut text = format!("{} (SQLSTATE {})", db.message(), db.code().code());
    for (name, part) in [("detail", db.detail()), ("hint", db.hint())] {
        if let Some(part) = part {
            text.push_str(&format!("; {name}: {}", part.replace('\n', " ")));
        }
    }
    text
}
