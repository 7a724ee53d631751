//! Wall-clock time, injected so that tests can set it.
//!
//! PostgreSQL keeps microseconds; a [`Clock`] therefore never answers with more precision than
//! that, so that a time written and read back is equal to itself.

use jiff::Timestamp;

/// A source of wall-clock time.
pub trait Clock: Send + Sync {
    /// The current time, in whole microseconds.
    fn now(&self) -> Timestamp;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(
            clippy::disallowed_methods,
            reason = "the one place that reads the clock"
        )]
        let now = Timestamp::now();
        to_microseconds(now)
    }
}

/// `time` without its nanoseconds.
#[must_use]
pub fn to_microseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}
