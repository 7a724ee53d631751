//! What is due: a pure function of the schedule, of the runs that there were, and of the time.

use std::collections::BTreeMap;

use cronexpr::{Crontab, FallbackTimezoneOption, ParseOptions};
use jiff::{SignedDuration, Timestamp};
use prepnexus_storage::backups::{Action, Latest};
use xxhash_rust::xxh3::xxh3_64;

/// After a run that failed, the next try.
pub const RETRY: SignedDuration = SignedDuration::from_mins(10);
/// No schedule's slots are further apart: an expression may name a day that comes every fourth year.
const YEARS_BACK: i64 = 5;

/// When each action is done.
#[derive(Debug, Clone)]
pub struct Plan {
    entries: Vec<(Action, Crontab)>,
    jitter: SignedDuration,
    seed: u64,
}

/// A schedule that can't be kept.
#[derive(Debug, thiserror::Error)]
#[error(
    "{text:?}: expected five fields, minute, hour, day of month, month, day of week, and a time zone if not UTC ({detail})"
)]
pub struct InvalidSchedule {
    text: String,
    detail: String,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// What.
    pub action: Action,
    /// How many slots it is for: more than one where some were missed; 0 where the action was never done before.
    pub slots: u64,
}

impl Plan {
    /// A plan of actions with a cron expression each; an empty expression leaves the action out. Each slot begins up to
    /// `jitter` later, the same for all schedulers of a plan with the same `name`: so that many databases with one
    /// schedule don't go to one repository at once.
    ///
    /// # Errors
    /// [`InvalidSchedule`].
    pub fn new(
        entries: &[(Action, &str)],
        jitter: SignedDuration,
        name: &str,
    ) -> Result<Self, InvalidSchedule> {
        let wanted = entries.iter().filter(|(_, text)| !text.trim().is_empty());
        let parsed = wanted.map(|(action, text)| Ok((*action, parse(text)?)));
        let mut entries: Vec<(Action, Crontab)> = parsed.collect::<Result<_, _>>()?;
        entries.sort_by_key(|(action, _)| *action);
        Ok(Self {
            entries,
            jitter,
            seed: xxh3_64(name.as_bytes()),
        })
    }

    /// What is due at `now`, after the runs that there were; of several the first in [`Action::ALL`].
    #[must_use]
    pub fn due(&self, last: &BTreeMap<Action, Latest>, now: Timestamp) -> Option<Due> {
        let mut entries = self.entries.iter();
        entries.find_map(|(action, crontab)| self.due_of(*action, crontab, last, now))
    }

    fn due_of(
        &self,
        action: Action,
        crontab: &Crontab,
        last: &BTreeMap<Action, Latest>,
        now: Timestamp,
    ) -> Option<Due> {
        let failed = last.get(&action).and_then(|latest| latest.any.as_ref());
        if failed.is_some_and(|run| run.error.is_some() && now < run.ended_at + RETRY) {
            return None;
        }
        let done = last.iter().filter(|(other, _)| other.stands_for(action));
        let done = done.filter_map(|(_, latest)| latest.success.as_ref());
        let Some(done) = done.map(|run| run.started_at).max() else {
            return Some(Due { action, slots: 0 });
        };
        let oldest = now - SignedDuration::from_hours(24 * 366 * YEARS_BACK);
        let slots = crontab.iter_after(done.max(oldest)).ok()?;
        let slots = slots.map_while(Result::ok).map(|slot| slot.timestamp());
        // A slot that was begun late is done, though the run began behind the slot itself.
        let is_due = |slot: &Timestamp| self.begins(*slot) <= now;
        let slots = slots.take_while(is_due).count();
        (slots > 0).then(|| Due {
            action,
            slots: u64::try_from(slots).unwrap_or(u64::MAX),
        })
    }

    /// When a slot is begun: the same for all actions, so that the stronger one comes first.
    fn begins(&self, slot: Timestamp) -> Timestamp {
        let spread = u64::try_from(self.jitter.as_secs()).unwrap_or(0) + 1;
        let text = format!("{} {}", self.seed, slot.as_second());
        let delay = xxh3_64(text.as_bytes()) % spread;
        slot + SignedDuration::from_secs(i64::try_from(delay).unwrap_or(0))
    }
}

fn parse(text: &str) -> Result<Crontab, InvalidSchedule> {
    let mut options = ParseOptions::default();
    options.fallback_timezone_option = FallbackTimezoneOption::UTC;
    cronexpr::parse_crontab_with(text.trim(), options).map_err(|error| InvalidSchedule {
        text: text.to_owned(),
        detail: error.to_string(),
    })
}
