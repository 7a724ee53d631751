//! One deadline per request: it reaches the pool, the statement and the retry.

use std::time::{Duration, Instant};

use crate::error::Error;

/// The moment by which an answer is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline `duration` from now.
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }

    /// What is left; zero when it has passed.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// The moment itself.
    pub(crate) fn instant(self) -> Instant {
        self.0
    }

    /// Whether it has passed at `now`.
    pub(crate) fn is_before(self, now: Instant) -> bool {
        self.0 <= now
    }

    /// Whether it has passed.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.is_before(Instant::now())
    }

    /// Waits for `future`, but not past the deadline.
    pub(crate) async fn limit<T>(
        self,
        waiting_for: &'static str,
        future: impl Future<Output = T>,
    ) -> Result<T, Error> {
        tokio::time::timeout_at(self.0.into(), future)
            .await
            .map_err(|_| Error::Deadline { waiting_for })
    }
}
