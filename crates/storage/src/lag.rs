//! How far a replica is behind, in bytes and in time.
//!
//! A server's own answer grows while its primary is idle: the age of the last replayed transaction
//! says nothing about a replica that has all there is. So the positions of the primary are noted
//! with the local time at which they were asked for, and a replica lags by the time since the
//! primary was first seen past what the replica has replayed. Both ends are on one clock, ours.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How long positions are remembered; a replica further behind lags by at least this.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Positions closer in time than this are one.
const RESOLUTION: Duration = Duration::from_millis(50);

/// Where the primary was, and when.
#[derive(Debug, Default)]
pub(crate) struct PrimaryHistory {
    timeline: u32,
    seen: VecDeque<(Instant, u64)>,
}

impl PrimaryHistory {
    /// Notes that the primary was at `position`, or beyond, at the moment `at`. Another timeline begins anew.
    pub(crate) fn note(&mut self, timeline: u32, at: Instant, position: u64) {
        if timeline != self.timeline {
            *self = Self {
                timeline,
                seen: VecDeque::new(),
            };
        }
        // The last one before what is remembered stays: the primary was there until the next.
        let is_old = |seen: &(Instant, u64)| at.saturating_duration_since(seen.0) > REMEMBERED;
        while self.seen.get(1).is_some_and(is_old) {
            self.seen.pop_front();
        }
        match self.seen.back() {
            Some((last, known))
                if *known >= position || at.saturating_duration_since(*last) < RESOLUTION => {}
            _ => self.seen.push_back((at, position)),
        }
    }

    /// How far a replica is behind that had replayed up to `position` when it was asked at `at`:
    /// bytes and time. What the primary wrote after that moment does not count.
    pub(crate) fn lag(&self, at: Instant, position: u64) -> (u64, Duration) {
        let before = || self.seen.iter().filter(|(seen_at, _)| *seen_at <= at);
        let newest = before().map(|(_, seen)| *seen).max().unwrap_or(0);
        let missed_since = before()
            .find(|(_, seen)| *seen > position)
            .map(|(seen_at, _)| *seen_at);
        let time = missed_since.map_or(Duration::ZERO, |since| at.saturating_duration_since(since));
        (newest.saturating_sub(position), time)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::PrimaryHistory;

    #[test]
    fn a_replica_that_has_everything_lags_by_nothing_however_long_the_primary_is_idle() {
        let (mut history, start) = (PrimaryHistory::default(), Instant::now());
        history.note(1, start, 500);
        assert_eq!(
            history.lag(start + Duration::from_secs(300), 500),
            (0, Duration::ZERO)
        );
    }

    #[test]
    fn one_write_after_a_long_idle_time_is_a_short_lag() {
        let (mut history, start) = (PrimaryHistory::default(), Instant::now());
        history.note(1, start, 500);
        let write = start + Duration::from_secs(50);
        history.note(1, write, 600);
        let asked = write + Duration::from_millis(20);
        assert_eq!(history.lag(asked, 500), (100, Duration::from_millis(20)));
    }

    #[test]
    fn what_the_primary_wrote_after_the_replica_was_asked_does_not_count() {
        let (mut history, start) = (PrimaryHistory::default(), Instant::now());
        history.note(1, start, 500);
        history.note(1, start + Duration::from_secs(2), 900);
        assert_eq!(
            history.lag(start + Duration::from_secs(1), 500),
            (0, Duration::ZERO)
        );
    }

    #[test]
    fn a_replica_that_stands_still_lags_since_the_primary_first_passed_it() {
        let (mut history, start) = (PrimaryHistory::default(), Instant::now());
        for second in 0..10_u32 {
            history.note(
                1,
                start + Duration::from_secs(second.into()),
                u64::from(second) * 100,
            );
        }
        let (bytes, time) = history.lag(start + Duration::from_secs(9), 250);
        assert_eq!((bytes, time), (650, Duration::from_secs(6)));
    }

    #[test]
    fn a_replica_that_is_cut_off_still_lags_after_a_long_idle_time() {
        let (mut history, start) = (PrimaryHistory::default(), Instant::now());
        for second in 0..200_u32 {
            history.note(1, start + Duration::from_secs(second.into()), 500);
        }
        let (bytes, time) = history.lag(start + Duration::from_secs(200), 400);
        assert!(
            bytes == 100 && time >= Duration::from_secs(60),
            "{bytes} {time:?}"
        );
    }

    #[test]
    fn a_new_timeline_forgets_the_old_one() {
        let (mut history, start) = (PrimaryHistory::default(), Instant::now());
        history.note(1, start, 5_000);
        history.note(2, start + Duration::from_secs(1), 400);
        assert_eq!(
            history.lag(start + Duration::from_secs(2), 400),
            (0, Duration::ZERO)
        );
    }
}
