//! The table `schema_migration_steps`: how far a file is that is not one transaction.
//!
//! A statement that runs in a transaction is recorded by that transaction. One that can't is recorded before it is begun,
//! and again when it is done: what it left behind in between is found by looking, see [`crate::leftover`].
//! A file's rows are deleted by the transaction that records the whole file.

use crate::{
    error::Error,
    file::{Migration, checksum},
    session::Session,
};

/// Makes the table.
pub(crate) const CREATE_TABLE: &str = "\
CREATE TABLE IF NOT EXISTS public.schema_migration_steps (
    version   integer     NOT NULL CHECK (version > 0),
    step      integer     NOT NULL CHECK (step > 0),
    checksum  text        NOT NULL CHECK (length(checksum) = 64),
    begun_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_at   timestamptz,
    PRIMARY KEY (version, step)
)";

/// A statement that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) version: i32,
    /// Which statement of the file, from 1.
    pub(crate) number: i32,
    /// The SHA-256 of its text.
    pub(crate) checksum: String,
    pub(crate) is_done: bool,
}

/// Where a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    pub(crate) migration: &'a Migration,
    /// Which of its statements, from 0.
    pub(crate) index: usize,
}

impl Place<'_> {
    fn number(self) -> usize {
        self.index + 1
    }

    fn checksum(self) -> String {
        checksum(&self.migration.statements[self.index].sql)
    }

    /// Records that it is about to run.
    pub(crate) fn begin(self) -> String {
        format!(
            "INSERT INTO public.schema_migration_steps (version, step, checksum)\n\
             VALUES ({}, {}, '{}') ON CONFLICT DO NOTHING",
            self.migration.version,
            self.number(),
            self.checksum()
        )
    }

    /// Records that it is done, by the transaction that did it.
    pub(crate) fn record(self) -> String {
        format!(
            "INSERT INTO public.schema_migration_steps (version, step, checksum, done_at)\n\
             VALUES ({}, {}, '{}', clock_timestamp())",
            self.migration.version,
            self.number(),
            self.checksum()
        )
    }

    /// Records that what was begun is done.
    pub(crate) fn finish(self) -> String {
        format!(
            "UPDATE public.schema_migration_steps SET done_at = clock_timestamp() WHERE version = {} AND step = {}",
            self.migration.version,
            self.number()
        )
    }

    /// Forgets that it was begun: it failed, and left nothing behind.
    pub(crate) fn forget(self) -> String {
        format!(
            "DELETE FROM public.schema_migration_steps WHERE version = {} AND step = {} AND done_at IS NULL",
            self.migration.version,
            self.number()
        )
    }

    /// What is known of it; an error where its text was changed since.
    pub(crate) fn of(self, steps: &[Step]) -> Result<Option<&Step>, Error> {
        let (version, number) = (self.migration.version, self.number());
        let is_it =
            |step: &&Step| step.version == version && usize::try_from(step.number) == Ok(number);
        let Some(step) = steps.iter().find(is_it) else {
            return Ok(None);
        };
        if step.checksum == self.checksum() {
            return Ok(Some(step));
        }
        Err(Error::ChangedMidway {
            file: self.migration.to_string(),
            line: self.migration.statements[self.index].line,
        })
    }
}

/// When the first statement of a file was begun; now where it has none.
pub(crate) fn began(migration: &Migration) -> String {
    format!(
        "coalesce((SELECT min(begun_at) FROM public.schema_migration_steps WHERE version = {}), clock_timestamp())",
        migration.version
    )
}

/// Forgets a file's rows: the file as a whole is recorded.
pub(crate) fn delete(migration: &Migration) -> String {
    format!(
        "DELETE FROM public.schema_migration_steps WHERE version = {}",
        migration.version
    )
}

/// Whether the table is there.
pub(crate) async fn table_exists(session: &Session) -> Result<bool, Error> {
    let sql = "SELECT to_regclass('public.schema_migration_steps') IS NOT NULL";
    let row = session.client().query_one(sql, &[]).await;
    row.map(|row| row.get(0))
        .map_err(|e| Error::query("looking for schema_migration_steps", &e))
}

/// All that was begun of files that are not applied yet; nothing where the table is not there.
pub(crate) async fn list(session: &Session) -> Result<Vec<Step>, Error> {
    if !table_exists(session).await? {
        return Ok(Vec::new());
    }
    let sql = "SELECT version, step, checksum, done_at IS NOT NULL AS is_done
               FROM public.schema_migration_steps ORDER BY version, step";
    let rows = session.client().query(sql, &[]).await;
    let rows = rows.map_err(|e| Error::query("reading schema_migration_steps", &e))?;
    let step = rows.iter().map(|row| Step {
        version: row.get("version"),
        number: row.get("step"),
        checksum: row.get("checksum"),
        is_done: row.get("is_done"),
    });
    Ok(step.collect())
}
