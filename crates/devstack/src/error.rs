//! What can go wrong with a private server, said so that the reader knows what to do next.

use std::io;
use std::time::Duration;

/// The result of everything that starts, stops or asks a server.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a server could not be started, stopped or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or process operation failed.
    #[error("cannot {what}")]
    Io {
        /// What was being done, as in "cannot …".
        what: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A program or file of the system is missing.
    #[error("{what} is missing: install the Debian package {package}")]
    Missing {
        /// What was looked for.
        what: String,
        /// The package that brings it; several are separated by spaces.
        package: String,
    },
    /// The configuration or the directory cannot work as it is.
    #[error("{0}")]
    Unusable(String),
    /// A helper program (`psql`, `pg_rewind`, `tar`, …) failed.
    #[error("{tool} failed ({status}): {stderr}")]
    Tool {
        /// The program's name.
        tool: String,
        /// How it ended.
        status: String,
        /// What it said.
        stderr: String,
    },
    /// A server ended, or did not get ready, while it was being started.
    #[error("{server} did not start: {reason}\n--- end of {log_path} ---\n{log}")]
    Start {
        /// Which server.
        server: String,
        /// What was seen.
        reason: String,
        /// Where its log is.
        log_path: String,
        /// The last lines of its log.
        log: String,
    },
    /// Another process has the port that this server needs.
    #[error("port {port} of {server} is taken by another process")]
    PortTaken {
        /// Which server.
        server: String,
        /// Its port.
        port: u16,
    },
    /// Something that was waited for did not happen.
    #[error("{what}: not within {limit:?}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
    },
    /// The [`Stack`](crate::Stack) that this handle belongs to was dropped, so nothing can be started any more.
    #[error("the stack of this server is gone")]
    Gone,
}

/// Adds "cannot …" to an I/O error.
pub(crate) trait During<T> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io {
            what: what(),
            source,
        })
    }
}
