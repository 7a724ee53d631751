//! What [`Migrator::up`](crate::Migrator::up) sends: planned as text, then sent as planned.

use std::time::Duration;

use crate::{
    error::Error,
    file::Migration,
    leftover::{self, Rest},
    poll::Patience,
    record::{self, Status},
    session::Session,
    statement::{Kind, Statement},
    steps::{self, Place, Step},
};

/// A file, or what concerns the tables of records themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The file; `None` for the tables of records.
    pub migration: Option<Migration>,
    /// What is sent, in order.
    pub units: Vec<Unit>,
}

impl Planned {
    /// The exact statements, in order; those of a unit that repeats stand once.
    pub fn statements(&self) -> impl Iterator<Item = &str> {
        let sent = self.units.iter().flat_map(|unit| &unit.statements);
        sent.map(|sent| sent.sql.as_str())
    }
}

/// Statements that are tried again together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// What is sent, in order.
    pub statements: Vec<Sent>,
    /// How.
    pub how: How,
}

/// How a unit is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// As one transaction, from BEGIN to COMMIT.
    Transaction,
    /// As one transaction again and again, until the file's statement in it changes no row.
    Repeated,
    /// Outside a transaction. The number is that of the file's statement, from 0.
    Outside(usize),
}

/// A statement that is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its text.
    pub sql: String,
    /// The file's statement that it is, or stands in the place of; `None` for the engine's own.
    pub(crate) of: Option<Statement>,
}

impl Sent {
    fn own(sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            of: None,
        }
    }

    fn of(statement: &Statement) -> Self {
        Self {
            sql: statement.sql.clone(),
            of: Some(statement.clone()),
        }
    }
}

impl Unit {
    fn transaction(statements: impl IntoIterator<Item = Sent>) -> Self {
        let mut all = vec![Sent::own("BEGIN")];
        all.extend(statements);
        all.push(Sent::own("COMMIT"));
        Self {
            statements: all,
            how: How::Transaction,
        }
    }
}

/// What is pending, with what it takes to get there from where the database is. Where somebody builds an index that is in
/// the way it waits for that, as long as there is `patience`.
pub(crate) async fn plan(
    session: &Session,
    status: &Status,
    patience: &Patience,
) -> Result<Vec<Planned>, Error> {
    let steps = steps::list(session).await?;
    let mut plan = Vec::new();
    let mut tables = Vec::new();
    if !record::table_exists(session).await? {
        tables.push(record::CREATE_TABLE);
    }
    let in_steps = |migration: &Migration| !migration.header.transaction;
    if status.pending.iter().any(in_steps) && !steps::table_exists(session).await? {
        tables.push(steps::CREATE_TABLE);
    }
    plan.extend((!tables.is_empty()).then(|| own(tables)));
    for migration in &status.pending {
        let units = if migration.header.transaction {
            vec![whole(migration)]
        } else {
            by_steps(session, migration, &steps, patience).await?
        };
        plan.push(Planned {
            migration: Some(migration.clone()),
            units,
        });
    }
    if !plan.is_empty() {
        // Last: a file may be what makes the role.
        plan.push(own([record::GRANT]));
    }
    Ok(plan)
}

fn own(statements: impl IntoIterator<Item = &'static str>) -> Planned {
    Planned {
        migration: None,
        units: vec![Unit::transaction(statements.into_iter().map(Sent::own))],
    }
}

fn whole(migration: &Migration) -> Unit {
    let statements = migration.statements.iter().map(Sent::of);
    let record = Sent::own(record::insert(migration));
    Unit::transaction(
        limits(migration)
            .into_iter()
            .chain(statements)
            .chain([record]),
    )
}

async fn by_steps(
    session: &Session,
    migration: &Migration,
    steps: &[Step],
    patience: &Patience,
) -> Result<Vec<Unit>, Error> {
    let mut units = Vec::new();
    for (index, statement) in migration.statements.iter().enumerate() {
        let place = Place { migration, index };
        let begun = place.of(steps)?;
        if begun.is_some_and(|step| step.is_done) {
            continue;
        }
        if Kind::of(&statement.sql) != Kind::Transactional {
            units.push(outside(session, place, begun.is_some(), patience).await?);
            continue;
        }
        let work = limits(migration).into_iter().chain([Sent::of(statement)]);
        let record = Sent::own(place.record());
        if statement.repeats {
            units.push(Unit {
                how: How::Repeated,
                ..Unit::transaction(work)
            });
            units.push(Unit::transaction([record]));
        } else {
            units.push(Unit::transaction(work.chain([record])));
        }
    }
    let whole = [record::insert(migration), steps::delete(migration)];
    units.push(Unit::transaction(whole.map(Sent::own)));
    Ok(units)
}

/// A statement that can't run in a transaction, from where it is.
pub(crate) async fn outside(
    session: &Session,
    place: Place<'_>,
    is_begun: bool,
    patience: &Patience,
) -> Result<Unit, Error> {
    let Place { migration, index } = place;
    let statement = &migration.statements[index];
    let course = leftover::course(session, &statement.sql, is_begun, patience).await?;
    let in_place = |sql: String| Sent {
        sql,
        of: Some(statement.clone()),
    };
    // Nobody queues behind what is done concurrently; and if the runner is killed the server is to finish it.
    let wait = match Kind::of(&statement.sql) {
        Kind::Repeatable => migration.header.lock_timeout,
        _ => Duration::ZERO,
    };
    let mut statements = vec![
        Sent::own(format!("SET lock_timeout = '{}ms'", wait.as_millis())),
        Sent::own("SET client_connection_check_interval = '0'"),
        Sent::own(place.begin()),
    ];
    statements.extend(course.before.into_iter().map(in_place));
    match course.rest {
        Rest::Whole => statements.push(Sent::of(statement)),
        Rest::Instead(sql) => statements.push(in_place(sql)),
        Rest::Nothing => {}
        Rest::Exists(index) => {
            return Err(Error::IndexExists {
                file: migration.to_string(),
                line: statement.line,
                index,
            });
        }
    }
    let end = [
        place.finish(),
        "RESET lock_timeout".into(),
        "RESET client_connection_check_interval".into(),
    ];
    statements.extend(end.map(Sent::own));
    Ok(Unit {
        statements,
        how: How::Outside(index),
    })
}

fn limits(migration: &Migration) -> [Sent; 2] {
    let header = &migration.header;
    let set = |name: &str, limit: Duration| {
        Sent::own(format!("SET LOCAL {name} = '{}ms'", limit.as_millis()))
    };
    [
        set("lock_timeout", header.lock_timeout),
        set("statement_timeout", header.statement_timeout),
    ]
}
