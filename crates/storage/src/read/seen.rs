//! What a connection's reads have seen, as a token: so that nobody's view goes backwards.
//!
//! The position must be taken after the statement's snapshot, on the same server: a column of the
//! statement itself is, at no cost to speak of. A later one than was seen is right as well, an earlier
//! one never.

use std::sync::atomic::Ordering;

use tokio_postgres::{
    Row,
    types::{PgLsn, Type},
};

use super::ReadConn;
use crate::{error::Error, token::Token};

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

const COLUMN: &str = "seen";
const ASK: &str = concat!("-- token.seen\nSELECT ", seen!());

impl ReadConn {
    /// The token of all that was read on this connection so far. Where the last statement had the
    /// column [`seen!`](crate::seen) and a row, this asks nobody; else it asks the server.
    ///
    /// # Errors
    /// As [`ReadConn::query`].
    pub async fn token(&self) -> Result<Token, Error> {
        if self.seen.load(Ordering::Relaxed) == 0 {
            self.query_one(ASK, &[]).await?;
        }
        let position = self.seen.load(Ordering::Relaxed);
        let token = self.node.token_at(position).filter(|_| position > 0);
        token.ok_or_else(|| Error::Unavailable {
            wanted: "position",
            reason: "the replica has not replayed anything yet".into(),
        })
    }

    /// Notes what the rows of one statement tell, by the first of them.
    pub(super) fn note_seen(&self, first: Option<&Row>) {
        let position = first.and_then(position_of);
        // Unknown, where it does not tell: what it saw may be later than what was known.
        self.seen.store(position.unwrap_or(0), Ordering::Relaxed);
        if let Some(position) = position {
            self.node.note_position(self.generation.number, position);
        }
    }
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
