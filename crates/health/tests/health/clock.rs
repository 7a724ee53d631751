//! A clock that stands still until it is told otherwise.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use prepnexus_domain::Clock;

pub(crate) struct TestClock(Mutex<Timestamp>);

impl TestClock {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(at(0)))
    }

    pub(crate) fn advance(&self, by: Duration) {
        let mut now = self.lock();
        *now = now.checked_add(by).expect("tests stay within the calendar");
    }

    fn lock(&self) -> MutexGuard<'_, Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.lock()
    }
}

/// `seconds` after the clock's beginning.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("tests stay within the calendar")
}
