//! What a connection's reads have seen, as a token: so that nobody's view goes backwards.
//!
//! The position must be taken after the statement's snapshot, on the same server: a column of the
//! statement itself is, at no cost to speak of. A later one than was seen is right as well, an earlier
//! one never.

use std::sync::{
    OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio_postgres::{
    Row,
    types::{PgLsn, Type},
};

use super::ReadConn;
use crate::{error::Error, feed::Epoch, token::Token};

/// A column for the end of a select list, that makes [`ReadConn::token`] free.
///
/// On a replica what it has replayed; on a primary what was written at all, because commits that
/// don't wait for the disk are seen before they are flushed.
///
/// ```
/// use prepnexus_storage::seen;
///
/// const SQL: &str = concat!("-- orders.find\nSELECT id, state, ", seen!(), " FROM orders WHERE id = $1");
/// assert!(SQL.contains("AS seen"));
/// ```
#[macro_export]
macro_rules! seen {
    () => {
        "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END AS seen"
    };
}

/// Columns for the end of a select list, that make [`ReadConn::first_proof`] free: [`seen!`](crate::seen), and the statement's own
/// snapshot before it.
///
/// ```
/// use prepnexus_storage::proof;
///
/// const SQL: &str = concat!("-- orders.find\nSELECT id, state, ", proof!(), " FROM orders WHERE id = $1");
/// assert!(SQL.contains("AS snapshot"));
/// ```
#[macro_export]
macro_rules! proof {
    () => {
        concat!("pg_current_snapshot()::text AS snapshot, ", $crate::seen!())
    };
}

const COLUMN: &str = "seen";
const SNAPSHOT: &str = "snapshot";
const ASK: &str = concat!("-- token.seen\nSELECT ", seen!());

/// What the reads of one connection have seen; several may run at once.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The highest position that rows told of.
    position: AtomicU64,
    /// Statements that told nothing, and how many of them a later question covers.
    untold: AtomicU64,
    covered: AtomicU64,
    /// What the first statement told of its snapshot, if it did.
    first: OnceLock<SeenIn>,
    /// Whether statements ran side by side: then it is not sure which was the first.
    side_by_side: AtomicBool,
}

/// What one statement read in.
#[derive(Debug)]
pub(crate) struct SeenIn {
    /// As `pg_current_snapshot()` tells it.
    pub(crate) snapshot: String,
    /// Where the server's log was after that.
    pub(crate) position: u64,
}

impl ReadConn {
    /// The token of all that was read on this connection so far. Where each statement had the column
    /// [`seen!`](crate::seen) and a row, this asks nobody; else it asks the server.
    ///
    /// # Errors
    /// As [`ReadConn::query`].
    pub async fn token(&self) -> Result<Token, Error> {
        let untold = self.seen.untold.load(Ordering::Acquire);
        if self.seen.covered.load(Ordering::Acquire) < untold || self.seen.position() == 0 {
            self.query_one(ASK, &[]).await?;
            self.seen.covered.fetch_max(untold, Ordering::AcqRel);
        }
        self.token_at(self.seen.position())
    }

    /// The token of who has seen all up to that position of the node's history.
    pub(crate) fn token_at(&self, position: u64) -> Result<Token, Error> {
        let token = self.generation().progress.token_at(position);
        token.ok_or_else(|| Error::Unavailable {
            wanted: "position",
            reason: "the replica has not replayed anything yet".into(),
        })
    }

    /// The history that the node is on, as far as is known: one that the connection does not outlive.
    pub(crate) fn epoch(&self) -> Option<Epoch> {
        self.generation().progress.epoch()
    }

    /// What the first statement on this connection read in, if it told: every later one has seen that as well.
    pub(crate) fn first_seen_in(&self) -> Option<&SeenIn> {
        let seen = &self.seen;
        let is_sure = !seen.side_by_side.load(Ordering::Acquire);
        seen.first.get().filter(|_| is_sure)
    }

    /// Notes that a statement was begun beside another.
    pub(super) fn note_side_by_side(&self) {
        self.seen.side_by_side.store(true, Ordering::Release);
    }

    /// Notes what the rows of one statement tell, by the first of them.
    pub(super) fn note_seen(&self, first: Option<&Row>) {
        let seen = &self.seen;
        let position = first.and_then(position_of);
        if let Some(position) = position {
            if seen.has_nothing()
                && let Some(snapshot) = first.and_then(snapshot_of)
            {
                // Where another was first at the same time, neither counts.
                let _first = seen.first.set(SeenIn { snapshot, position });
            }
            seen.position.fetch_max(position, Ordering::AcqRel);
            self.generation().progress.note(position);
        } else {
            seen.untold.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl Seen {
    /// Whether no statement has ended yet.
    fn has_nothing(&self) -> bool {
        self.position() == 0 && self.untold.load(Ordering::Acquire) == 0
    }

    fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }
}

fn snapshot_of(row: &Row) -> Option<String> {
    let before_last = row.columns().len().checked_sub(2)?;
    let column = &row.columns()[before_last];
    if column.name() != SNAPSHOT || *column.type_() != Type::TEXT {
        return None;
    }
    row.try_get(before_last).ok()
}

fn position_of(row: &Row) -> Option<u64> {
    let last = row.columns().len().checked_sub(1)?;
    let column = &row.columns()[last];
    if column.name() != COLUMN || *column.type_() != Type::PG_LSN {
        return None;
    }
    let position: Option<PgLsn> = row.try_get(last).ok()?;
    position.map(u64::from)
}
