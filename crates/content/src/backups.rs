//! How backups are: what the database's records say of them, looked at now and then.
//!
//! They are made and rehearsed by another program, which records each run; here they are told of. What was last seen is
//! told while the database is away, with the time of the look.

use std::sync::Arc;

use metrics::{describe_gauge, gauge};
use prepnexus_storage::{
    Deadline, Freshness, ReadConn,
    backups::{self, Action, Overview, Run},
};

use crate::{error::ContentError, service::Content};

const LAST_SUCCESS: &str = "prepnexus_backup_last_success_timestamp_seconds";
const LAST_DRILL: &str = "prepnexus_backup_last_drill_success_timestamp_seconds";
const RECOVERY_POINT: &str = "prepnexus_backup_recovery_point_seconds";
const RECOVERY_TIME: &str = "prepnexus_backup_recovery_time_seconds";
const FAILING: &str = "prepnexus_backup_failing";
const SCHEDULER_AGE: &str = "prepnexus_backup_scheduler_age_seconds";
const ARCHIVE_FAILING: &str = "prepnexus_backup_archive_failing";
const ARCHIVE_AGE: &str = "prepnexus_backup_archive_age_seconds";

pub(crate) fn describe() {
    describe_gauge!(
        LAST_SUCCESS,
        "When the last backup ended that succeeded; 0 where none did"
    );
    describe_gauge!(
        LAST_DRILL,
        "When the last rehearsed restore ended that succeeded; 0 where none did"
    );
    describe_gauge!(
        RECOVERY_POINT,
        "What would have been lost when the last rehearsal began"
    );
    describe_gauge!(
        RECOVERY_TIME,
        "How long the last rehearsed restore took until it could be written"
    );
    describe_gauge!(FAILING, "Whether the last try failed, by action");
    describe_gauge!(
        SCHEDULER_AGE,
        "How long ago a scheduler said that it lives, when it was last looked"
    );
    describe_gauge!(
        ARCHIVE_FAILING,
        "Whether the primary's last try to archive its log failed"
    );
    describe_gauge!(
        ARCHIVE_AGE,
        "How long ago the primary archived its log, when it was last looked"
    );
}

/// Sets the gauges. Without any record nothing is set, and so nothing is said to be old.
fn publish(seen: &Overview) {
    if !seen.are_kept() {
        return;
    }
    let second =
        |run: Option<&Run>| run.map_or(0.0, |run| run.ended_at.as_duration().as_secs_f64());
    gauge!(LAST_SUCCESS).set(second(seen.last_backup()));
    gauge!(LAST_DRILL).set(second(seen.last_drill()));
    let drill = seen.last_drill();
    if let Some(seconds) = drill.and_then(|run| run.recovery_point_seconds) {
        gauge!(RECOVERY_POINT).set(seconds);
    }
    if let Some(seconds) = drill.and_then(|run| run.recovery_time_seconds) {
        gauge!(RECOVERY_TIME).set(seconds);
    }
    let failing = seen.failing();
    for action in Action::ALL {
        let fails = failing.iter().any(|run| run.action == action);
        gauge!(FAILING, "action" => action.as_str()).set(if fails { 1.0 } else { 0.0 });
    }
    if let Some(age) = seen.scheduler_age() {
        gauge!(SCHEDULER_AGE).set(age.as_secs_f64());
    }
    let archive_fails = seen.archiver.is_failing();
    gauge!(ARCHIVE_FAILING).set(if archive_fails { 1.0 } else { 0.0 });
    if let Some(age) = seen.archive_age() {
        gauge!(ARCHIVE_AGE).set(age.as_secs_f64());
    }
}

impl Content {
    /// Looks at the records of backups, and remembers what they say, in the metrics too.
    ///
    /// # Errors
    /// [`ContentError::Storage`] when the primary does not answer; what was seen before is remembered.
    pub async fn look_at_backups(&self, deadline: Deadline) -> Result<Arc<Overview>, ContentError> {
        let now = self.clock().now();
        let read = |conn: Arc<ReadConn>| async move { backups::overview(&conn, now).await };
        let reading = self.cluster().read_with(Freshness::Primary, deadline, read);
        let seen = Arc::new(reading.await?);
        publish(&seen);
        self.remember_backups(Arc::clone(&seen));
        Ok(seen)
    }
}
