//! What the caller is told while something runs.

use std::time::Duration;

use crate::error::LockHolder;

/// Something happened that a person who waits may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// Another runner holds the lock; said once.
    WaitingForLock(LockHolder),
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
}

/// A caller's function for [`Progress`].
pub type OnProgress<'a> = &'a mut (dyn FnMut(Progress) + Send);
