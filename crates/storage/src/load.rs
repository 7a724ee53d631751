//! How busy and how quick a node is, in a few atomics: what the router compares replicas by.
//!
//! The latency is a moving average that rises at once and falls slowly ("peak EWMA", as in Finagle
//! and Linkerd): a node that turns slow is avoided by the next request, and is trusted again by and
//! by, also when nothing is sent to it. A failure counts as a slow answer: an error that comes
//! quickly must not attract traffic.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// What a failure is taken for.
const FAILURE: Duration = Duration::from_secs(1);
/// A new sample weighs one in this many.
const WEIGHT: u64 = 8;
/// Without new samples the average halves in this time.
const HALF_LIFE: Duration = Duration::from_millis(100);

/// The load of one node.
#[derive(Debug, Default)]
pub(crate) struct Load {
    /// Nanoseconds.
    latency: AtomicU64,
    /// When it was last noted, in nanoseconds since `start`.
    noted_at: AtomicU64,
    start: OnceLock<Instant>,
    answered: AtomicU64,
    given_up: AtomicU64,
}

/// How often a node was waited for, with success and without, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Statements that were answered.
    pub(crate) answered: u64,
    /// Requests that ended while they waited for it.
    pub(crate) given_up: u64,
}

impl Load {
    /// Notes that a statement was answered at `now`, in `time`.
    pub(crate) fn note_answer(&self, time: Duration, now: Instant) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        self.note(time, now);
    }

    /// Notes that the node failed a request.
    pub(crate) fn note_failure(&self) {
        self.note(FAILURE, Instant::now());
    }

    /// Notes that a request waits for the node no more, and was not answered.
    pub(crate) fn note_given_up(&self) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }

    /// How many statements were answered since the start.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    pub(crate) fn tally(&self) -> Tally {
        Tally {
            answered: self.answered(),
            given_up: self.given_up.load(Ordering::Relaxed),
        }
    }

    /// The recent latency, in nanoseconds and at least one. It is forgotten while nothing is sent to
    /// the node, and not while requests wait there: silence is no quick answer.
    pub(crate) fn latency(&self, users: usize, now: impl FnOnce() -> Instant) -> u64 {
        let latency = if users > 0 {
            self.latency.load(Ordering::Relaxed)
        } else {
            self.decayed(self.since_start(now()))
        };
        latency.max(1)
    }

    // Threads may race, and lose a sample: an average does not mind.
    fn note(&self, time: Duration, now: Instant) {
        let sample = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let at = self.since_start(now);
        let before = self.decayed(at);
        let after = if before == 0 {
            sample
        } else if sample > before.saturating_mul(4) {
            before.midpoint(sample)
        } else {
            before - before / WEIGHT + sample / WEIGHT
        };
        self.latency.store(after, Ordering::Relaxed);
        self.noted_at.store(at, Ordering::Relaxed);
    }

    fn decayed(&self, at: u64) -> u64 {
        let idle = at.saturating_sub(self.noted_at.load(Ordering::Relaxed));
        let halvings = Duration::from_nanos(idle).as_millis() / HALF_LIFE.as_millis();
        let latency = self.latency.load(Ordering::Relaxed);
        u32::try_from(halvings)
            .ok()
            .and_then(|halvings| latency.checked_shr(halvings))
            .unwrap_or(0)
    }

    fn since_start(&self, now: Instant) -> u64 {
        let start = *self.start.get_or_init(|| now);
        u64::try_from(now.saturating_duration_since(start).as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Load;

    const MS: Duration = Duration::from_millis(1);

    fn quick(start: Instant) -> Load {
        let load = Load::default();
        (0..50).for_each(|n| load.note(MS, start + n * MS));
        load
    }

    #[test]
    fn one_slow_answer_is_felt_at_once() {
        let start = Instant::now();
        let load = quick(start);
        load.note(100 * MS, start + 50 * MS);
        assert!(load.latency(0, || start + 50 * MS) > 40_000_000);
    }

    #[test]
    fn a_node_that_is_silent_does_not_look_quick_while_requests_wait_there() {
        let (start, load) = (Instant::now(), quick(Instant::now()));
        let later = start + 50 * super::HALF_LIFE;
        assert!(load.latency(1, || later) >= 900_000);
        assert_eq!(load.latency(0, || later), 1);
    }

    #[test]
    fn a_failure_counts_as_slow_and_is_forgiven() {
        let (start, load) = (Instant::now(), quick(Instant::now()));
        let now = start + 50 * MS;
        load.note(super::FAILURE, now);
        assert!(load.latency(0, || now) > 100_000_000);
        assert!(load.latency(0, || now + 20 * super::HALF_LIFE) < 1_000_000);
    }
}
