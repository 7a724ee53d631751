//! A histogram of times that many threads add to without waiting for each other.
//!
//! Log-linear buckets, as in `HdrHistogram`: each power of two of microseconds is cut into [`PARTS`] equal parts, so that
//! a bucket is at most 1/16 wider than what it begins with. From one microsecond to [`LONGEST`].

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Parts of a power of two.
const PARTS: usize = 1 << PART_BITS;
const PART_BITS: u32 = 4;
/// The first power of two that is not in the histogram: 2^27 microseconds.
const OCTAVES: u32 = 27;
const BUCKETS: usize = PARTS * (OCTAVES - PART_BITS + 1) as usize;
/// What takes longer counts as this long: two minutes and a quarter.
pub const LONGEST: Duration = Duration::from_micros((1 << OCTAVES) - 1);

/// How many of each bucket there are, ever more.
pub(super) struct Cells(Box<[AtomicU64]>);

impl Cells {
    pub(super) fn new() -> Self {
        Self((0..BUCKETS).map(|_| AtomicU64::new(0)).collect())
    }

    pub(super) fn add(&self, seconds: f64, times: u64) {
        self.0[bucket_of(seconds)].fetch_add(times, Ordering::Relaxed);
    }

    /// All that was ever added.
    pub(super) fn read(&self) -> Times {
        let counts = self.0.iter().map(|cell| cell.load(Ordering::Relaxed));
        Times(counts.collect())
    }
}

/// How many took how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times(Box<[u64]>);

impl Default for Times {
    fn default() -> Self {
        Self(vec![0; BUCKETS].into())
    }
}

impl Times {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The time that a share of `quantile` (0 to 1) did not exceed, by nearest rank: at most 1/16 more than the true one.
    /// `None` where there are none.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "counts are far below 2^53, and quantiles are not negative"
    )]
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let rank = (self.count() as f64 * quantile.clamp(0.0, 1.0)).ceil() as u64;
        let mut left = rank.max(1);
        let bucket = self.0.iter().position(|count| {
            let is_here = *count >= left;
            left = left.saturating_sub(*count);
            is_here
        });
        bucket.map(last_of)
    }

    /// How long all took together: at most 1/16 more than the true sum.
    #[must_use]
    pub fn total(&self) -> Duration {
        let counts = self.0.iter().enumerate();
        Duration::from_micros(
            counts
                .map(|(bucket, count)| last_micros(bucket) * count)
                .sum(),
        )
    }

    /// Takes in what others took.
    pub fn merge(&mut self, others: &Self) {
        for (count, other) in self.0.iter_mut().zip(&others.0) {
            *count += other;
        }
    }

    pub(super) fn add(&mut self, few: &Few) {
        for (bucket, count) in &few.0 {
            self.0[usize::from(*bucket)] += u64::from(*count);
        }
    }

    /// What came after `earlier`.
    pub(super) fn since(&self, earlier: &Self) -> Few {
        let pairs = self.0.iter().zip(&earlier.0).enumerate();
        let grown = pairs.filter(|(_, (now, then))| now > then);
        Few(grown
            .map(|(bucket, (now, then))| {
                let bucket = u16::try_from(bucket).expect("there are a few hundred buckets");
                (bucket, u32::try_from(now - then).unwrap_or(u32::MAX))
            })
            .collect())
    }
}

/// The same for a short while, of which most buckets are empty.
#[derive(Debug, Default)]
pub(super) struct Few(Box<[(u16, u32)]>);

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float saturates, which is what is wanted"
)]
fn bucket_of(seconds: f64) -> usize {
    let longest = LONGEST.as_micros() as u64;
    let micros = ((seconds * 1e6) as u64).min(longest);
    if micros < PARTS as u64 {
        return micros as usize;
    }
    let octave = micros.ilog2();
    let part = (micros >> (octave - PART_BITS)) as usize - PARTS;
    (octave - PART_BITS + 1) as usize * PARTS + part
}

/// The longest time of a bucket.
fn last_of(bucket: usize) -> Duration {
    Duration::from_micros(last_micros(bucket))
}

fn last_micros(bucket: usize) -> u64 {
    let (octave, part) = (bucket / PARTS, bucket % PARTS);
    match octave.checked_sub(1) {
        None => part as u64,
        Some(shift) => (((PARTS + part + 1) as u64) << shift) - 1,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{BUCKETS, Cells, LONGEST, Times, bucket_of, last_of};

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        let mut first = 0;
        for bucket in 0..BUCKETS {
            let last = u64::try_from(last_of(bucket).as_micros()).unwrap();
            assert!(first <= last);
            for micros in [first, last] {
                let seconds = Duration::from_micros(micros).as_secs_f64() + 1e-7;
                assert_eq!(bucket_of(seconds), bucket, "{micros}");
            }
            first = last + 1;
        }
        assert_eq!(last_of(BUCKETS - 1), LONGEST);
    }

    #[test]
    fn what_is_no_time_has_a_bucket_all_the_same() {
        for odd in [f64::NAN, -1.0, 0.0] {
            assert_eq!(bucket_of(odd), 0);
        }
        for long in [1e9, f64::INFINITY] {
            assert_eq!(bucket_of(long), BUCKETS - 1);
        }
    }

    #[test]
    fn of_nothing_there_is_no_quantile() {
        assert_eq!(Times::default().quantile(0.5), None);
    }

    proptest! {
        #[test]
        fn a_quantile_is_at_most_a_sixteenth_too_long(
            mut micros in prop::collection::vec(1u64..60_000_000, 1..400),
            quantile in 0.0f64..=1.0,
        ) {
            let cells = Cells::new();
            for time in &micros {
                cells.add(Duration::from_micros(*time).as_secs_f64() + 1e-7, 1);
            }
            micros.sort_unstable();
            let rank = (micros.len() as f64 * quantile).ceil().max(1.0) as usize;
            let exact = Duration::from_micros(micros[rank - 1]);
            let found = cells.read().quantile(quantile).unwrap();
            prop_assert!(exact <= found && found <= exact.mul_f64(17.0 / 16.0), "{exact:?} {found:?}");
        }

        #[test]
        fn what_came_after_and_what_was_before_are_all(
            before in prop::collection::vec(0.0f64..100.0, 0..50),
            after in prop::collection::vec(0.0f64..100.0, 0..50),
        ) {
            let cells = Cells::new();
            before.iter().for_each(|time| cells.add(*time, 1));
            let mut all = cells.read();
            after.iter().for_each(|time| cells.add(*time, 1));
            let few = cells.read().since(&all);
            all.add(&few);
            prop_assert_eq!(all, cells.read());
        }
    }
}
