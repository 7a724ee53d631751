//! What the API tells of backups.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::run::{self, Action, Latest};
use crate::{error::Error, read::ReadConn};

/// How backups are.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Overview {
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

/// How backups are, asked of the primary: a replica's archiver does nothing.
///
/// # Errors
/// As [`ReadConn::query`].
pub async fn overview(conn: &ReadConn) -> Result<Overview, Error> {
    const SQL: &str = "-- backups.overview
SELECT (SELECT beat_at FROM backup_scheduler) AS beat_at, current_setting('archive_mode') <> 'off' AS is_on,
       last_archived_time, last_failed_time
FROM pg_stat_archiver";
    let row = conn.query_one(SQL, &[]).await?;
    Ok(Overview {
        beat_at: row.get("beat_at")?,
        archiver: Archiver {
            is_on: row.get("is_on")?,
            archived_at: row.get("last_archived_time")?,
            failed_at: row.get("last_failed_time")?,
        },
        last: run::last(conn).await?,
    })
}
