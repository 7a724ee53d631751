//! A circuit breaker as a pure state machine.
//!
//! ```text
//!          N failures in a row, or a failure rate
//!  Closed ────────────────────────────────────────► Open ◄──────────┐
//!    ▲                                               │ probe succeeds│ probe fails
//!    └──────────────── HalfOpen ◄────────────────────┘               │
//!      K probes in a row  └──────────────────────────────────────────┘
//! ```
//!
//! Invariants:
//!
//! - User traffic passes only while closed. An open or half-open breaker is tested by its owner's
//!   probe alone, so that a dead server costs no user a wait, and a returning one isn't hit by all
//!   of them at once.
//! - Between probes of an open breaker lies an exponential back-off, never beyond
//!   [`BreakerConfig::backoff_cap`], and with jitter, so that many processes don't probe in step.
//! - Results of requests that were under way when it opened are ignored: they are about the past.
//! - Time is passed in and may repeat or go slightly backwards (threads race); nothing panics.
//!
//! What counts as a failure is the caller's decision: a query's own error doesn't, and neither does
//! a full pool. This module logs nothing and counts nothing; each transition is returned instead.

mod config;
mod shared;
mod window;

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

pub use config::{BreakerConfig, ConfigError};
pub use shared::SharedBreaker;
use window::Window;

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// All is well: traffic passes.
    Closed,
    /// Nothing passes; a probe is due once the back-off has elapsed.
    Open,
    /// A probe succeeded; some more have to before traffic passes again.
    HalfOpen,
}

impl BreakerState {
    /// As a gauge shows it: 0 closed, 1 half-open, 2 open.
    #[must_use]
    pub fn as_metric(self) -> f64 {
        match self {
            Self::Closed => 0.0,
            Self::HalfOpen => 1.0,
            Self::Open => 2.0,
        }
    }

    /// `closed`, `open` or `half_open`; the same word that it serializes to.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A breaker for one owner; see [`SharedBreaker`] for one that many tasks use.
///
/// The `on_` methods return the new state if it changed.
#[derive(Debug, Clone)]
pub struct Breaker {
    config: BreakerConfig,
    phase: Phase,
    jitter: fastrand::Rng,
}

#[derive(Debug, Clone)]
enum Phase {
    Closed {
        /// Failures of traffic since it last succeeded.
        failures: u32,
        /// The same of probes, apart: a server may answer a PING and nothing else.
        probe_failures: u32,
        window: Window,
    },
    Open {
        retry_at: Instant,
        attempt: u32,
    },
    HalfOpen {
        successes: u32,
        attempt: u32,
    },
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(config: BreakerConfig) -> Self {
        let jitter = config
            .jitter_seed
            .map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        Self {
            phase: Phase::closed(&config),
            config,
            jitter,
        }
    }

    /// Where it stands. Only an event moves it, never the passing of time.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Whether a user's request may pass: only while closed.
    #[must_use]
    pub fn allows(&self) -> bool {
        matches!(self.phase, Phase::Closed { .. })
    }

    /// Whether its owner should probe now: half-open, or open with the back-off elapsed.
    #[must_use]
    pub fn wants_probe(&self, now: Instant) -> bool {
        match self.phase {
            Phase::Closed { .. } => false,
            Phase::Open { retry_at, .. } => now >= retry_at,
            Phase::HalfOpen { .. } => true,
        }
    }

    /// How long until a probe is due: zero if it is, `None` while closed.
    #[must_use]
    pub fn probe_in(&self, now: Instant) -> Option<Duration> {
        match self.phase {
            Phase::Closed { .. } => None,
            Phase::Open { retry_at, .. } => Some(retry_at.saturating_duration_since(now)),
            Phase::HalfOpen { .. } => Some(Duration::ZERO),
        }
    }

    /// A user's request was answered.
    pub fn on_success(&mut self, now: Instant) -> Option<BreakerState> {
        if let Phase::Closed {
            failures, window, ..
        } = &mut self.phase
        {
            *failures = 0;
            window.record(now, false);
        }
        None
    }

    /// A user's request failed in a way that speaks against the server.
    pub fn on_failure(&mut self, now: Instant) -> Option<BreakerState> {
        let Phase::Closed {
            failures, window, ..
        } = &mut self.phase
        else {
            return None;
        };
        *failures = failures.saturating_add(1);
        window.record(now, true);
        let (calls, failed) = window.totals();
        let in_a_row = *failures >= self.config.consecutive_failures;
        let by_rate = calls >= u64::from(self.config.window_min_calls)
            && failed as f64 >= calls as f64 * self.config.failure_rate;
        (in_a_row || by_rate).then(|| self.open(now, 0))
    }

    /// The owner's probe was answered.
    pub fn on_probe_success(&mut self, _now: Instant) -> Option<BreakerState> {
        let (successes, attempt) = match &mut self.phase {
            Phase::Closed { probe_failures, .. } => {
                *probe_failures = 0;
                return None;
            }
            Phase::Open { attempt, .. } => (1, *attempt),
            Phase::HalfOpen { successes, attempt } => (successes.saturating_add(1), *attempt),
        };
        let before = self.state();
        self.phase = if successes >= self.config.half_open_successes {
            Phase::closed(&self.config)
        } else {
            Phase::HalfOpen { successes, attempt }
        };
        (self.state() != before).then(|| self.state())
    }

    /// The owner's probe failed. While closed it counts like a request's failure, so that an idle
    /// server's death is noticed too; while open or half-open it doubles the back-off.
    pub fn on_probe_failure(&mut self, now: Instant) -> Option<BreakerState> {
        match &mut self.phase {
            Phase::Closed { probe_failures, .. } => {
                *probe_failures = probe_failures.saturating_add(1);
                (*probe_failures >= self.config.consecutive_failures).then(|| self.open(now, 0))
            }
            Phase::Open { attempt, .. } => {
                let attempt = attempt.saturating_add(1);
                self.open(now, attempt);
                None
            }
            Phase::HalfOpen { attempt, .. } => {
                let attempt = attempt.saturating_add(1);
                Some(self.open(now, attempt))
            }
        }
    }

    fn open(&mut self, now: Instant, attempt: u32) -> BreakerState {
        let backoff = self.config.backoff(attempt, self.jitter.f64());
        self.phase = Phase::Open {
            retry_at: now.checked_add(backoff).unwrap_or(now),
            attempt,
        };
        BreakerState::Open
    }
}

impl Phase {
    fn closed(config: &BreakerConfig) -> Self {
        Self::Closed {
            failures: 0,
            probe_failures: 0,
            window: Window::new(config.window),
        }
    }
}
