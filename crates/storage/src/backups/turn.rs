//! Whose turn it is to run something: a lease in the schedulers' row, so that of many one runs it, and another goes on
//! when that one is gone. Times are the schedulers' own, whose clocks are to agree within the lease.

use jiff::{SignedDuration, Timestamp};

use crate::{error::Error, tx::Tx};

/// Says that a scheduler lives. Does nothing where another said so less than `pause` ago.
///
/// # Errors
/// As [`Tx::execute`].
pub async fn beat(tx: &Tx, now: Timestamp, pause: SignedDuration) -> Result<(), Error> {
    const SQL: &str = "-- backups.beat
UPDATE backup_scheduler SET beat_at = $1 WHERE beat_at IS NULL OR beat_at <= $2 OR beat_at > $1";
    tx.execute(SQL, &[&now, &(now - pause)]).await?;
    Ok(())
}

/// Takes the turn, unless it is another's; whether it was taken. What is read afterwards in the same transaction is what the
/// last one whose turn it was has left.
///
/// # Errors
/// As [`Tx::execute`].
pub async fn take_turn(
    tx: &Tx,
    runner: &str,
    now: Timestamp,
    lease: SignedDuration,
) -> Result<bool, Error> {
    const SQL: &str = "-- backups.take_turn
UPDATE backup_scheduler SET runner = $1, lease_until = $3
WHERE runner IS NULL OR runner = $1 OR lease_until <= $2";
    let taken = tx.execute(SQL, &[&runner, &now, &(now + lease)]).await?;
    Ok(taken == 1)
}

/// Makes the lease last longer; whether it was still this runner's.
///
/// # Errors
/// As [`Tx::execute`].
pub async fn keep_turn(tx: &Tx, runner: &str, until: Timestamp) -> Result<bool, Error> {
    const SQL: &str = "-- backups.keep_turn
UPDATE backup_scheduler SET lease_until = $2 WHERE runner = $1";
    Ok(tx.execute(SQL, &[&runner, &until]).await? == 1)
}

/// Gives the turn to whoever comes; nothing where it isn't this runner's any more.
///
/// # Errors
/// As [`Tx::execute`].
pub async fn end_turn(tx: &Tx, runner: &str) -> Result<(), Error> {
    const SQL: &str = "-- backups.end_turn
UPDATE backup_scheduler SET runner = NULL, lease_until = NULL WHERE runner = $1";
    tx.execute(SQL, &[&runner]).await?;
    Ok(())
}

/// Changes nothing, but leaves that in the log; the position behind it, as PostgreSQL writes it, and the size of the log's
/// segments.
///
/// # Errors
/// As [`Tx::execute`].
pub async fn touch(tx: &Tx) -> Result<(String, i64), Error> {
    const SQL: &str = "-- backups.touch
UPDATE backup_scheduler SET beat_at = beat_at
RETURNING pg_current_wal_insert_lsn()::text AS lsn, pg_size_bytes(current_setting('wal_segment_size')) AS segment_bytes";
    let row = tx.query_one(SQL, &[]).await?;
    Ok((row.get("lsn")?, row.get("segment_bytes")?))
}
