//! A breaker that many tasks use at once.
//!
//! The question asked on every request, [`allows`](SharedBreaker::allows), is one atomic load; the
//! transitions take a short lock. The atomic follows the state machine, and is written only under
//! that lock: it can lag behind by an instant and never contradicts it for good.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Breaker, BreakerConfig, BreakerState};

/// A [`Breaker`] behind a lock, whose state is read without one.
pub struct SharedBreaker {
    state: AtomicU8,
    breaker: Mutex<Breaker>,
}

const CLOSED: u8 = 0;
const HALF_OPEN: u8 = 1;
const OPEN: u8 = 2;

impl SharedBreaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(config: BreakerConfig) -> Self {
        Self {
            state: AtomicU8::new(CLOSED),
            breaker: Mutex::new(Breaker::new(config)),
        }
    }

    /// Whether a user's request may pass. One atomic load.
    #[must_use]
    pub fn allows(&self) -> bool {
        self.state.load(Ordering::Acquire) == CLOSED
    }

    /// Where it stands. One atomic load.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        match self.state.load(Ordering::Acquire) {
            CLOSED => BreakerState::Closed,
            HALF_OPEN => BreakerState::HalfOpen,
            _ => BreakerState::Open,
        }
    }

    /// See [`Breaker::wants_probe`].
    #[must_use]
    pub fn wants_probe(&self, now: Instant) -> bool {
        !self.allows() && self.lock().wants_probe(now)
    }

    /// See [`Breaker::probe_in`].
    #[must_use]
    pub fn probe_in(&self, now: Instant) -> Option<Duration> {
        self.lock().probe_in(now)
    }

    /// See [`Breaker::on_success`].
    pub fn on_success(&self, now: Instant) -> Option<BreakerState> {
        self.change(|breaker| breaker.on_success(now))
    }

    /// See [`Breaker::on_failure`].
    pub fn on_failure(&self, now: Instant) -> Option<BreakerState> {
        self.change(|breaker| breaker.on_failure(now))
    }

    /// See [`Breaker::on_probe_success`].
    pub fn on_probe_success(&self, now: Instant) -> Option<BreakerState> {
        self.change(|breaker| breaker.on_probe_success(now))
    }

    /// See [`Breaker::on_probe_failure`].
    pub fn on_probe_failure(&self, now: Instant) -> Option<BreakerState> {
        self.change(|breaker| breaker.on_probe_failure(now))
    }

    fn change(
        &self,
        event: impl FnOnce(&mut Breaker) -> Option<BreakerState>,
    ) -> Option<BreakerState> {
        let mut breaker = self.lock();
        let changed = event(&mut breaker)?;
        let code = match changed {
            BreakerState::Closed => CLOSED,
            BreakerState::HalfOpen => HALF_OPEN,
            BreakerState::Open => OPEN,
        };
        self.state.store(code, Ordering::Release);
        Some(changed)
    }

    fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for SharedBreaker {
    fn default() -> Self {
        Self::new(BreakerConfig::default())
    }
}

impl fmt::Debug for SharedBreaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedBreaker")
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
