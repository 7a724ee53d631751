//! Whether waiting for a replica is worth it: after a wait in vain, nobody waits for a moment.
//!
//! While replicas are a few milliseconds behind, a short wait spares the primary a read. While they
//! are far behind, it delays every reader and spares nothing.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// For how long nobody waits after a wait in vain.
const SULK: Duration = Duration::from_millis(100);

/// What the last waits taught.
#[derive(Debug, Default)]
pub(crate) struct Patience(Mutex<Option<Instant>>);

impl Patience {
    /// Notes how a wait ended.
    pub(crate) fn note(&self, in_time: bool, now: Instant) {
        let until = (!in_time).then(|| now + SULK);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// Whether a wait would likely be in vain.
    pub(crate) fn is_short(&self, now: Instant) -> bool {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{Patience, SULK};

    #[test]
    fn a_wait_in_vain_is_not_repeated_at_once() {
        let (patience, now) = (Patience::default(), Instant::now());
        assert!(!patience.is_short(now));
        patience.note(false, now);
        assert!(patience.is_short(now) && !patience.is_short(now + SULK));
        patience.note(true, now);
        assert!(!patience.is_short(now));
    }
}
