//! The transactions of [`Migrator::up`](crate::Migrator::up): planned as text, then run as planned.
//!
//! A file and its record are one transaction. Its statements are sent one by one, so that an error has a line.

use std::time::{Duration, Instant};

use tokio_postgres::error::ErrorPosition;

use crate::{
    error::{Error, FileFailure, said},
    file::Migration,
    record::{self, Status},
    session::Session,
    statement::Statement,
};

/// A transaction that [`Migrator::up`](crate::Migrator::up) runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The file; `None` for what concerns the table of records itself.
    pub migration: Option<Migration>,
    /// The exact statements, from BEGIN to COMMIT.
    pub statements: Vec<String>,
}

pub(crate) fn plan(status: &Status, has_table: bool) -> Vec<Planned> {
    let transaction = |migration, statements: Vec<String>| Planned {
        migration,
        statements: [vec!["BEGIN".into()], statements, vec!["COMMIT".into()]].concat(),
    };
    let mut steps = Vec::new();
    if !has_table {
        steps.push(transaction(None, vec![record::CREATE_TABLE.into()]));
    }
    for migration in &status.pending {
        let statements = migration.statements.iter().map(|s| s.sql.clone());
        let recorded = statements.chain([record::insert(migration)]).collect();
        steps.push(transaction(Some(migration.clone()), recorded));
    }
    if !steps.is_empty() {
        // Last: a file may be what makes the role.
        steps.push(transaction(None, vec![record::GRANT.into()]));
    }
    steps
}

pub(crate) async fn run_own(session: &Session, step: &Planned) -> Result<(), Error> {
    let sql = step.statements.join(";\n");
    run(session, &sql, "keeping the table schema_migrations").await
}

pub(crate) async fn apply(session: &Session, migration: &Migration) -> Result<Duration, Error> {
    let begun = Instant::now();
    run(session, "BEGIN", "beginning a transaction").await?;
    for statement in &migration.statements {
        if let Err(error) = session.client().batch_execute(&statement.sql).await {
            let failure = failure(migration, statement, &error);
            // Where the connection is gone, so is the transaction.
            let _rolled_back = session.client().batch_execute("ROLLBACK").await;
            return Err(failure);
        }
    }
    run(
        session,
        &record::insert(migration),
        "recording the migration",
    )
    .await?;
    // A deferred constraint speaks up only here.
    if let Err(error) = session.client().batch_execute("COMMIT").await {
        if error.as_db_error().is_none() {
            let doing = "the connection was lost while a file was committed: `migrator status` tells whether it was applied";
            return Err(Error::query(doing, &error));
        }
        let last = migration.statements.last();
        return Err(last.map_or_else(
            || Error::query("committing the migration", &error),
            |last| failure(migration, last, &error),
        ));
    }
    Ok(begun.elapsed())
}

fn failure(migration: &Migration, at: &Statement, error: &tokio_postgres::Error) -> Error {
    let position = error.as_db_error().and_then(|db| db.position());
    Error::Failed(Box::new(FileFailure {
        file: migration.to_string(),
        line: match position {
            Some(ErrorPosition::Original(position)) => at.line_of(*position),
            // A position in a function's own statement says nothing about the file.
            Some(ErrorPosition::Internal { .. }) | None => at.line,
        },
        message: said(error),
    }))
}

pub(crate) async fn run(session: &Session, sql: &str, doing: &'static str) -> Result<(), Error> {
    let ran = session.client().batch_execute(sql).await;
    ran.map_err(|e| Error::query(doing, &e))
}
