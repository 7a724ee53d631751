//! The old file: opened so that nothing of it changes, and read row by row.

use std::{
    fs::{self, File},
    io::{self, Read},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, Row, types::ValueRef};
use sha2::{Digest, Sha256};

use super::value::Cell;

/// Why the old file could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The system could not read or copy it.
    #[error("can't read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// It is no SQLite database, or a broken one.
    #[error("{}: not a database that SQLite can read", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// SQLite's reason.
        #[source]
        source: rusqlite::Error,
    },
    /// It has no table of posts.
    #[error("{}: there is no table {table} with the columns {columns}", path.display())]
    NoTable {
        /// The file.
        path: PathBuf,
        /// The table.
        table: &'static str,
        /// What it needs to have.
        columns: &'static str,
    },
    /// Somebody wrote to it meanwhile: what was read may be half of it.
    #[error("{} was changed while it was read: stop what writes to it", .0.display())]
    Changed(PathBuf),
    /// Whoever was given the rows wanted no more.
    #[error("the reading was ended")]
    Ended,
}

/// The old file.
pub(in crate::import) struct Source {
    path: PathBuf,
    sums: Sums,
    connection: Connection,
    /// A copy with the log that a killed program left beside the file; gone with this.
    _snapshot: Option<tempfile::TempDir>,
}

/// The SHA-256 of the file, and of its write-ahead log where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sums {
    file: String,
    log: Option<String>,
}

impl Source {
    /// Opens it. A file with a write-ahead log, as a killed program leaves it, is copied with that: reading it would move the
    /// log into the file.
    pub(in crate::import) fn open(path: &Path) -> Result<Self, SourceError> {
        let sums = Sums::of(path)?;
        let snapshot = sums.log.is_some().then(|| snapshot(path)).transpose()?;
        let (opened, flags) = match &snapshot {
            Some((_, copy)) => (copy.clone(), OpenFlags::SQLITE_OPEN_READ_WRITE),
            None => (
                PathBuf::from(format!("file:{}?immutable=1", encoded(path))),
                OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI,
            ),
        };
        let connection = Connection::open_with_flags(opened, flags);
        let connection = connection.map_err(|source| SourceError::Sqlite {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            sums,
            connection,
            _snapshot: snapshot.map(|(dir, _)| dir),
        })
    }

    /// What it is, with its log: another file has another.
    pub(in crate::import) fn fingerprint(&self) -> String {
        let log = self.sums.log.as_deref().unwrap_or_default();
        format!("{} {log}", self.sums.file)
    }

    /// The file's SHA-256, in hexadecimal.
    pub(super) fn sha256(&self) -> &str {
        &self.sums.file
    }

    /// Checks that it is what it was when it was opened.
    pub(super) fn check(&self) -> Result<(), SourceError> {
        if Sums::of(&self.path)? == self.sums {
            Ok(())
        } else {
            Err(SourceError::Changed(self.path.clone()))
        }
    }

    /// The tables that programs made, by name.
    pub(super) fn tables(&self) -> Result<Vec<String>, SourceError> {
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
        let list = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self.connection.prepare(sql)?;
            let names = statement.query_map([], |row| row.get(0))?;
            names.collect()
        };
        list().map_err(|source| self.broken(source))
    }

    /// How many rows a table has.
    pub(super) fn count(&self, table: &str) -> Result<u64, SourceError> {
        let sql = format!("SELECT count(*) FROM {}", quoted(table));
        let count = self
            .connection
            .query_row(&sql, [], |row| row.get::<_, i64>(0));
        let count = count.map_err(|source| self.broken(source))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Reads a table by its row numbers.
    pub(super) fn each(
        &self,
        table: &'static str,
        mut take: impl FnMut(&Record<'_>) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        let sql = format!(
            "SELECT rowid AS rowid, * FROM {} ORDER BY rowid",
            quoted(table)
        );
        let mut read = || -> rusqlite::Result<ControlFlow<()>> {
            let mut statement = self.connection.prepare(&sql)?;
            let columns: Vec<String> = statement.column_names().map(str::to_lowercase).collect();
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let record = Record {
                    row,
                    columns: &columns,
                };
                if take(&record).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        };
        match read().map_err(|source| self.broken(source))? {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(SourceError::Ended),
        }
    }

    pub(super) fn no_table(&self, table: &'static str, columns: &'static str) -> SourceError {
        SourceError::NoTable {
            path: self.path.clone(),
            table,
            columns,
        }
    }

    /// The columns of a table, in lower case; none where there is no such table.
    pub(super) fn columns(&self, table: &str) -> Result<Vec<String>, SourceError> {
        let list = || -> rusqlite::Result<Vec<String>> {
            let mut statement = self
                .connection
                .prepare("SELECT lower(name) FROM pragma_table_info(?1)")?;
            let names = statement.query_map([table], |row| row.get(0))?;
            names.collect()
        };
        list().map_err(|source| self.broken(source))
    }

    fn broken(&self, source: rusqlite::Error) -> SourceError {
        SourceError::Sqlite {
            path: self.path.clone(),
            source,
        }
    }
}

/// A row.
pub(super) struct Record<'a> {
    row: &'a Row<'a>,
    /// In lower case; the first is the row's number.
    columns: &'a [String],
}

impl Record<'_> {
    /// The row's number.
    pub(super) fn row_id(&self) -> i64 {
        self.row.get(0).unwrap_or_default()
    }

    /// The value of a column; NULL where the file has no such column.
    pub(super) fn cell(&self, column: &'static str) -> Cell<'_> {
        let index = self.columns.iter().skip(1).position(|name| name == column);
        let value = index.and_then(|index| self.row.get_ref(index + 1).ok());
        Cell {
            column,
            value: value.unwrap_or(ValueRef::Null),
        }
    }
}

impl Sums {
    fn of(path: &Path) -> Result<Self, SourceError> {
        let log = log_of(path);
        let has_log = fs::metadata(&log).is_ok_and(|log| log.len() > 0);
        Ok(Self {
            file: sum(path)?,
            log: has_log.then(|| sum(&log)).transpose()?,
        })
    }
}

fn sum(path: &Path) -> Result<String, SourceError> {
    let read = || -> io::Result<String> {
        let (mut file, mut hasher) = (File::open(path)?, Sha256::new());
        let mut buffer = vec![0; 1024 * 1024];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                length => hasher.update(&buffer[..length]),
            }
        }
        Ok(hasher
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect())
    };
    read().map_err(|source| SourceError::Read {
        path: path.to_owned(),
        source,
    })
}

fn snapshot(path: &Path) -> Result<(tempfile::TempDir, PathBuf), SourceError> {
    let copy = || -> io::Result<_> {
        let dir = tempfile::tempdir()?;
        let copy = dir.path().join("snapshot.sqlite");
        fs::copy(path, &copy)?;
        fs::copy(log_of(path), log_of(&copy))?;
        Ok((dir, copy))
    };
    copy().map_err(|source| SourceError::Read {
        path: path.to_owned(),
        source,
    })
}

fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// A path in a URI.
fn encoded(path: &Path) -> String {
    let path = path.to_string_lossy();
    path.replace('%', "%25")
        .replace('?', "%3f")
        .replace('#', "%23")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
