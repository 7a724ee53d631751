//! What `pgbackrest info --output=json` says.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{error::Error, wal::Lsn};

/// One database cluster in the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stanza {
    /// Its name.
    pub name: String,
    /// What the engine says of it: `ok`, or what is wrong.
    pub message: String,
    /// Its backups, oldest first.
    pub backups: Vec<Backup>,
    /// The last segment of the log that was archived, by its file's name.
    pub archived: Option<String>,
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

impl BackupKind {
    /// The engine's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Differential => "diff",
            Self::Incremental => "incr",
        }
    }
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
    /// What it takes up in the repository, with those that it is made upon, in bytes.
    pub repository_bytes: u64,
    /// The first segment of the log that it needs, by its file's name.
    pub wal_start: String,
    /// The last one.
    pub wal_stop: String,
    /// The position at which it is complete: nothing before can be recovered to from it.
    #[serde(skip)]
    pub complete_at: Lsn,
}

impl Backup {
    /// Whether it needs no other.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.kind == BackupKind::Full
    }
}

impl Stanza {
    /// The latest backup without damage.
    #[must_use]
    pub fn latest(&self) -> Option<&Backup> {
        self.latest_before(Lsn(u64::MAX))
    }

    /// The latest backup without damage that can be recovered to `lsn`.
    #[must_use]
    pub fn latest_before(&self, lsn: Lsn) -> Option<&Backup> {
        let sound = self.backups.iter().filter(|backup| !backup.damaged);
        sound
            .filter(|backup| backup.complete_at <= lsn)
            .max_by_key(|backup| backup.stopped_at)
    }
}

/// The engine's words, where it knows the stanza but there is no backup yet. Whatever else is not `ok` is an error.
const NO_BACKUP: [&str; 2] = ["ok", "no valid backups"];

pub(super) fn parse(json: &[u8], name: &str) -> Result<Stanza, Error> {
    let strange = |detail: String| Error::Output {
        program: "pgbackrest info".into(),
        detail,
    };
    // Its messages have line breaks, and what came of a wrong key, as they are, which JSON does not allow (seen with 2.45).
    let json: Vec<u8> = json.iter().map(|byte| (*byte).max(b' ')).collect();
    let json = String::from_utf8_lossy(&json);
    let stanzas: Vec<RawStanza> =
        serde_json::from_str(&json).map_err(|error| strange(error.to_string()))?;
    let raw = stanzas.into_iter().find(|stanza| stanza.name == name);
    let unknown = || Error::UnknownStanza(name.to_owned());
    let raw = raw.ok_or_else(unknown)?;
    if raw.status.message == "missing stanza path" {
        return Err(unknown());
    }
    if !NO_BACKUP.contains(&raw.status.message.as_str()) {
        let details = raw.repo.iter().map(|repo| repo.status.message.as_str());
        // What comes behind is what it made of bytes that it could not read.
        let first = details.filter_map(|text| text.lines().next()?.split("HINT:").next());
        let output = first.map(str::trim).collect::<Vec<_>>().join("; ");
        return Err(Error::Program {
            program: "pgBackRest".into(),
            output: format!("{}: {output}", raw.status.message),
        });
    }
    let backups = raw.backup.into_iter().map(RawBackup::read);
    let archived = raw.archive.into_iter().filter_map(|archive| archive.max);
    Ok(Stanza {
        name: raw.name,
        message: raw.status.message,
        backups: backups.collect::<Result<_, _>>().map_err(strange)?,
        archived: archived.max(),
    })
}

#[derive(Deserialize)]
struct RawStanza {
    name: String,
    status: RawStatus,
    #[serde(default)]
    repo: Vec<RawRepo>,
    #[serde(default)]
    backup: Vec<RawBackup>,
    #[serde(default)]
    archive: Vec<RawArchive>,
}

#[derive(Deserialize)]
struct RawRepo {
    status: RawStatus,
}

#[derive(Deserialize)]
struct RawStatus {
    message: String,
}

#[derive(Deserialize)]
struct RawArchive {
    max: Option<String>,
}

#[derive(Deserialize)]
struct RawBackup {
    label: String,
    r#type: BackupKind,
    timestamp: RawSpan<i64>,
    archive: RawSpan<String>,
    lsn: RawSpan<String>,
    error: Option<bool>,
    info: RawInfo,
}

#[derive(Deserialize)]
struct RawSpan<T> {
    start: T,
    stop: T,
}

#[derive(Deserialize)]
struct RawInfo {
    size: u64,
    repository: RawRepositoryInfo,
}

#[derive(Deserialize)]
struct RawRepositoryInfo {
    #[serde(default)]
    size: u64,
}

impl RawBackup {
    fn read(self) -> Result<Backup, String> {
        let time = |seconds| Timestamp::from_second(seconds).map_err(|error| error.to_string());
        Ok(Backup {
            started_at: time(self.timestamp.start)?,
            stopped_at: time(self.timestamp.stop)?,
            complete_at: self.lsn.stop.parse().map_err(str::to_owned)?,
            label: self.label,
            kind: self.r#type,
            damaged: self.error.unwrap_or(false),
            database_bytes: self.info.size,
            repository_bytes: self.info.repository.size,
            wal_start: self.archive.start,
            wal_stop: self.archive.stop,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_repository_that_cannot_be_read_is_an_error_and_not_an_empty_one() {
        // With a line break in a string, as it prints it.
        let json = r#"[{"archive":[],"backup":[],"cipher":"none","db":[],"name":"main",
            "repo":[{"key":1,"status":{"code":99,"message":"[CryptoError] cipher header invalid
HINT: x"}}],
            "status":{"code":99,"message":"other"}}]"#;
        let error = parse(json.as_bytes(), "main").unwrap_err();
        assert_eq!(
            error.to_string(),
            "pgBackRest: other: [CryptoError] cipher header invalid"
        );
        assert!(
            parse(b"[]", "main")
                .unwrap_err()
                .to_string()
                .contains("backup init")
        );
    }
}
