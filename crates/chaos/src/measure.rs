//! What a scenario gives: numbers, each with the limit that it is to keep.

use serde::Serialize;

/// What a number is to keep.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub enum Limit {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

/// One number of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measure {
    /// What was measured.
    pub what: &'static str,
    /// Its unit; empty for plain numbers.
    pub unit: &'static str,
    /// The number; NaN where there was nothing to measure, which keeps no limit.
    pub value: f64,
    /// Its limit.
    pub limit: Limit,
    /// What to compare it with, in words: the same without a fault, or how often it was tried.
    pub reference: String,
}

impl Measure {
    /// A time in milliseconds, with its limit.
    pub(crate) fn ms(what: &'static str, value: f64, at_most: f64) -> Self {
        Self::at_most(what, "ms", value, at_most)
    }

    /// A count of what must never happen.
    pub(crate) fn never(what: &'static str, count: usize) -> Self {
        let count = u32::try_from(count).map_or(f64::INFINITY, f64::from);
        Self::at_most(what, "", count, 0.0)
    }

    pub(crate) fn at_most(what: &'static str, unit: &'static str, value: f64, limit: f64) -> Self {
        Self {
            what,
            unit,
            value,
            limit: Limit::AtMost(limit),
            reference: String::new(),
        }
    }

    pub(crate) fn at_least(what: &'static str, unit: &'static str, value: f64, limit: f64) -> Self {
        Self {
            limit: Limit::AtLeast(limit),
            ..Self::at_most(what, unit, value, limit)
        }
    }

    /// With what to compare it with.
    pub(crate) fn beside(mut self, reference: impl Into<String>) -> Self {
        self.reference = reference.into();
        self
    }

    /// Whether it keeps its limit.
    #[must_use]
    pub fn holds(&self) -> bool {
        match self.limit {
            Limit::AtMost(limit) => self.value <= limit,
            Limit::AtLeast(limit) => self.value >= limit,
        }
    }

    /// How far beyond its limit it is; negative within it. Nothing measured is worst of all.
    pub(crate) fn excess(&self) -> f64 {
        let excess = match self.limit {
            Limit::AtMost(limit) => self.value - limit,
            Limit::AtLeast(limit) => limit - self.value,
        };
        if excess.is_nan() {
            f64::INFINITY
        } else {
            excess
        }
    }
}

/// The milliseconds between two moments of a history; NaN when one of them never came.
pub(crate) fn ms_between(from_us: u64, to_us: Option<u64>) -> f64 {
    let us = to_us.map(|to_us| to_us.saturating_sub(from_us));
    let us = us.map(|us| u32::try_from(us).map_or(f64::INFINITY, f64::from));
    us.map_or(f64::NAN, |us| us / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::Measure;

    #[test]
    fn a_limit_is_kept_or_broken_and_nothing_measured_breaks_it() {
        assert!(Measure::ms("a", 5.0, 5.0).holds());
        assert!(!Measure::ms("a", 5.1, 5.0).holds());
        assert!(!Measure::at_least("b", "%", 79.9, 80.0).holds());
        assert!(Measure::never("c", 0).holds() && !Measure::never("c", 1).holds());
        for nothing in [
            Measure::ms("d", f64::NAN, 5.0),
            Measure::at_least("d", "", f64::NAN, 0.0),
        ] {
            assert!(!nothing.holds() && nothing.excess() > 1e9);
        }
    }
}
