//! The one place of this crate that sleeps: between asking and asking again, until the time is up.

use std::time::{Duration, Instant};

/// How often a lock or a server is asked again.
const INTERVAL: Duration = Duration::from_millis(100);

/// A bounded time in which to ask again and again.
pub(crate) struct Patience {
    deadline: Instant,
}

impl Patience {
    pub(crate) fn of(limit: Duration) -> Self {
        Self {
            deadline: Instant::now() + limit,
        }
    }

    /// How much is left.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Waits until it is time to ask again. False at the end: the last answer stands.
    pub(crate) async fn pause(&self) -> bool {
        let left = self.left();
        tokio::time::sleep(left.min(INTERVAL)).await;
        !left.is_zero()
    }
}
