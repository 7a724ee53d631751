//! The change feed's writing side: a transaction records what it changed, in itself.
//!
//! The row's `xid` is the writing transaction's own, so that whether a reader's snapshot contains
//! the change is a question with an exact answer. No NOTIFY: it takes a lock at commit.

use crate::{error::Error, tx::Tx};

/// Records that everything under `tags` is changed by this transaction. Without tags, nothing.
///
/// Needs the table `change_events (xid xid8 DEFAULT pg_current_xact_id(), tags text[])`.
///
/// # Errors
/// As [`Tx::execute`].
pub async fn record_change(tx: &Tx, tags: &[String]) -> Result<(), Error> {
    if tags.is_empty() {
        return Ok(());
    }
    tx.execute(
        "-- changes.record\nINSERT INTO change_events (tags) VALUES ($1)",
        &[&tags],
    )
    .await?;
    Ok(())
}
