//! Errors grouped by what they have in common, for the operator's page.
//!
//! A log answers "what happened at 12:03"; this answers "what goes wrong here, how often, and is it
//! still going on". Errors with the same code and fingerprint are one group. Invariants:
//!
//! - Memory is bounded: at most `capacity` groups, the least recently seen leaving first, and no
//!   text longer than [`MAX_TEXT_BYTES`]. Fingerprints longer than that are cut, and then group
//!   by what is left.
//! - The fingerprint is the place, which the caller names and which must be stable, and the error's text without its numbers.
//! - No value that a person wrote is kept: neither in the sample nor in the fingerprint.

mod impersonal;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use prepnexus_domain::Clock;
use serde::Serialize;

use self::impersonal::{impersonal, shape};
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
    /// The text of the latest, without what a person wrote.
    pub sample: String,
    /// The request of the latest, if it was one's: to be looked up in the log.
    pub request_id: Option<String>,
}

/// Something that went wrong.
#[derive(Debug, Clone, Copy)]
pub struct Occurrence<'a> {
    /// The stable code, as in problem documents.
    pub code: &'static str,
    /// Where: a route, a task. Not a request's own path.
    pub place: &'a str,
    /// What happened, in words for an operator.
    pub text: &'a str,
    /// The request that met it.
    pub request_id: Option<&'a str>,
}

/// Shows that code's count as zero until the first is tracked: what is first counted when it happens would not be seen to
/// grow. To be called once a recorder is installed.
pub fn count_from_zero(code: &'static str) {
    metrics::counter!(metric::ERRORS, "code" => code).absolute(0);
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
    pub fn record(&self, occurrence: Occurrence<'_>) {
        let code = occurrence.code;
        metrics::counter!(metric::ERRORS, "code" => code).increment(1);
        let now = self.clock.now();
        let sample = shortened(impersonal(occurrence.text));
        let fingerprint = shortened(format!("{}: {}", occurrence.place, shape(&sample)));
        let request_id = occurrence.request_id.map(|id| shortened(id.to_owned()));
        let key = (code, fingerprint);
        let mut groups = self.lock();
        groups.recorded += 1;
        let recorded = groups.recorded;
        if let Some(group) = groups.by_key.get_mut(&key) {
            group.error.count += 1;
            group.error.last_seen = now;
            group.error.sample = sample;
            group.error.request_id = request_id;
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
            request_id,
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
