//! What a statement that can't run in a transaction has left behind, and how it is brought to its end.
//!
//! | statement | was begun, and what is found | what is done |
//! |---|---|---|
//! | `CREATE INDEX CONCURRENTLY` | a valid index | nothing more: it was finished |
//! | | an invalid one | dropped, built again |
//! | | an invalid one, and somebody builds on its table | waited, looked again |
//! | | none | built |
//! | `DROP INDEX CONCURRENTLY` | none | nothing more |
//! | | one, invalid or not | dropped |
//! | `REINDEX … CONCURRENTLY` | invalid copies (`_ccnew`, `_ccold`) | dropped, and all of it again |
//! | `DETACH PARTITION … CONCURRENTLY` | not attached | nothing more |
//! | | half detached | `FINALIZE` |
//! | `VACUUM`, `ALTER SYSTEM` | | again |
//!
//! An invalid index in the way of one that was not begun is dropped as well: nothing uses it, and `IF NOT EXISTS` would
//! take it for the whole one. A valid one in the way is an error unless the statement says `IF NOT EXISTS`.

use tokio_postgres::types::ToSql;

use crate::{error::Error, poll::Patience, session::Session, statement::Kind};

/// How a statement is brought to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Course {
    /// What is in its way, and how that is removed.
    pub(crate) before: Vec<String>,
    pub(crate) rest: Rest,
}

/// What is left to do of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rest {
    /// All of it.
    Whole,
    /// This instead of it.
    Instead(String),
    /// Nothing: it was done.
    Nothing,
    /// It can't be done: an index of this name is there.
    Exists(String),
}

impl From<Rest> for Course {
    fn from(rest: Rest) -> Self {
        Self {
            before: Vec::new(),
            rest,
        }
    }
}

/// Looks at what there is. Waits while somebody builds an index on the table of an invalid one, as long as there is `patience`.
pub(crate) async fn course(
    session: &Session,
    sql: &str,
    is_begun: bool,
    patience: &Patience,
) -> Result<Course, Error> {
    match Kind::of(sql) {
        Kind::CreateIndex {
            name,
            table,
            if_not_exists,
        } => {
            let wanted = Wanted {
                name: &name,
                table: &table,
                if_not_exists,
                is_begun,
            };
            create_index(session, &wanted, patience).await
        }
        Kind::DropIndex { index } if is_begun => {
            let found = ask(session, "SELECT to_regclass($1)::text", &[&index]).await?;
            let is_gone = found
                .iter()
                .all(|row| row.get::<_, Option<String>>(0).is_none());
            Ok(if is_gone { Rest::Nothing } else { Rest::Whole }.into())
        }
        Kind::Reindex { relation } if is_begun => reindex(session, &relation).await,
        Kind::DetachPartition { parent, partition } if is_begun => {
            detach(session, &parent, &partition).await
        }
        _ => Ok(Rest::Whole.into()),
    }
}

struct Wanted<'a> {
    name: &'a str,
    table: &'a str,
    if_not_exists: bool,
    is_begun: bool,
}

async fn create_index(
    session: &Session,
    wanted: &Wanted<'_>,
    patience: &Patience,
) -> Result<Course, Error> {
    // Who builds an index concurrently holds this lock on the table; so do others, who build none.
    const SQL: &str = "
        SELECT format('%I.%I', n.nspname, c.relname) AS index, i.indisvalid AS is_valid, i.indrelid = t.oid AS is_ours,
               EXISTS (SELECT FROM pg_locks l JOIN pg_stat_progress_create_index p ON p.pid = l.pid
                       WHERE l.relation = t.oid AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted
                         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS is_built
        FROM pg_class t
        JOIN pg_namespace n ON n.oid = t.relnamespace
        JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = $2
        JOIN pg_index i ON i.indexrelid = c.oid
        WHERE t.oid = to_regclass($1)";
    loop {
        let rows = ask(session, SQL, &[&wanted.table, &wanted.name]).await?;
        let Some(row) = rows.first() else {
            return Ok(Rest::Whole.into());
        };
        let index: String = row.get("index");
        let (is_valid, is_ours): (bool, bool) = (row.get("is_valid"), row.get("is_ours"));
        if is_ours && !is_valid {
            if row.get("is_built") && patience.pause().await {
                continue;
            }
            return Ok(Course {
                before: vec![format!("DROP INDEX CONCURRENTLY {index}")],
                rest: Rest::Whole,
            });
        }
        let rest = match (is_ours && wanted.is_begun, wanted.if_not_exists) {
            (true, _) => Rest::Nothing,
            (false, true) => Rest::Whole,
            (false, false) => Rest::Exists(index),
        };
        return Ok(rest.into());
    }
}

async fn reindex(session: &Session, relation: &str) -> Result<Course, Error> {
    const SQL: &str = "
        SELECT format('%I.%I', n.nspname, c.relname) AS index
        FROM pg_class t
        JOIN pg_index i ON i.indrelid IN (t.oid, t.reltoastrelid)
        JOIN pg_class c ON c.oid = i.indexrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$'
          AND t.oid = coalesce((SELECT indrelid FROM pg_index WHERE indexrelid = to_regclass($1)), to_regclass($1))
        ORDER BY 1";
    let copies = ask(session, SQL, &[&relation]).await?;
    let drop = |index: String| format!("DROP INDEX CONCURRENTLY {index}");
    Ok(Course {
        before: copies.iter().map(|row| drop(row.get("index"))).collect(),
        rest: Rest::Whole,
    })
}

async fn detach(session: &Session, parent: &str, partition: &str) -> Result<Course, Error> {
    const SQL: &str = "SELECT inhdetachpending FROM pg_inherits
        WHERE inhparent = to_regclass($1) AND inhrelid = to_regclass($2)";
    let attached = ask(session, SQL, &[&parent, &partition]).await?;
    let rest = match attached.first().map(|row| row.get(0)) {
        None => Rest::Nothing,
        Some(true) => Rest::Instead(format!(
            "ALTER TABLE {parent} DETACH PARTITION {partition} FINALIZE"
        )),
        Some(false) => Rest::Whole,
    };
    Ok(rest.into())
}

async fn ask(
    session: &Session,
    sql: &str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<Vec<tokio_postgres::Row>, Error> {
    let rows = session.client().query(sql, params).await;
    rows.map_err(|e| Error::query("looking for what an interrupted statement left behind", &e))
}
