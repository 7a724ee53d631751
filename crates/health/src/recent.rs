//! What happened lately: chosen metrics over the last 1, 5 and 15 minutes, and since the process began.
//!
//! A metrics server keeps history; this answers an operator who has none at hand, from inside the process. It sees what
//! the libraries record through the `metrics` facade: [`Recent::beside`] stands in front of the recorder that exports, and
//! takes note of the metrics it was told to keep. Invariants:
//!
//! - Recording takes no lock: it adds to a number. Its owner calls [`Recent::tick`] every few seconds, which writes down by
//!   how much each has grown. A window is the sum of what was written down, and of what came since.
//! - Memory is bounded by the number of series, as in any exporter: what is kept of each is [`KEPT`] long.

mod histogram;
mod recorder;

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64, atomic::Ordering},
    time::{Duration, Instant},
};

use metrics::{Key, Recorder};

use self::histogram::{Cells, Few};
pub use self::{
    histogram::{LONGEST, Times},
    recorder::Beside,
};

/// The longest window.
pub const KEPT: Duration = Duration::from_secs(15 * 60);

/// The last minutes of some metrics. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Recent(Arc<Inner>);

struct Inner {
    names: &'static [&'static str],
    kept: Mutex<Kept>,
}

struct Kept {
    /// When it was looked, the first time at its beginning.
    ticks: VecDeque<Instant>,
    counters: HashMap<Key, Series<AtomicU64, u64, u64>>,
    histograms: HashMap<Key, Series<Cells, Times, Few>>,
}

/// One metric with its labels: what is added to, what that was at the last tick, and how it grew in the ticks before.
struct Series<Live, Seen, Growth> {
    live: Arc<Live>,
    seen: Seen,
    growth: VecDeque<Growth>,
}

impl<Live, Seen: Default, Growth> Series<Live, Seen, Growth> {
    fn new(live: Live) -> Self {
        Self {
            live: Arc::new(live),
            seen: Seen::default(),
            growth: VecDeque::new(),
        }
    }
}

/// How much of the past is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// The last so much, to the precision of a tick; at most [`KEPT`].
    Last(Duration),
    /// All since the process began.
    All,
}

impl Recent {
    /// Keeps the counters and histograms of these names; a histogram's values are seconds.
    #[must_use]
    pub fn new(names: &'static [&'static str], now: Instant) -> Self {
        Self(Arc::new(Inner {
            names,
            kept: Mutex::new(Kept {
                ticks: VecDeque::from([now]),
                counters: HashMap::new(),
                histograms: HashMap::new(),
            }),
        }))
    }

    /// A recorder that hands all to `recorder`, and takes note of what is kept here.
    #[must_use]
    pub fn beside<R: Recorder>(&self, recorder: R) -> Beside<R> {
        Beside::new(self.clone(), recorder)
    }

    /// Writes down what has happened since the last time. To be called every few seconds.
    pub fn tick(&self, now: Instant) {
        let kept = &mut *self.lock();
        kept.ticks.push_back(now);
        let is_old = |tick: &Instant| now.saturating_duration_since(*tick) > KEPT;
        while kept.ticks.front().is_some_and(is_old) {
            kept.ticks.pop_front();
        }
        let most = kept.ticks.len() - 1;
        for series in kept.counters.values_mut() {
            let value = series.live.load(Ordering::Relaxed);
            let growth = value.saturating_sub(series.seen);
            series.seen = value;
            keep(&mut series.growth, growth, most);
        }
        for series in kept.histograms.values_mut() {
            let value = series.live.read();
            let growth = value.since(&series.seen);
            series.seen = value;
            keep(&mut series.growth, growth, most);
        }
    }

    /// How long `window` really is: to the tick, and not longer than there is something to tell of.
    #[must_use]
    pub fn covered(&self, window: Window, now: Instant) -> Duration {
        let kept = self.lock();
        let begin = kept.ticks[kept.first_tick(window, now)];
        now.saturating_duration_since(begin)
    }

    /// By how much each counter of that name has grown, with its labels.
    #[must_use]
    pub fn counters(&self, name: &str, window: Window, now: Instant) -> Vec<(Labels, u64)> {
        let kept = self.lock();
        let ticks = kept.ticks_in(window, now);
        let of_name = kept.counters.iter().filter(|(key, _)| key.name() == name);
        let grown = of_name.map(|(key, series)| {
            let value = series.live.load(Ordering::Relaxed);
            let grown = match ticks {
                None => value,
                Some(ticks) => {
                    let written: u64 = series.growth.iter().rev().take(ticks).sum();
                    written + value.saturating_sub(series.seen)
                }
            };
            (Labels(key.clone()), grown)
        });
        grown.collect()
    }

    /// What each histogram of that name was given, with its labels.
    #[must_use]
    pub fn times(&self, name: &str, window: Window, now: Instant) -> Vec<(Labels, Times)> {
        let kept = self.lock();
        let ticks = kept.ticks_in(window, now);
        let of_name = kept.histograms.iter().filter(|(key, _)| key.name() == name);
        let given = of_name.map(|(key, series)| {
            let value = series.live.read();
            let given = match ticks {
                None => value,
                Some(ticks) => {
                    let mut sum = Times::default();
                    sum.add(&value.since(&series.seen));
                    let written = series.growth.iter().rev().take(ticks);
                    written.for_each(|few| sum.add(few));
                    sum
                }
            };
            (Labels(key.clone()), given)
        });
        given.collect()
    }

    fn keeps(&self, key: &Key) -> bool {
        self.0.names.contains(&key.name())
    }

    fn counter(&self, key: &Key) -> Arc<AtomicU64> {
        let mut kept = self.lock();
        let series = kept.counters.entry(key.clone());
        let series = series.or_insert_with(|| Series::new(AtomicU64::new(0)));
        Arc::clone(&series.live)
    }

    fn histogram(&self, key: &Key) -> Arc<Cells> {
        let mut kept = self.lock();
        let series = kept.histograms.entry(key.clone());
        let series = series.or_insert_with(|| Series::new(Cells::new()));
        Arc::clone(&series.live)
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// The tick at which `window` begins.
    fn first_tick(&self, window: Window, now: Instant) -> usize {
        let Window::Last(length) = window else {
            return 0;
        };
        let is_inside = |tick: &&Instant| now.saturating_duration_since(**tick) <= length;
        let inside = self.ticks.iter().rev().take_while(is_inside).count();
        self.ticks.len() - inside.max(1)
    }

    /// How many ticks back `window` goes; `None` for all there ever was.
    fn ticks_in(&self, window: Window, now: Instant) -> Option<usize> {
        match window {
            Window::All => None,
            Window::Last(_) => Some(self.ticks.len() - 1 - self.first_tick(window, now)),
        }
    }
}

/// Takes in the growth of one tick, and drops what is more than `most` ticks old.
fn keep<G>(growth: &mut VecDeque<G>, one: G, most: usize) {
    growth.push_back(one);
    while growth.len() > most {
        growth.pop_front();
    }
}

/// What distinguishes a series from others of its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Labels(Key);

impl Labels {
    /// The label of that name; empty where there is none, as in Prometheus.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        let mut labels = self.0.labels();
        labels
            .find(|label| label.key() == name)
            .map_or("", metrics::Label::value)
    }
}

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.lock();
        f.debug_struct("Recent")
            .field("names", &self.0.names)
            .field("series", &(kept.counters.len() + kept.histograms.len()))
            .finish_non_exhaustive()
    }
}
