//! Whether the server is set to archive its log, and what each setting is for.

use std::time::Duration;

use prepnexus_storage::{ClusterConfig, driver};
use serde::Serialize;

use crate::error::Error;

/// The most that may be lost with the primary, by what is documented, in seconds.
const ARCHIVE_TIMEOUT_SECONDS: i64 = 60;

/// One setting of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its name.
    pub setting: &'static str,
    /// What it is; nothing where this role may not see it.
    pub value: String,
    /// Whether it is as it must be.
    pub is_well: bool,
    /// What it must be, and why.
    pub wanted: &'static str,
    /// Whether changing it needs a restart of the server.
    pub needs_restart: bool,
}

/// Looks at the settings of the primary.
///
/// # Errors
/// [`Error::Database`], [`Error::Query`].
pub async fn inspect(config: &ClusterConfig) -> Result<Vec<Finding>, Error> {
    const SQL: &str = "
        SELECT current_setting('wal_level') AS wal_level, current_setting('archive_mode') AS archive_mode,
               coalesce((SELECT setting FROM pg_settings WHERE name = 'archive_command'), '') AS archive_command,
               coalesce((SELECT setting FROM pg_settings WHERE name = 'archive_library'), '') AS archive_library,
               (SELECT setting::bigint FROM pg_settings WHERE name = 'archive_timeout') AS archive_timeout,
               current_setting('full_page_writes') AS full_page_writes, current_setting('data_checksums') AS data_checksums";
    let limit = config.connect_timeout.max(Duration::from_secs(2));
    let connected = driver::connect_primary(config, "", limit).await;
    let connected = connected.map_err(Error::database("connecting to the primary"))?;
    let row = connected.client().query_one(SQL, &[]).await;
    let row = row.map_err(Error::query("asking for settings"))?;
    let text = |name: &str| row.get::<_, String>(name);
    let timeout: i64 = row.get("archive_timeout");
    let (command, library) = (text("archive_command"), text("archive_library"));
    let finding = |setting, value: String, is_well, needs_restart, wanted| Finding {
        setting,
        value,
        is_well,
        wanted,
        needs_restart,
    };
    Ok(vec![
        finding(
            "wal_level",
            text("wal_level"),
            text("wal_level") != "minimal",
            true,
            "replica: with less the log can't be recovered from",
        ),
        finding(
            "archive_mode",
            text("archive_mode"),
            text("archive_mode") != "off",
            true,
            "on: else nothing written since the last backup can be recovered",
        ),
        finding(
            "archive_command",
            if command.is_empty() {
                library.clone()
            } else {
                command.clone()
            },
            !library.is_empty() || command.contains("archive-push"),
            false,
            "pgbackrest --stanza=main archive-push %p: hands each segment of the log to the engine",
        ),
        finding(
            "archive_timeout",
            format!("{timeout}s"),
            timeout > 0 && timeout <= ARCHIVE_TIMEOUT_SECONDS,
            false,
            "at most 60s: so much can be lost with the primary, for a segment that is not full is not archived before",
        ),
        finding(
            "full_page_writes",
            text("full_page_writes"),
            text("full_page_writes") == "on",
            false,
            "on: a page that is half written when a backup copies it is made whole from the log",
        ),
        finding(
            "data_checksums",
            text("data_checksums"),
            text("data_checksums") == "on",
            true,
            "on (pg_checksums --enable, with the server stopped): else the engine can't see that a page is damaged",
        ),
    ])
}
