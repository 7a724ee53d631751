//! How many files and sockets the process may have open: every connection is one.
//!
//! The soft limit that a process begins with, often 1,024, is for programs that use `select`; up to the hard limit it may
//! raise it itself.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What ten thousand clients need, and the connections to the servers.
const ENOUGH: u64 = 10_500;

/// Raises the limit as far as the process may, and says what it is.
pub(crate) fn raise() {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        if soft < hard {
            setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
        }
        Ok(hard)
    });
    match limit {
        Ok(max) if max < ENOUGH => tracing::warn!(
            max_open_files = max,
            "connections beyond this are not accepted: raise the hard limit (ulimit -Hn, LimitNOFILE=)"
        ),
        Ok(max) => tracing::info!(max_open_files = max, "limit of open files and connections"),
        Err(error) => tracing::warn!(%error, "the limit of open files can't be raised"),
    }
}
