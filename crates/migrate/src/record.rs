//! The table `schema_migrations`: what was applied, and what that means for the files at hand.
//!
//! The API's role may read the table, so that the API can tell which schema it meets.

use jiff::Timestamp;
use serde::Serialize;
use tokio_postgres::Row;

use crate::{
    error::Error,
    file::{Migration, Migrations, file_name},
    session::Session,
    steps,
};

/// Makes the table.
pub(crate) const CREATE_TABLE: &str = "\
CREATE TABLE IF NOT EXISTS public.schema_migrations (
    version     integer     PRIMARY KEY CHECK (version > 0),
    name        text        NOT NULL,
    checksum    text        NOT NULL CHECK (length(checksum) = 64),
    applied_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    duration_ms bigint      NOT NULL CHECK (duration_ms >= 0)
)";

/// Lets the API read it, once its role exists: a migration may be what makes the role.
pub(crate) const GRANT: &str = "\
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'prepnexus_api')
       AND NOT has_table_privilege('prepnexus_api', 'public.schema_migrations', 'SELECT') THEN
        GRANT SELECT ON public.schema_migrations TO prepnexus_api;
    END IF;
END $$";

/// The statement that records `migration`, to be run at the end of its transaction.
pub(crate) fn insert(migration: &Migration) -> String {
    let began = if migration.header.transaction {
        "transaction_timestamp()".to_owned()
    } else {
        steps::began(migration)
    };
    let took = format!("extract(epoch FROM clock_timestamp() - {began}) * 1000");
    insert_with(migration, &took)
}

/// The statement that records `migration` where its schema is there already.
pub(crate) fn insert_unrun(migration: &Migration) -> String {
    insert_with(migration, "0")
}

fn insert_with(migration: &Migration, duration_ms: &str) -> String {
    // The name is of a-z, 0-9 and _, the checksum of hexadecimal digits: neither needs quoting.
    format!(
        "INSERT INTO public.schema_migrations (version, name, checksum, duration_ms)\n\
         VALUES ({}, '{}', '{}', {duration_ms})",
        migration.version, migration.name, migration.checksum
    )
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppliedRecord {
    /// The migration's number.
    pub version: i32,
    /// Its name, without the number.
    pub name: String,
    /// The SHA-256 of the file that was applied, in hexadecimal.
    pub checksum: String,
    /// When it was applied.
    pub applied_at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
}

impl AppliedRecord {
    /// The file's name.
    #[must_use]
    pub fn file(&self) -> String {
        file_name(self.version, &self.name)
    }

    fn of(row: &Row) -> Self {
        Self {
            version: row.get("version"),
            name: row.get("name"),
            checksum: row.get("checksum"),
            applied_at: row.get("applied_at"),
            duration_ms: row.get("duration_ms"),
        }
    }
}

/// How a database and the files compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What is applied, by version.
    pub applied: Vec<AppliedRecord>,
    /// The files that are not applied, by version.
    pub pending: Vec<Migration>,
    /// What is applied and differs from its file: the record, and the file's checksum.
    pub mismatched: Vec<(AppliedRecord, String)>,
    /// What is applied and has no file.
    pub unknown: Vec<AppliedRecord>,
}

impl Status {
    pub(crate) fn compare(applied: Vec<AppliedRecord>, migrations: &Migrations) -> Self {
        let mut mismatched = Vec::new();
        let mut unknown = Vec::new();
        for record in &applied {
            let file = migrations
                .list()
                .iter()
                .find(|m| m.version == record.version);
            match file {
                // Another name is another migration: two branches took the same number.
                Some(file) if file.name == record.name => {
                    if file.checksum != record.checksum {
                        mismatched.push((record.clone(), file.checksum.clone()));
                    }
                }
                _ => unknown.push(record.clone()),
            }
        }
        let is_applied = |version| applied.iter().any(|record| record.version == version);
        let pending = migrations.list().iter();
        Self {
            pending: pending
                .filter(|m| !is_applied(m.version))
                .cloned()
                .collect(),
            applied,
            mismatched,
            unknown,
        }
    }

    /// Checks that the files continue what is applied.
    ///
    /// # Errors
    /// [`Error::Changed`], [`Error::UnknownApplied`] or [`Error::OutOfOrder`].
    pub fn check(&self) -> Result<(), Error> {
        if let Some((record, found)) = self.mismatched.first() {
            return Err(Error::Changed {
                file: record.file(),
                applied: record.checksum.clone(),
                found: found.clone(),
            });
        }
        if let Some(record) = self.unknown.first() {
            return Err(Error::UnknownApplied {
                file: record.file(),
            });
        }
        if let (Some(last), Some(first)) = (self.applied.last(), self.pending.first())
            && last.version > first.version
        {
            return Err(Error::OutOfOrder {
                file: first.to_string(),
                later: last.file(),
            });
        }
        Ok(())
    }
}

/// Whether the table is there.
pub(crate) async fn table_exists(session: &Session) -> Result<bool, Error> {
    let row = session
        .client()
        .query_one(
            "SELECT to_regclass('public.schema_migrations') IS NOT NULL",
            &[],
        )
        .await
        .map_err(|e| Error::query("looking for schema_migrations", &e))?;
    Ok(row.get(0))
}

/// What is applied, by version; nothing where the table is not there.
pub(crate) async fn list(session: &Session) -> Result<Vec<AppliedRecord>, Error> {
    if !table_exists(session).await? {
        return Ok(Vec::new());
    }
    let rows = session
        .client()
        .query(
            "SELECT version, name, checksum, applied_at, duration_ms FROM public.schema_migrations ORDER BY version",
            &[],
        )
        .await
        .map_err(|e| Error::query("reading schema_migrations", &e))?;
    Ok(rows.iter().map(AppliedRecord::of).collect())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{AppliedRecord, Error, Migrations, Status};

    fn applied(edit: impl Fn(&mut Vec<AppliedRecord>)) -> Status {
        let files = Migrations::built_in();
        let record = |file: &crate::Migration| AppliedRecord {
            version: file.version,
            name: file.name.clone(),
            checksum: file.checksum.clone(),
            applied_at: Timestamp::UNIX_EPOCH,
            duration_ms: 1,
        };
        let mut records: Vec<_> = files.list().iter().map(record).collect();
        edit(&mut records);
        Status::compare(records, &files)
    }

    #[test]
    fn what_is_applied_as_it_is_leaves_nothing_to_do() {
        let status = applied(|_| {});
        assert!(status.pending.is_empty() && status.check().is_ok());
    }

    #[test]
    fn each_way_to_differ_has_its_error() {
        assert!(applied(|records| drop(records.pop())).check().is_ok());
        let changed = applied(|records| records[1].checksum = "0".repeat(64));
        assert!(matches!(changed.check(), Err(Error::Changed { .. })));
        let renamed = applied(|records| records[1].name = "other".into());
        assert!(matches!(renamed.check(), Err(Error::UnknownApplied { .. })));
        let newer = applied(|records| {
            let mut next = records[0].clone();
            next.version = 9_999;
            records.push(next);
        });
        assert!(matches!(newer.check(), Err(Error::UnknownApplied { .. })));
        let gap = applied(|records| drop(records.remove(1)));
        assert!(matches!(gap.check(), Err(Error::OutOfOrder { .. })));
    }
}
