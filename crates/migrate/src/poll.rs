//! The one place of this crate that sleeps: between asking and asking again, until the time is up.

use std::time::{Duration, Instant};

/// How often a lock or a server is asked again.
const INTERVAL: Duration = Duration::from_millis(100);
/// The first pause after a try that others' locks stood in the way of; the next ones are twice as long each.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// A time in which to ask again and again.
pub(crate) struct Patience {
    /// `None`: without an end.
    deadline: Option<Instant>,
    next_pause: Duration,
}

impl Patience {
    pub(crate) fn of(limit: Duration) -> Self {
        Self {
            deadline: Instant::now().checked_add(limit),
            ..Self::endless()
        }
    }

    pub(crate) fn endless() -> Self {
        Self {
            deadline: None,
            next_pause: FIRST_PAUSE,
        }
    }

    /// How much is left.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.map_or(Duration::MAX, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        })
    }

    /// Waits until it is time to ask again. False at the end: the last answer stands.
    pub(crate) async fn pause(&self) -> bool {
        let left = self.left();
        tokio::time::sleep(left.min(INTERVAL)).await;
        !left.is_zero()
    }

    /// The pause before the next try, twice the last one and by chance up to half of it less, so that those who stand
    /// in each other's way don't meet again. `None` at the end.
    pub(crate) fn next_try(&mut self) -> Option<Duration> {
        let left = self.left();
        let pause = self.next_pause.mul_f64(1.0 - fastrand::f64() / 2.0);
        self.next_pause = (self.next_pause * 2).min(LONGEST_PAUSE);
        (!left.is_zero()).then(|| pause.min(left))
    }

    pub(crate) async fn sleep(pause: Duration) {
        tokio::time::sleep(pause).await;
    }
}
