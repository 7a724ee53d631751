//! Counts of calls and failures over the last while.
//!
//! A ring of ten buckets: constant memory, no allocation, and old calls leave a tenth of the window
//! at a time. A call that arrives with a time earlier than the newest bucket counts in the newest.

use std::time::{Duration, Instant};

const BUCKETS: usize = 10;

/// A rolling window.
#[derive(Debug, Clone)]
pub(super) struct Window {
    bucket_len: Duration,
    buckets: [Bucket; BUCKETS],
    newest: usize,
    /// When the newest bucket began; `None` until the first call.
    newest_since: Option<Instant>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    calls: u64,
    failures: u64,
}

impl Window {
    /// An empty window over the last `length`.
    pub(super) fn new(length: Duration) -> Self {
        let tenth = length / u32::try_from(BUCKETS).expect("the number of buckets is small");
        Self {
            bucket_len: tenth.max(Duration::from_nanos(1)),
            buckets: [Bucket::default(); BUCKETS],
            newest: 0,
            newest_since: None,
        }
    }

    /// Counts one call.
    pub(super) fn record(&mut self, now: Instant, failed: bool) {
        self.advance(now);
        let bucket = &mut self.buckets[self.newest];
        bucket.calls += 1;
        bucket.failures += u64::from(failed);
    }

    /// Calls and failures as of the last call recorded.
    pub(super) fn totals(&self) -> (u64, u64) {
        self.buckets
            .iter()
            .fold((0, 0), |(calls, failures), bucket| {
                (calls + bucket.calls, failures + bucket.failures)
            })
    }

    fn advance(&mut self, now: Instant) {
        let since = *self.newest_since.get_or_insert(now);
        let steps = now.saturating_duration_since(since).as_nanos() / self.bucket_len.as_nanos();
        if steps >= BUCKETS as u128 {
            self.buckets = [Bucket::default(); BUCKETS];
            self.newest_since = Some(now);
            return;
        }
        let mut start = since;
        for _ in 0..steps {
            self.newest = (self.newest + 1) % BUCKETS;
            self.buckets[self.newest] = Bucket::default();
            start += self.bucket_len;
        }
        self.newest_since = Some(start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_calls_leave_and_recent_ones_stay() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut window = Window::new(Duration::from_secs(10));
        window.record(at(0), true);
        window.record(at(5_000), false);
        assert_eq!(window.totals(), (2, 1));
        window.record(at(9_999), false);
        assert_eq!(window.totals(), (3, 1));
        window.record(at(10_000), false);
        assert_eq!(window.totals(), (3, 0));
        window.record(at(60_000), true);
        assert_eq!(window.totals(), (1, 1));
    }

    #[test]
    fn a_time_in_the_past_counts_as_now() {
        let start = Instant::now();
        let mut window = Window::new(Duration::from_secs(1));
        window.record(start + Duration::from_millis(500), false);
        window.record(start, true);
        assert_eq!(window.totals(), (2, 1));
    }
}
