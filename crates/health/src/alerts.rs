//! What somebody should be told of: conditions that hold, since when, and what the receiver was told.
//!
//! For those without a Prometheus: a process that watches itself says here which conditions hold now
//! ([`Alerts::observe`]), and whoever delivers asks what there is to tell ([`Alerts::untold`]). Invariants:
//!
//! - What is to be told follows from what holds and from what was told last, and from no queue: nothing is told twice, a
//!   receiver that was away is told what is true now, and memory is bounded by the number of conditions.
//! - A condition that comes and goes within [`AlertConfig::hold`] is none; one that is gone for less than
//!   [`AlertConfig::calm`] has not ended.
//! - What was told to fire is told to have ended, and what fired and ended while nobody listened is told once, as ended.

pub mod webhook;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use prepnexus_domain::Clock;
use serde::Serialize;

/// How soon somebody should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// At once, at night too.
    Page,
    /// On the next working day.
    Ticket,
}

impl Urgency {
    /// `page` or `ticket`: the value of the label `severity`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
        }
    }
}

/// A condition that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Its name, as in the Prometheus rules.
    pub name: &'static str,
    /// How soon somebody should look.
    pub urgency: Urgency,
    /// What distinguishes it from others of the name: a node, an error's code.
    pub of: Option<(&'static str, String)>,
    /// What is wrong, in one line.
    pub summary: String,
}

/// An alert that fires, or has ended and was not told yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What it is.
    pub alert: Alert,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended, if it has.
    pub ended_at: Option<Timestamp>,
}

/// When a condition counts.
#[derive(Debug, Clone, Copy)]
pub struct AlertConfig {
    /// How long it must hold before it fires.
    pub hold: Duration,
    /// How long it must be gone before it has ended.
    pub calm: Duration,
    /// How long after it was told of what still fires is told again.
    pub repeat: Duration,
}

impl Default for AlertConfig {
    fn default() -> Self {
        Self {
            hold: Duration::from_secs(1),
            calm: Duration::from_secs(5),
            repeat: Duration::from_secs(4 * 3_600),
        }
    }
}

/// The alerts of one process. Shared by reference.
pub struct Alerts {
    clock: Arc<dyn Clock>,
    config: AlertConfig,
    states: Mutex<BTreeMap<Key, State>>,
}

/// Name, and the value that distinguishes.
type Key = (&'static str, String);

#[derive(Debug)]
struct State {
    alert: Alert,
    /// When it was first seen to hold.
    began: (Instant, Timestamp),
    /// When it was first seen not to hold any more.
    gone: Option<(Instant, Timestamp)>,
    /// Whether it has held for long enough.
    fires: bool,
    /// The receiver was told that it fires, then.
    told: Option<Instant>,
}

impl State {
    fn has_ended(&self, config: &AlertConfig, now: Instant) -> bool {
        self.gone
            .is_some_and(|(since, _)| now.saturating_duration_since(since) >= config.calm)
    }

    fn told(&self, ended: bool) -> Told {
        Told {
            alert: self.alert.clone(),
            started_at: self.began.1,
            ended_at: self.gone.filter(|_| ended).map(|(_, at)| at),
        }
    }
}

impl Alerts {
    /// None yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, config: AlertConfig) -> Self {
        Self {
            clock,
            config,
            states: Mutex::default(),
        }
    }

    /// Takes note of all conditions that hold at `now`: what is not among them doesn't.
    pub fn observe(&self, holding: Vec<Alert>, now: Instant) {
        let at = self.clock.now();
        let mut states = self.lock();
        let mut absent: Vec<Key> = states.keys().cloned().collect();
        for alert in holding {
            let value = alert.of.as_ref().map_or("", |(_, value)| value);
            let key = (alert.name, value.to_owned());
            absent.retain(|other| *other != key);
            let state = states.entry(key).or_insert_with(|| State {
                alert: alert.clone(),
                began: (now, at),
                gone: None,
                fires: false,
                told: None,
            });
            if state.told.is_none() && state.has_ended(&self.config, now) {
                // Nobody knows of the earlier time: this is another.
                state.began = (now, at);
                state.fires = false;
            }
            state.alert = alert;
            state.gone = None;
            let held = now.saturating_duration_since(state.began.0);
            state.fires |= held >= self.config.hold;
        }
        for key in absent {
            if let Some(state) = states.get_mut(&key) {
                state.gone.get_or_insert((now, at));
            }
        }
        states.retain(|_, state| state.fires || state.gone.is_none());
    }

    /// What the receiver does not know yet, all of one name: those that began to fire, that ended, or that were told long ago.
    #[must_use]
    pub fn untold(&self, now: Instant) -> Option<Vec<Told>> {
        let states = self.lock();
        let news = states.iter().filter(|(_, state)| state.fires);
        let news = news.filter_map(|((name, _), state)| {
            let ended = state.has_ended(&self.config, now);
            let is_due = state.told.is_none_or(|told| {
                ended || now.saturating_duration_since(told) >= self.config.repeat
            });
            is_due.then(|| (*name, state.told(ended)))
        });
        let mut news = news.peekable();
        let first = news.peek()?.0;
        Some(
            news.take_while(|(name, _)| *name == first)
                .map(|(_, told)| told)
                .collect(),
        )
    }

    /// The receiver was told `what`.
    pub fn told(&self, what: &[Told], now: Instant) {
        let mut states = self.lock();
        for told in what {
            let value = told.alert.of.as_ref().map_or("", |(_, value)| value);
            let key = (told.alert.name, value.to_owned());
            let Some(state) = states.get_mut(&key) else {
                continue;
            };
            match told.ended_at {
                None => state.told = Some(now),
                Some(_) if state.gone.is_some() => {
                    states.remove(&key);
                }
                // It was told to have ended, and holds again.
                Some(_) => {
                    state.told = None;
                    state.began = (now, self.clock.now());
                }
            }
        }
    }

    /// What fires now, by name.
    #[must_use]
    pub fn firing(&self) -> Vec<Told> {
        let states = self.lock();
        let firing = states.values().filter(|state| state.fires);
        let firing = firing.filter(|state| state.gone.is_none());
        firing.map(|state| state.told(false)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Alerts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alerts")
            .field("config", &self.config)
            .field("states", &*self.lock())
            .finish_non_exhaustive()
    }
}
