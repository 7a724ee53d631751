//! Slow start: a node that comes back gets a rising share of its traffic, not all of it at once.
//! Its caches are cold, and it may be about to fail again.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The share a node begins with.
const FIRST_SHARE: f64 = 0.05;

/// Since when a node is back; nothing for one that was never away.
#[derive(Debug, Default)]
pub(crate) struct Ramp {
    is_rising: AtomicBool,
    since: Mutex<Option<Instant>>,
}

impl Ramp {
    /// The node is back.
    pub(crate) fn begin(&self, now: Instant) {
        *self.since() = Some(now);
        self.is_rising.store(true, Ordering::Release);
    }

    /// The part of its usual share that it is to have, from 0 to 1, when it takes `length` to rise. The
    /// clock is read while it rises only.
    pub(crate) fn share(&self, now: impl FnOnce() -> Instant, length: Duration) -> f64 {
        if !self.is_rising.load(Ordering::Acquire) {
            return 1.0;
        }
        let mut since = self.since();
        let gone = since.map_or(length, |since| now().saturating_duration_since(since));
        if gone >= length {
            *since = None;
            self.is_rising.store(false, Ordering::Release);
            return 1.0;
        }
        FIRST_SHARE + (1.0 - FIRST_SHARE) * gone.as_secs_f64() / length.as_secs_f64()
    }

    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Ramp;

    #[test]
    fn the_share_rises_evenly_and_then_is_whole() {
        let (ramp, start, length) = (Ramp::default(), Instant::now(), Duration::from_secs(10));
        assert!((ramp.share(|| start, length) - 1.0).abs() < f64::EPSILON);
        ramp.begin(start);
        let shares: Vec<f64> = [0, 2, 5, 9, 10, 11]
            .map(|second| ramp.share(|| start + Duration::from_secs(second), length))
            .to_vec();
        assert!(shares.is_sorted(), "{shares:?}");
        assert!(
            shares[0] < 0.1 && shares[2] > 0.5 && shares[2] < 0.6,
            "{shares:?}"
        );
        assert!((shares[4] - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn without_a_length_the_share_is_whole_at_once() {
        let (ramp, now) = (Ramp::default(), Instant::now());
        ramp.begin(now);
        assert!((ramp.share(|| now, Duration::ZERO) - 1.0).abs() < f64::EPSILON);
    }
}
