//! What somebody should look at, by what is known of backups: one judgement for the API, which tells, and for
//! `backup status`, which fails. The rules of Prometheus have the same limits.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::{
    overview::Overview,
    run::{Action, Run},
};

/// A last backup that ended longer ago is too old.
const BACKUP_AGE: SignedDuration = SignedDuration::from_hours(26);
/// So is a last rehearsal.
const DRILL_AGE: SignedDuration = SignedDuration::from_hours(50);
/// A scheduler writes every second.
const SCHEDULER_AGE: SignedDuration = SignedDuration::from_mins(2);
/// While a scheduler writes, a segment of the log is archived every minute.
const ARCHIVE_AGE: SignedDuration = SignedDuration::from_mins(10);
/// A minute is what is documented.
const RECOVERY_POINT_SECONDS: f64 = 120.0;

/// Something to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// The last backup is too old, or there is none.
    BackupTooOld,
    /// The last rehearsal is too old, or there is none.
    DrillTooOld,
    /// The last rehearsal failed.
    DrillFailed,
    /// The last try of this action, which is no rehearsal, failed.
    BackupFailing(Action),
    /// The primary can't hand over its log.
    ArchivingFails,
    /// Nobody keeps the schedule.
    SchedulerGone,
    /// More would be lost with the primary than is documented.
    RecoveryPointMissed,
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BackupTooOld => "The last backup is more than a day old",
            Self::DrillTooOld => "No restore has been rehearsed with success for two days",
            Self::DrillFailed => "The last rehearsal of a restore failed",
            Self::BackupFailing(action) => {
                return write!(
                    f,
                    "The last try of what is done about backups failed ({})",
                    action.as_str()
                );
            }
            Self::ArchivingFails => {
                "The primary does not get its log archived: what is written now would be lost with it"
            }
            Self::SchedulerGone => "Nobody keeps the schedule of backups",
            Self::RecoveryPointMissed => {
                "More than two minutes would have been lost with the primary, says the last rehearsal"
            }
        })
    }
}

impl Overview {
    /// What is to be looked at, at `now`. Nothing where nothing was ever recorded: backups are then another's work.
    #[must_use]
    pub fn concerns(&self, now: Timestamp) -> Vec<Concern> {
        if !self.are_kept() {
            return Vec::new();
        }
        let is_old = |run: Option<&Run>, age: SignedDuration| {
            run.is_none_or(|run| now.duration_since(run.ended_at) > age)
        };
        let is_late = self.archive_age().is_some_and(|age| age > ARCHIVE_AGE);
        let scheduler_age = self.scheduler_age();
        let is_written = scheduler_age.is_some_and(|age| age < SCHEDULER_AGE);
        let point = self.last_drill().and_then(|run| run.recovery_point_seconds);
        let failing = self.failing().into_iter().map(|run| match run.action {
            Action::Drill => Concern::DrillFailed,
            action => Concern::BackupFailing(action),
        });
        let others = [
            (
                is_old(self.last_backup(), BACKUP_AGE),
                Concern::BackupTooOld,
            ),
            (is_old(self.last_drill(), DRILL_AGE), Concern::DrillTooOld),
            (
                self.archiver.is_failing() || is_late && is_written,
                Concern::ArchivingFails,
            ),
            (
                scheduler_age.is_some_and(|age| age > SCHEDULER_AGE),
                Concern::SchedulerGone,
            ),
            (
                point.is_some_and(|seconds| seconds > RECOVERY_POINT_SECONDS),
                Concern::RecoveryPointMissed,
            ),
        ];
        let others = others.into_iter().filter(|(holds, _)| *holds);
        failing.chain(others.map(|(_, concern)| concern)).collect()
    }
}
