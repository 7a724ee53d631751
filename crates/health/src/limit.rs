//! How much may be under way at once, learned from how long it takes: as much as keeps the other side busy, and no more.
//!
//! Past that point more work under way only waits on the other side, where nobody can refuse it early. How many wait there is
//! estimated as TCP Vegas does (Brakmo and Peterson, "TCP Vegas: End to End Congestion Avoidance on a Global Internet", IEEE
//! JSAC 13(8), 1995): with `n` under way, which take `r` times as long as if nothing were in their way, `n · (1 - 1/r)` wait.
//! Fewer than [`ALPHA`]: one more may be under way. More than [`BETA`]: some less, by a share, so that many processes in front
//! of one database end at the same limit (Chiu and Jain, "Analysis of the Increase and Decrease Algorithms for Congestion
//! Avoidance in Computer Networks", 1989).
//!
//! Unlike a network's packets, requests differ in what they cost: each *kind* has its own undisturbed time, and `r` is of the
//! sums, for by Little's law it is time that is spent waiting, and a short one behind a long one waits many times its own.
//! What is undisturbed is what ends while no more than the least is under way. Where more always waits nobody sees that: if it
//! was not seen for [`PROBE_EVERY`], little is let in for a moment, as by BBR (Cardwell and others, "BBR: Congestion-Based
//! Congestion Control", ACM Queue 14(5), 2016). Pure: the time is passed in.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Fewer than so many waiting on the other side, or than this share of the limit: it could do with more.
pub const ALPHA: (f64, f64) = (2.0, 0.1);
/// More than so many waiting on the other side, and than this share of the limit: too much is under way.
pub const BETA: (f64, f64) = (4.0, 0.2);
/// What is left of the limit when too much is under way, and when something was not answered in time.
const LESS: f64 = 0.9;
const MUCH_LESS: f64 = 0.5;
/// So many undisturbed times stand for their kind, the older the less: single ones vary.
const AVERAGED: f64 = 32.0;
/// After this time without undisturbed ones it is tried how long they take, while the limit is used.
pub const PROBE_EVERY: Duration = Duration::from_secs(10);
/// A try ends after so many, or that time after the first of them; or when it took too long to come to the first.
const PROBED: u32 = 32;
const PROBE_TIME: Duration = Duration::from_millis(200);
const DRAIN_TIME: Duration = Duration::from_secs(2);
/// So many undisturbed times, seen without a try, make it needless.
const ENOUGH: u32 = 8;
/// The fewest times that are judged together.
const FEWEST: f64 = 16.0;

/// Between what a limit stays, and where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitConfig {
    /// So few disturb nobody (2): what ends while no more is under way counts as undisturbed.
    pub min: u32,
    /// Never below (2), but for the moments in which undisturbed times are looked for.
    pub floor: u32,
    /// Never above (64).
    pub max: u32,
    /// At first (16).
    pub initial: u32,
}

impl Default for LimitConfig {
    fn default() -> Self {
        Self {
            min: 2,
            floor: 2,
            max: 64,
            initial: 16,
        }
    }
}

/// How one piece of work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was done, and took so long.
    After(Duration),
    /// It was not done in time.
    TooLate,
    /// In another way, which says nothing of how busy the other side is.
    Otherwise,
}

/// The limit of what is under way.
#[derive(Debug)]
pub struct ConcurrencyLimit {
    config: LimitConfig,
    limit: f64,
    kinds: HashMap<&'static str, Kind>,
    batch: Batch,
    probe: Probe,
    /// Undisturbed times since it was tried last, or since that was found needless.
    undisturbed: u32,
}

/// Whether undisturbed times are being looked for.
#[derive(Debug)]
enum Probe {
    /// Not since then; never, at first.
    Idle(Option<Instant>),
    /// Since then; so many are still to be seen.
    Since(Instant, u32),
}

/// What is judged together: about twice as much as is under way at once.
#[derive(Debug, Default)]
struct Batch {
    count: f64,
    /// How long all took, in seconds.
    time: f64,
    /// How long all would have taken with nothing in their way.
    undisturbed: f64,
    /// The most that were under way.
    busiest: u32,
    was_late: bool,
}

/// How long one of a kind takes undisturbed.
#[derive(Debug, Default)]
struct Kind {
    /// How many times were seen, as far as that matters.
    count: f64,
    /// Their average, in seconds.
    average: f64,
}

