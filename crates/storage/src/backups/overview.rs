//! How backups are at one moment: the records, and what the primary says of its archiver.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::run::{self, Action, Latest, Run};
use crate::{error::Error, read::ReadConn};

/// How backups are.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    /// When it was looked.
    pub at: Timestamp,
    /// When a scheduler last said that it lives; `None` where there never was one.
    pub beat_at: Option<Timestamp>,
    /// The last runs of each action.
    pub last: BTreeMap<Action, Latest>,
    /// The primary's archiver.
    pub archiver: Archiver,
}

/// Whether the primary gets its write-ahead log out of the house.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Archiver {
    /// Whether it is to.
    pub is_on: bool,
    /// When it last did.
    pub archived_at: Option<Timestamp>,
    /// When it last failed to.
    pub failed_at: Option<Timestamp>,
}

impl Archiver {
    /// Whether the last try failed.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.is_on && self.failed_at.is_some() && self.failed_at > self.archived_at
    }
}

impl Overview {
    /// Whether backups are made by this project's program at all: they may be another's work.
    #[must_use]
    pub fn are_kept(&self) -> bool {
        self.beat_at.is_some() || !self.last.is_empty()
    }

    /// The last backup that succeeded.
    #[must_use]
    pub fn last_backup(&self) -> Option<&Run> {
        let backups = self.last.iter().filter(|(action, _)| action.is_backup());
        let runs = backups.filter_map(|(_, latest)| latest.success.as_ref());
        runs.max_by_key(|run| run.ended_at)
    }

    /// The last rehearsal that succeeded.
    #[must_use]
    pub fn last_drill(&self) -> Option<&Run> {
        self.last.get(&Action::Drill)?.success.as_ref()
    }

    /// The last run of each action, where it failed. A backup that failed is made up for by a stronger one.
    #[must_use]
    pub fn failing(&self) -> Vec<&Run> {
        let last = self.last.values().filter_map(|latest| latest.any.as_ref());
        let failed = last.filter(|run| run.error.is_some());
        failed.filter(|run| !self.is_made_up_for(run)).collect()
    }

    fn is_made_up_for(&self, failed: &Run) -> bool {
        let mut stronger = self
            .last
            .iter()
            .filter(|(action, _)| action.stands_for(failed.action));
        stronger.any(|(_, latest)| {
            let success = latest.success.as_ref();
            success.is_some_and(|run| run.started_at > failed.started_at)
        })
    }

    /// How long ago a scheduler said that it lives, when it was looked.
    #[must_use]
    pub fn scheduler_age(&self) -> Option<SignedDuration> {
        self.beat_at.map(|beat| self.age(beat))
    }

    /// How long ago the primary archived a segment of its log, when it was looked; `None` where it isn't to, or never did.
    #[must_use]
    pub fn archive_age(&self) -> Option<SignedDuration> {
        let archived = self.archiver.archived_at.filter(|_| self.archiver.is_on);
        archived.map(|archived| self.age(archived))
    }

    fn age(&self, time: Timestamp) -> SignedDuration {
        self.at.duration_since(time).max(SignedDuration::ZERO)
    }
}

/// How backups are at `now`, asked of the primary: a replica's archiver does nothing.
///
/// # Errors
/// As [`ReadConn::query`].
pub async fn overview(conn: &ReadConn, now: Timestamp) -> Result<Overview, Error> {
    const SQL: &str = "-- backups.overview
SELECT (SELECT beat_at FROM backup_scheduler) AS beat_at, current_setting('archive_mode') <> 'off' AS is_on,
       last_archived_time, last_failed_time
FROM pg_stat_archiver";
    let row = conn.query_one(SQL, &[]).await?;
    Ok(Overview {
        at: now,
        beat_at: row.get("beat_at")?,
        archiver: Archiver {
            is_on: row.get("is_on")?,
            archived_at: row.get("last_archived_time")?,
            failed_at: row.get("last_failed_time")?,
        },
        last: run::last(conn).await?,
    })
}
