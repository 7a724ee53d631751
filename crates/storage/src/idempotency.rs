//! Idempotency records: the answer to a write, stored by the write's own transaction, so that a
//! repeat is given the same answer and changes nothing.

use jiff::{SignedDuration, Timestamp};

use crate::{error::Error, tx::Tx};

/// How long a record is honoured.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// The most records one call of [`prune`] deletes.
const PRUNE_BATCH: i64 = 1_000;

/// Whether a request is the first with its key.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// It is: do the work, then [`store`] the answer.
    First,
    /// It is a repeat: give this answer.
    Repeat(serde_json::Value),
    /// The key was used for another request.
    Reused,
}

/// Claims `key` for the request of that hash. Waits for a transaction that is just using it.
///
/// A record that is found is locked, which is a change to the write-ahead log: so the repeat's COMMIT
/// waits for a synchronous standby as the first one's did, and confirms nothing that can be lost.
///
/// # Errors
/// As [`ReadConn::query_opt`](crate::ReadConn::query_opt).
pub async fn claim(
    tx: &Tx,
    api_key_id: i64,
    key: &str,
    request_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Claim, Error> {
    const CLAIM: &str = "-- idempotency.claim
INSERT INTO idempotency_records AS r (api_key_id, key, request_hash, response, created_at)
VALUES ($1, $2, $3, 'null', $4)
ON CONFLICT (api_key_id, key) DO UPDATE
SET request_hash = excluded.request_hash, response = 'null', created_at = excluded.created_at
WHERE r.created_at < $5
RETURNING true AS claimed";
    const FIND: &str = "-- idempotency.find
SELECT request_hash, response FROM idempotency_records WHERE api_key_id = $1 AND key = $2 FOR UPDATE";
    let expired = now - LIFETIME;
    let params: &crate::Params<'_> = &[&api_key_id, &key, &&request_hash[..], &now, &expired];
    loop {
        if tx.query_opt(CLAIM, params).await?.is_some() {
            return Ok(Claim::First);
        }
        // Absent: it was pruned in between.
        if let Some(row) = tx.query_opt(FIND, &[&api_key_id, &key]).await? {
            let known: Vec<u8> = row.get("request_hash")?;
            return Ok(if known == request_hash {
                Claim::Repeat(row.get("response")?)
            } else {
                Claim::Reused
            });
        }
    }
}

/// Stores the answer to the request that claimed `key` in this transaction.
///
/// # Errors
/// As [`Tx::execute`].
pub async fn store(
    tx: &Tx,
    api_key_id: i64,
    key: &str,
    response: serde_json::Value,
) -> Result<(), Error> {
    const SQL: &str = "-- idempotency.store
UPDATE idempotency_records SET response = $3 WHERE api_key_id = $1 AND key = $2";
    tx.execute(SQL, &[&api_key_id, &key, &response]).await?;
    Ok(())
}

/// Deletes some of the records that are honoured no more; how many.
///
/// # Errors
/// As [`Tx::execute`].
pub async fn prune(tx: &Tx, now: Timestamp) -> Result<u64, Error> {
    const SQL: &str = "-- idempotency.prune
DELETE FROM idempotency_records WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM idempotency_records WHERE created_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))";
    tx.execute(SQL, &[&(now - LIFETIME), &PRUNE_BATCH]).await
}
