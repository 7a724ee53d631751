//! What the caller is told while something runs.

use std::time::Duration;

use crate::{
    error::{Holders, LockHolder},
    import::Phase,
};

/// Something happened that a person who waits may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// Another runner holds the lock; said once.
    WaitingForLock(LockHolder),
    /// A runner that was killed has left a statement running; it is waited for. Said once.
    WaitingForStatement(LockHolder),
    /// Others hold locks that a statement waits for.
    Blocked {
        /// The file.
        file: String,
        /// The line of the statement.
        line: usize,
        /// Who.
        holders: Holders,
    },
    /// The locks did not come free in time: what was begun is undone, and tried again after a pause.
    TryingAgain {
        /// The file.
        file: String,
        /// The line of the statement that waited.
        line: usize,
        /// The pause.
        pause: Duration,
    },
    /// A statement takes long; said now and then.
    Running {
        /// The file.
        file: String,
        /// The line of the statement.
        line: usize,
        /// Since it began.
        elapsed: Duration,
        /// What the server says it is doing, and how far it is, where it says so.
        phase: Option<String>,
    },
    /// A statement that is done again and again has changed so many rows so far.
    Repeated {
        /// The file.
        file: String,
        /// The line of the statement.
        line: usize,
        /// Rows changed.
        rows: u64,
    },
    /// A file is being applied.
    Applying {
        /// Its name.
        file: String,
    },
    /// A file was applied.
    Applied {
        /// Its name.
        file: String,
        /// How long it took.
        took: Duration,
    },
    /// Posts have been looked at so far: inserted, or found already there.
    Loaded {
        /// How many.
        posts: u64,
    },
    /// An import goes on.
    Import {
        /// What it is doing.
        phase: Phase,
        /// Rows that are done with.
        done: u64,
        /// Rows that there are; 0 where that is not known.
        total: u64,
    },
}

/// A caller's function for [`Progress`].
pub type OnProgress<'a> = &'a mut (dyn FnMut(Progress) + Send);
