//! Errors grouped by what they have in common, for the operator's page.
//!
//! A log answers "what happened at 12:03"; this answers "what goes wrong here, how often, and is it
//! still going on". Errors with the same code and fingerprint are one group. Invariants:
//!
//! - Memory is bounded: at most `capacity` groups, the least recently seen leaving first, and no
//!   text longer than [`MAX_TEXT_BYTES`]. Fingerprints longer than that are cut, and then group
//!   by what is left.
//! - The fingerprint comes from the caller and must be stable: a place in the code or the shape of a
//!   message, never one with a request's own values in it, and never a secret.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use prepnexus_domain::Clock;
use serde::Serialize;

use crate::metric;

/// No fingerprint or sample is longer than this.
pub const MAX_TEXT_BYTES: usize = 1_000;

/// A group of errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrackedError {
    /// The stable code, as in problem documents.
    pub code: &'static str,
    /// What distinguishes it from others of the same code.
    pub fingerprint: String,
    /// How many since it was first seen.
    pub count: u64,
    /// The first since the group began (or began anew after it was evicted).
    pub first_seen: Timestamp,
    /// The latest.
    pub last_seen: Timestamp,
    /// The text of the latest.
    pub sample: String,
}

/// The groups seen lately.
pub struct ErrorLog {
    clock: Arc<dyn Clock>,
    capacity: usize,
    groups: Mutex<Groups>,
}

#[derive(Debug, Default)]
struct Groups {
    by_key: HashMap<(&'static str, String), Group>,
    /// Orders groups seen within the same microsecond.
    recorded: u64,
}

#[derive(Debug)]
struct Group {
    error: TrackedError,
    last_recorded: u64,
}

impl ErrorLog {
    /// An empty log that keeps at most `capacity` groups, and at least one.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, capacity: usize) -> Self {
        Self {
            clock,
            capacity: capacity.max(1),
            groups: Mutex::default(),
        }
    }

    /// Tracks one error, and counts it.
    pub fn record(&self, code: &'static str, fingerprint: &str, sample: impl Into<String>) {
        metrics::counter!(metric::ERRORS, "code" => code).increment(1);
        let now = self.clock.now();
        let sample = shortened(sample.into());
        let key = (code, shortened(fingerprint.to_owned()));
        let mut groups = self.lock();
        groups.recorded += 1;
        let recorded = groups.recorded;
        if let Some(group) = groups.by_key.get_mut(&key) {
            group.error.count += 1;
            group.error.last_seen = now;
            group.error.sample = sample;
            group.last_recorded = recorded;
            return;
        }
        if groups.by_key.len() >= self.capacity {
            groups.evict_least_recent();
        }
        let error = TrackedError {
            code,
            fingerprint: key.1.clone(),
            count: 1,
            first_seen: now,
            last_seen: now,
            sample,
        };
        groups.by_key.insert(
            key,
            Group {
                error,
                last_recorded: recorded,
            },
        );
    }

    /// All groups, the most recently seen first.
    #[must_use]
    pub fn list(&self) -> Vec<TrackedError> {
        let groups = self.lock();
        let mut newest_first: Vec<_> = groups.by_key.values().collect();
        newest_first.sort_unstable_by_key(|group| std::cmp::Reverse(group.last_recorded));
        newest_first
            .into_iter()
            .map(|group| group.error.clone())
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Groups {
    fn evict_least_recent(&mut self) {
        let oldest = self
            .by_key
            .iter()
            .min_by_key(|(_, group)| group.last_recorded)
            .map(|(key, _)| key.clone());
        if let Some(key) = oldest {
            self.by_key.remove(&key);
        }
    }
}

fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
    text
}

impl fmt::Debug for ErrorLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorLog")
            .field("capacity", &self.capacity)
            .field("groups", &self.lock().by_key.len())
            .finish_non_exhaustive()
    }
}
