//! The writing side: a transaction records what it changed, in itself.
//!
//! The row's `xid` is the writing transaction's own, so that whether a reader's snapshot contains
//! the change is a question with an exact answer. No NOTIFY: it takes a lock at commit.

use std::time::Duration;

use super::Tag;
use crate::{error::Error, tx::Tx};

/// A change that a transaction recorded; of interest once that is committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub(super) xid: u64,
    pub(super) tags: Vec<Tag>,
}

/// Records that everything under `tags` is changed by this transaction. Without tags, nothing.
///
/// # Errors
/// As [`Tx::query`](crate::ReadConn::query).
pub async fn record_change(tx: &Tx, tags: &[String]) -> Result<Option<Change>, Error> {
    const RECORD: &str = "-- changes.record
INSERT INTO change_events (tags) VALUES ($1) RETURNING xid::text AS xid";
    if tags.is_empty() {
        return Ok(None);
    }
    let row = tx.query_one(RECORD, &[&tags]).await?;
    Ok(Some(Change {
        xid: super::xid(&row, "xid")?,
        tags: tags.iter().map(|tag| Tag::new(tag)).collect(),
    }))
}

/// Deletes changes recorded more than `retention` ago, a thousand at most; how many. The newest of those
/// stays: whoever reads the table anew knows by it that earlier ones may be missing.
///
/// # Errors
/// As [`Tx::execute`].
pub async fn prune_changes(tx: &Tx, retention: Duration) -> Result<u64, Error> {
    const PRUNE: &str = "-- changes.prune
DELETE FROM change_events WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM change_events
    WHERE xid < (SELECT max(xid::text::numeric)::text::xid8 FROM change_events WHERE created_at < now() - make_interval(secs => $1))
    ORDER BY xid LIMIT 1000))";
    tx.execute(PRUNE, &[&retention.as_secs_f64()]).await
}
