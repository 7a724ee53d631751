//! What somebody should be told of backups.

use jiff::Timestamp;
use prepnexus_health::alerts::Alert;
use prepnexus_storage::backups::{Concern, Overview};

use super::conditions::Condition;

/// The conditions that hold at `now`, by what was last seen.
pub(super) fn holding(seen: &Overview, now: Timestamp) -> Vec<Alert> {
    let concerns = seen.concerns(now).into_iter();
    concerns.map(alert).collect()
}

fn alert(concern: Concern) -> Alert {
    let (condition, of) = match concern {
        Concern::BackupTooOld => (Condition::BackupTooOld, None),
        Concern::DrillTooOld => (Condition::DrillTooOld, None),
        Concern::DrillFailed => (Condition::DrillFailed, None),
        Concern::BackupFailing(action) => {
            let of = Some(("action", action.as_str().to_owned()));
            (Condition::BackupFailing, of)
        }
        Concern::ArchivingFails => (Condition::ArchivingFails, None),
        Concern::SchedulerGone => (Condition::SchedulerGone, None),
        Concern::RecoveryPointMissed => (Condition::RecoveryPointMissed, None),
    };
    condition.alert(of, concern.to_string())
}
