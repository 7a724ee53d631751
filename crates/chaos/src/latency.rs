//! Latencies as quantiles, from the intended moment of each operation: an operation that could not
//! even be sent because an earlier one hung has waited too.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::history::Op;

/// Microseconds; longer is as bad as this.
const LONGEST_US: u64 = 120_000_000;

/// What is to be known of some operations' latencies.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// Those of `ops`, done or failed.
    #[must_use]
    pub fn of<'a>(ops: impl IntoIterator<Item = &'a Op>) -> Self {
        Self::of_all(ops.into_iter().map(Op::latency))
    }

    /// Those of `ops` from their being sent. For answers that nobody waits for: how late a busy machine was to send them is
    /// not of the subject's making.
    #[must_use]
    pub fn since_sent<'a>(ops: impl IntoIterator<Item = &'a Op>) -> Self {
        Self::of_all(ops.into_iter().map(Op::since_sent))
    }

    fn of_all(times: impl Iterator<Item = Duration>) -> Self {
        let mut all = Self::none();
        for time in times {
            all.add(u64::try_from(time.as_micros()).unwrap_or(LONGEST_US));
        }
        all
    }

    /// None yet.
    #[must_use]
    pub fn none() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_US, 3);
        Self(histogram.expect("the bounds are apart, and three digits are allowed"))
    }

    /// Adds one.
    pub fn add(&mut self, us: u64) {
        self.0.saturating_record(us.clamp(1, LONGEST_US));
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        let merged = self.0.add(&other.0);
        merged.expect("all have the same bounds");
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// In milliseconds, the value that this part of them (0 to 1) do not exceed; NaN when there are none.
    #[must_use]
    pub fn quantile_ms(&self, part: f64) -> f64 {
        if self.0.is_empty() {
            return f64::NAN;
        }
        let us = self.0.value_at_quantile(part);
        u32::try_from(us).map_or(f64::INFINITY, f64::from) / 1_000.0
    }

    /// In milliseconds, that of ninety-nine in a hundred.
    #[must_use]
    pub fn p99_ms(&self) -> f64 {
        self.quantile_ms(0.99)
    }

    /// In milliseconds, the longest; NaN when there are none.
    #[must_use]
    pub fn longest_ms(&self) -> f64 {
        self.quantile_ms(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Latencies;

    #[test]
    fn quantiles_are_those_of_what_was_added() {
        let mut all = Latencies::none();
        (1..=1_000).for_each(|ms| all.add(ms * 1_000));
        assert_eq!(all.count(), 1_000);
        assert!((all.p99_ms() - 990.0).abs() < 2.0, "{}", all.p99_ms());
        assert!((all.longest_ms() - 1_000.0).abs() < 2.0);
        assert!(Latencies::none().p99_ms().is_nan());
    }

    #[test]
    fn what_is_beyond_the_bounds_is_as_bad_as_the_bound() {
        let mut all = Latencies::none();
        all.add(u64::MAX);
        assert!(all.longest_ms() > 119_000.0);
    }
}
