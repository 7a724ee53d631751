//! Whether kept answers were as new as they were said to be: a judge of what readers were shown, that knows of no cache.
//!
//! Every value is its own version, so that a reader tells which write he sees. After Meta's Polaris ("Cache made consistent",
//! 2022): there the bound is a time after which every cache must agree, here it is a promise about each answer.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// One write: the next version of one value. A value's writes are made one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// Which value.
    pub value: u32,
    /// Which version, from 1.
    pub version: u32,
    /// When it was sent, in microseconds since the beginning.
    pub sent_us: u64,
    /// When it was known to be done; `None`: nobody was told.
    pub acknowledged_us: Option<u64>,
}

/// One answer to a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// Which value.
    pub value: u32,
    /// The version shown.
    pub version: u32,
    /// When it was asked for, in microseconds since the beginning.
    pub asked_us: u64,
    /// When the answer was there.
    pub answered_us: u64,
    /// Which process answered.
    pub node: u32,
    /// Whether the answer says that it may be old.
    pub is_marked: bool,
    /// The version whose token the reader sent, 0 without one.
    pub token_of: u32,
    /// Whether it was an item of a list.
    pub in_list: bool,
}

/// A promise that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Violation {
    /// Unmarked, and older than what was acknowledged longer ago than the bound.
    Stale(Read),
    /// Unmarked, and older than what the reader's token stands for.
    BehindToken(Read),
    /// A version that nobody had written by then.
    FromNowhere(Read),
}

/// All broken promises, in the order of `reads`. `bound_us`: for how long an unmarked answer may be old.
#[must_use]
pub fn judge(writes: &[Write], reads: &[Read], bound_us: u64) -> Vec<Violation> {
    let mut values: HashMap<u32, Vec<&Write>> = HashMap::new();
    for write in writes {
        values.entry(write.value).or_default().push(write);
    }
    // When which version was acknowledged, each with the newest until then.
    let acknowledged: HashMap<u32, Vec<(u64, u32)>> = values
        .iter()
        .map(|(value, writes)| (*value, newest_by_time(writes)))
        .collect();
    let floor = |read: &Read| {
        let known = acknowledged.get(&read.value).map_or(&[][..], Vec::as_slice);
        let before = known.partition_point(|(at, _)| at.saturating_add(bound_us) <= read.asked_us);
        before.checked_sub(1).map_or(0, |last| known[last].1)
    };
    let is_written = |read: &Read| {
        let writes = values.get(&read.value).map_or(&[][..], Vec::as_slice);
        writes
            .iter()
            .any(|write| write.version == read.version && write.sent_us <= read.answered_us)
    };
    let broken = reads.iter().filter_map(|read| {
        if !is_written(read) {
            Some(Violation::FromNowhere(*read))
        } else if read.is_marked {
            None
        } else if read.version < read.token_of {
            Some(Violation::BehindToken(*read))
        } else if read.version < floor(read) {
            Some(Violation::Stale(*read))
        } else {
            None
        }
    });
    broken.collect()
}

fn newest_by_time(writes: &[&Write]) -> Vec<(u64, u32)> {
    let at = |write: &&Write| Some((write.acknowledged_us?, write.version));
    let mut acknowledged: Vec<(u64, u32)> = writes.iter().filter_map(at).collect();
    acknowledged.sort_unstable();
    let mut newest = 0;
    for (_, version) in &mut acknowledged {
        newest = newest.max(*version);
        *version = newest;
    }
    acknowledged
}

#[cfg(test)]
mod tests {
    use super::{Read, Violation, Write, judge};

    const BOUND: u64 = 1_000;

    fn write(version: u32, sent_us: u64, acknowledged_us: Option<u64>) -> Write {
        Write {
            value: 1,
            version,
            sent_us,
            acknowledged_us,
        }
    }

    fn read(version: u32, asked_us: u64) -> Read {
        Read {
            value: 1,
            version,
            asked_us,
            answered_us: asked_us + 10,
            node: 0,
            is_marked: false,
            token_of: 0,
            in_list: false,
        }
    }

    fn writes() -> [Write; 3] {
        [
            write(1, 0, Some(10)),
            write(2, 100, None),
            write(3, 200, Some(300)),
        ]
    }

    #[test]
    fn what_is_within_the_bound_newer_or_marked_is_right() {
        let late = Read {
            is_marked: true,
            token_of: 3,
            ..read(1, 99_000)
        };
        let reads = [
            read(1, 50),
            read(1, 1_299),
            // Nobody was told of it, and it may have been done.
            read(2, 1_299),
            read(3, 250),
            read(3, 99_000),
            late,
        ];
        assert_eq!(judge(&writes(), &reads, BOUND), []);
    }

    #[test]
    fn what_is_older_than_the_bound_allows_is_stale() {
        for stale in [read(1, 1_300), read(2, 1_300), read(1, 99_000)] {
            assert_eq!(judge(&writes(), &[stale], BOUND), [Violation::Stale(stale)]);
        }
    }

    #[test]
    fn a_token_knows_no_bound() {
        let behind = Read {
            token_of: 3,
            ..read(1, 310)
        };
        assert_eq!(
            judge(&writes(), &[behind], BOUND),
            [Violation::BehindToken(behind)]
        );
    }

    #[test]
    fn what_nobody_wrote_by_then_is_from_nowhere_marked_or_not() {
        let unknown = Read {
            is_marked: true,
            ..read(4, 500)
        };
        let other = Read {
            value: 2,
            ..read(1, 500)
        };
        for nowhere in [unknown, read(3, 150), other] {
            assert_eq!(
                judge(&writes(), &[nowhere], BOUND),
                [Violation::FromNowhere(nowhere)]
            );
        }
    }
}