impl ConcurrencyLimit {
    /// A limit that has seen nothing.
    #[must_use]
    pub fn new(config: LimitConfig) -> Self {
        let min = config.min.max(1);
        let floor = config.floor.max(min);
        let max = config.max.max(floor);
        Self {
            config: LimitConfig {
                min,
                floor,
                max,
                ..config
            },
            limit: f64::from(config.initial.clamp(floor, max)),
            kinds: HashMap::new(),
            batch: Batch::default(),
            probe: Probe::Idle(None),
            undisturbed: 0,
        }
    }

    /// How much may be under way now.
    #[must_use]
    pub fn get(&self) -> u32 {
        match self.probe {
            Probe::Idle(_) => self.steady(),
            Probe::Since(..) => self.config.min,
        }
    }

    /// The same but for the moments in which undisturbed times are looked for.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it stays between two numbers of that type"
    )]
    pub fn steady(&self) -> u32 {
        self.limit as u32
    }

    /// Something of that kind ended, with `under_way` under way until then, itself included.
    pub fn on_end(&mut self, kind: &'static str, ended: Ended, under_way: u32, now: Instant) {
        self.batch.busiest = self.batch.busiest.max(under_way);
        match ended {
            Ended::After(time) => {
                let seconds = time.as_secs_f64().max(1e-6);
                let is_undisturbed = under_way <= self.config.min;
                self.undisturbed = self.undisturbed.saturating_add(u32::from(is_undisturbed));
                let kind = self.kinds.entry(kind).or_default();
                self.batch.undisturbed += kind.undisturbed(seconds, is_undisturbed);
                self.batch.time += seconds;
                self.batch.count += 1.0;
            }
            Ended::TooLate => {
                self.batch.was_late = true;
                self.batch.count += 1.0;
            }
            Ended::Otherwise => return,
        }
        if self.is_probing(under_way, now) {
            self.batch = Batch::default();
        } else if self.batch.count >= (2.0 * self.limit).max(FEWEST) || self.batch.was_late {
            self.judge(now);
        }
    }

    /// Whether undisturbed times are being looked for; ends that when enough were seen.
    fn is_probing(&mut self, under_way: u32, now: Instant) -> bool {
        let Probe::Since(began, left) = &mut self.probe else {
            return false;
        };
        // What came in before is in the way of the rest.
        if under_way <= self.config.min {
            *began = if *left == PROBED { now } else { *began };
            *left -= 1;
        }
        let limit = if *left == PROBED {
            DRAIN_TIME
        } else {
            PROBE_TIME
        };
        if *left == 0 || now.saturating_duration_since(*began) >= limit {
            self.probe = Probe::Idle(Some(now));
            self.undisturbed = 0;
        }
        true
    }

    fn judge(&mut self, now: Instant) {
        let batch = std::mem::take(&mut self.batch);
        if batch.was_late {
            return self.set(self.limit * MUCH_LESS);
        }
        let under_way = f64::from(batch.busiest).min(self.limit);
        let is_used = under_way >= self.limit / 2.0;
        let is_recent = |probed: Instant| now.saturating_duration_since(probed) < PROBE_EVERY;
        if is_used
            && let Probe::Idle(last) = self.probe
            && !last.is_some_and(is_recent)
        {
            if std::mem::take(&mut self.undisturbed) < ENOUGH {
                self.probe = Probe::Since(now, PROBED);
                return;
            }
            self.probe = Probe::Idle(Some(now));
        }
        let waiting = under_way * (1.0 - batch.undisturbed / batch.time);
        let bound = |(count, share): (f64, f64)| (self.limit * share).max(count);
        if waiting > bound(BETA) {
            self.set((self.limit * LESS).min(self.limit - 1.0));
        } else if waiting < bound(ALPHA) && is_used {
            // What was not used has not been shown to be bearable.
            self.set(self.limit + 1.0);
        }
    }

    fn set(&mut self, limit: f64) {
        self.limit = limit.clamp(f64::from(self.config.floor), f64::from(self.config.max));
    }
}

impl Kind {
    /// How long one that took so long would have taken undisturbed; learns from it if it was.
    fn undisturbed(&mut self, seconds: f64, is_undisturbed: bool) -> f64 {
        if is_undisturbed {
            self.count = (self.count + 1.0).min(AVERAGED);
            self.average += (seconds - self.average) / self.count;
        }
        // Of a kind that was never seen so nothing is known.
        if self.count > 0.0 {
            self.average
        } else {
            seconds
        }
    }
}
