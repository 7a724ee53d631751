//! When a breaker opens, how long it waits, and what closes it again.

use std::time::Duration;

/// The settings of a [`Breaker`](super::Breaker).
#[derive(Debug, Clone, PartialEq)]
pub struct BreakerConfig {
    /// Opens after this many failures in a row (3).
    pub consecutive_failures: u32,
    /// The window over which the failure rate is taken (10 s), to a tenth of its length.
    pub window: Duration,
    /// The rate counts only from this many calls in the window (20).
    pub window_min_calls: u32,
    /// Opens at this share of failed calls, above 0 and up to 1 (0.5).
    pub failure_rate: f64,
    /// The longest wait before the first probe (250 ms); doubled by each probe that fails.
    pub backoff_base: Duration,
    /// No wait between probes is longer than this (10 s).
    pub backoff_cap: Duration,
    /// Closes after this many probes in a row succeed (2).
    pub half_open_successes: u32,
    /// Seeds the jitter. `None` seeds from the system, which is right outside tests.
    pub jitter_seed: Option<u64>,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            consecutive_failures: 3,
            window: Duration::from_secs(10),
            window_min_calls: 20,
            failure_rate: 0.5,
            backoff_base: Duration::from_millis(250),
            backoff_cap: Duration::from_secs(10),
            half_open_successes: 2,
            jitter_seed: None,
        }
    }
}

/// A setting that can't be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct ConfigError {
    /// The field of [`BreakerConfig`].
    pub field: &'static str,
    /// What it must be.
    pub problem: &'static str,
}

impl BreakerConfig {
    /// Refuses settings that can't be meant.
    ///
    /// # Errors
    ///
    /// The first wrong field and what it must be.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let checks = [
            (
                self.consecutive_failures > 0,
                "consecutive_failures",
                "must be at least 1",
            ),
            (!self.window.is_zero(), "window", "must not be zero"),
            (
                self.window_min_calls > 0,
                "window_min_calls",
                "must be at least 1",
            ),
            (
                self.failure_rate > 0.0 && self.failure_rate <= 1.0,
                "failure_rate",
                "must be above 0 and at most 1",
            ),
            (
                !self.backoff_base.is_zero(),
                "backoff_base",
                "must not be zero",
            ),
            (
                self.backoff_cap >= self.backoff_base,
                "backoff_cap",
                "must be at least backoff_base",
            ),
            (
                self.half_open_successes > 0,
                "half_open_successes",
                "must be at least 1",
            ),
        ];
        checks
            .into_iter()
            .find(|(good, ..)| !good)
            .map_or(Ok(()), |(_, field, problem)| {
                Err(ConfigError { field, problem })
            })
    }

    /// The wait before probe number `attempt` (from 0), with `jitter` from 0 to 1: between half and
    /// all of `backoff_base · 2^attempt`, which itself is at most `backoff_cap` ("equal jitter").
    #[must_use]
    pub fn backoff(&self, attempt: u32, jitter: f64) -> Duration {
        let doubled = 2_u32
            .checked_pow(attempt)
            .and_then(|factor| self.backoff_base.checked_mul(factor))
            .unwrap_or(Duration::MAX);
        let full = doubled.min(self.backoff_cap);
        let share = 0.5 + jitter.clamp(0.0, 1.0) / 2.0;
        Duration::try_from_secs_f64(full.as_secs_f64() * share).map_or(full, |wait| wait.min(full))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(BreakerConfig::default().validate(), Ok(()));
    }

    #[test]
    fn a_wrong_field_is_named() {
        let config = BreakerConfig {
            failure_rate: f64::NAN,
            ..BreakerConfig::default()
        };
        let error = config.validate().unwrap_err();
        assert_eq!(
            error.to_string(),
            "failure_rate: must be above 0 and at most 1"
        );
    }

    #[test]
    fn backoff_doubles_up_to_the_cap() {
        let config = BreakerConfig::default();
        let longest: Vec<_> = (0..8).map(|n| config.backoff(n, 1.0).as_millis()).collect();
        assert_eq!(
            longest,
            [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]
        );
        assert_eq!(config.backoff(0, 0.0), Duration::from_millis(125));
        assert_eq!(config.backoff(u32::MAX, 1.0), config.backoff_cap);
    }
}
