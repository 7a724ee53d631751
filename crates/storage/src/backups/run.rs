//! Runs: one thing that was done about backups, and what came of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{error::Error, read::ReadConn, row::Row, tx::Tx};

/// What is done about backups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
pub enum Action {
    /// A backup of everything.
    #[serde(rename = "full")]
    Full,
    /// A backup of what changed since the last full one.
    #[serde(rename = "diff")]
    Differential,
    /// A backup of what changed since the last one of any kind.
    #[serde(rename = "incr")]
    Incremental,
    /// The repository's files compared with their checksums.
    #[serde(rename = "verify")]
    Verify,
    /// A restore, rehearsed.
    #[serde(rename = "drill")]
    Drill,
    /// What is older than is to be kept removed.
    #[serde(rename = "expire")]
    Expire,
}

impl Action {
    /// All of them; of two that are due at once the first is done first.
    pub const ALL: [Self; 6] = [
        Self::Full,
        Self::Differential,
        Self::Incremental,
        Self::Verify,
        Self::Drill,
        Self::Expire,
    ];

    /// Its name in tables, files and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Differential => "diff",
            Self::Incremental => "incr",
            Self::Verify => "verify",
            Self::Drill => "drill",
            Self::Expire => "expire",
        }
    }

    /// Whether it makes a backup.
    #[must_use]
    pub const fn is_backup(self) -> bool {
        matches!(self, Self::Full | Self::Differential | Self::Incremental)
    }

    /// Whether this one, done, leaves nothing of `other` to do: a full backup is also a differential one.
    #[must_use]
    pub fn stands_for(self, other: Self) -> bool {
        self == other || self.is_backup() && other.is_backup() && self < other
    }

    fn from_str(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }
}

/// One run that ended.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct Run {
    /// Its name, given by who ran it.
    pub id: String,
    /// What was done.
    pub action: Action,
    /// By whom: machine and process.
    pub runner: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Why it failed; `None` when it did not.
    pub error: Option<String>,
    /// The engine's name for the backup that was made, or restored.
    pub label: Option<String>,
    /// How much would have been lost when it began, in seconds; of rehearsals.
    pub recovery_point_seconds: Option<f64>,
    /// How long it took until what was restored could be written, in seconds; of rehearsals.
    pub recovery_time_seconds: Option<f64>,
    /// What else is to be known, by its kind.
    #[serde(default)]
    pub details: serde_json::Value,
}

/// The last runs of an action.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Latest {
    /// The last one.
    pub any: Option<Run>,
    /// The last one that succeeded.
    pub success: Option<Run>,
}

/// Enters runs that are not there yet, any number of them in one statement; how many.
///
/// # Errors
/// As [`Tx::execute`].
pub async fn insert(tx: &Tx, runs: &[Run]) -> Result<u64, Error> {
    const SQL: &str = "-- backups.insert
INSERT INTO backup_runs
SELECT * FROM jsonb_to_recordset($1) AS run (
    id text, action text, runner text, started_at timestamptz, ended_at timestamptz, error text, label text,
    recovery_point_seconds float8, recovery_time_seconds float8, details jsonb)
ON CONFLICT (id) DO NOTHING";
    let runs: Vec<_> = runs.iter().map(json).collect();
    let runs = serde_json::Value::from(runs);
    tx.execute(SQL, &[&runs]).await
}

fn json(run: &Run) -> serde_json::Value {
    let details = match &run.details {
        serde_json::Value::Null => serde_json::json!({}),
        details => details.clone(),
    };
    serde_json::json!({
        "id": run.id, "action": run.action.as_str(), "runner": run.runner,
        "started_at": run.started_at, "ended_at": run.ended_at, "error": run.error, "label": run.label,
        "recovery_point_seconds": run.recovery_point_seconds,
        "recovery_time_seconds": run.recovery_time_seconds, "details": details,
    })
}

/// The last runs of each action that was ever done.
///
/// # Errors
/// As [`ReadConn::query`].
pub async fn last(conn: &ReadConn) -> Result<BTreeMap<Action, Latest>, Error> {
    const SQL: &str = "-- backups.last
SELECT run.* FROM (VALUES ('full'), ('diff'), ('incr'), ('verify'), ('drill'), ('expire')) AS actions (action)
CROSS JOIN LATERAL (
    (SELECT * FROM backup_runs r WHERE r.action = actions.action ORDER BY started_at DESC LIMIT 1)
    UNION ALL
    (SELECT * FROM backup_runs r WHERE r.action = actions.action AND error IS NULL ORDER BY started_at DESC LIMIT 1)
) AS run";
    let mut last = BTreeMap::<Action, Latest>::new();
    for row in conn.query(SQL, &[]).await? {
        // A later version may know of more.
        let Some(run) = run(&row)? else { continue };
        let latest = last.entry(run.action).or_default();
        if run.error.is_none() {
            latest.success = Some(run.clone());
        }
        let is_later = |known: &Run| known.started_at <= run.started_at;
        if latest.any.as_ref().is_none_or(is_later) {
            latest.any = Some(run);
        }
    }
    Ok(last)
}

fn run(row: &Row) -> Result<Option<Run>, Error> {
    let action: String = row.get("action")?;
    let Some(action) = Action::from_str(&action) else {
        return Ok(None);
    };
    Ok(Some(Run {
        id: row.get("id")?,
        action,
        runner: row.get("runner")?,
        started_at: row.get("started_at")?,
        ended_at: row.get("ended_at")?,
        error: row.get("error")?,
        label: row.get("label")?,
        recovery_point_seconds: row.get("recovery_point_seconds")?,
        recovery_time_seconds: row.get("recovery_time_seconds")?,
        details: row.get("details")?,
    }))
}
