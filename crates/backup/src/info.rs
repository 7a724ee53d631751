//! What `pgbackrest info --output=json` says.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

/// One database cluster in the repository.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Stanza {
    /// Its name.
    pub name: String,
    /// What the engine says of it: `ok`, or what is wrong.
    #[serde(rename(deserialize = "status"), deserialize_with = "message")]
    pub message: String,
    /// Its backups, oldest first.
    #[serde(rename(deserialize = "backup"))]
    pub backups: Vec<Backup>,
}

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
pub enum BackupKind {
    /// Everything.
    #[serde(rename = "full")]
    Full,
    /// What changed since the last full one.
    #[serde(rename = "diff")]
    Differential,
    /// What changed since the last one of any kind.
    #[serde(rename = "incr")]
    Incremental,
}

/// One backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// The engine's name for it.
    pub label: String,
    /// What it holds.
    pub kind: BackupKind,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub stopped_at: Timestamp,
    /// Whether the engine found damaged pages while it was made.
    pub damaged: bool,
    /// The size of the database, in bytes.
    pub database_bytes: u64,
}

impl Stanza {
    /// The latest backup without damage.
    #[must_use]
    pub fn latest(&self) -> Option<&Backup> {
        self.backups
            .iter()
            .filter(|backup| !backup.damaged)
            .max_by_key(|backup| backup.stopped_at)
    }
}

pub(crate) fn parse(json: &[u8]) -> serde_json::Result<Vec<Stanza>> {
    serde_json::from_slice(json)
}

#[derive(Deserialize)]
struct RawStatus {
    message: String,
}

fn message<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    RawStatus::deserialize(deserializer).map(|status| status.message)
}

#[derive(Deserialize)]
struct RawBackup {
    label: String,
    r#type: BackupKind,
    timestamp: RawTimes,
    error: Option<bool>,
    info: RawInfo,
}

#[derive(Deserialize)]
struct RawTimes {
    start: i64,
    stop: i64,
}

#[derive(Deserialize)]
struct RawInfo {
    size: u64,
}

impl<'de> Deserialize<'de> for Backup {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawBackup::deserialize(deserializer)?;
        let time = |seconds| Timestamp::from_second(seconds).map_err(serde::de::Error::custom);
        Ok(Self {
            label: raw.label,
            kind: raw.r#type,
            started_at: time(raw.timestamp.start)?,
            stopped_at: time(raw.timestamp.stop)?,
            damaged: raw.error.unwrap_or(false),
            database_bytes: raw.info.size,
        })
    }
}
