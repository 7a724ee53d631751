//! What changed lately: one line for each change of a state, the newest first.
//!
//! A log says all of it and more; this answers an operator who asks "what happened before it went wrong". What is older
//! than [`KEPT`] is forgotten, and there are never more than [`MOST`] lines.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use prepnexus_domain::Clock;
use serde::Serialize;

/// For how long a change is remembered.
pub const KEPT: SignedDuration = SignedDuration::from_hours(1);
/// How many are remembered at most; the oldest leave first.
pub const MOST: usize = 200;

/// A change of a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// When it was seen.
    pub at: Timestamp,
    /// Of what: a node, a component.
    pub subject: String,
    /// What it was; nothing for what was not known before.
    pub from: Option<String>,
    /// What it became.
    pub to: String,
    /// Why, for an operator.
    pub reason: Option<String>,
}

/// The changes of the last hour. Shared by reference.
pub struct Timeline {
    clock: Arc<dyn Clock>,
    changes: Mutex<VecDeque<Change>>,
}

impl Timeline {
    /// Nothing has changed yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            changes: Mutex::default(),
        }
    }

    /// Takes note of a change that was just seen.
    pub fn record(
        &self,
        subject: String,
        from: Option<String>,
        to: String,
        reason: Option<String>,
    ) {
        let at = self.clock.now();
        let mut changes = self.lock();
        changes.push_front(Change {
            at,
            subject,
            from,
            to,
            reason,
        });
        changes.truncate(MOST);
    }

    /// The last hour's changes, the newest first.
    #[must_use]
    pub fn list(&self) -> Vec<Change> {
        let now = self.clock.now();
        let mut changes = self.lock();
        changes.retain(|change| now.duration_since(change.at) <= KEPT);
        changes.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Change>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeline")
            .field("changes", &self.lock().len())
            .finish_non_exhaustive()
    }
}
