//! How often posts were read.

use crate::{error::Error, tx::Tx};

/// Adds to each post's number of views, `counts` in the order of `ids`. Records no change: what is kept shows
/// the numbers when it is next read. Posts that are gone are passed over.
///
/// # Errors
/// As [`Tx::execute`].
pub async fn add_views(tx: &Tx, ids: &[i64], counts: &[i64]) -> Result<u64, Error> {
    // Locked in one order, so that two processes don't deadlock.
    const SQL: &str = "-- posts.add_views
WITH counted AS (
    SELECT v.post_id, c.views
    FROM unnest($1::bigint[], $2::bigint[]) AS c (post_id, views) JOIN post_views v ON v.post_id = c.post_id
    ORDER BY v.post_id FOR UPDATE OF v)
UPDATE post_views v SET view_count = v.view_count + c.views FROM counted c WHERE v.post_id = c.post_id";
    tx.execute(SQL, &[&ids, &counts]).await
}
