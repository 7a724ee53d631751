//! The calls of the storage crate that are under test, in one place.
//!
//! A read is begun again when its connection breaks, a write with a key when the outcome of its
//! COMMIT is unknown: here by the caller, as an embedder would do it.

use std::sync::Arc;

use prepnexus_storage::{
    Cluster, Committed, Deadline, Error, Freshness, ReadConn, Role, Token, Tx,
};

/// How often a read is begun again on another connection.
const READ_RETRIES: u32 = 3;

/// Runs `work` on a node that is fresh enough; begun again when its connection breaks.
pub(crate) async fn read_with<T, F, W>(
    cluster: &Cluster,
    freshness: Freshness,
    deadline: Deadline,
    mut work: F,
) -> Result<T, Error>
where
    F: FnMut(Arc<ReadConn>) -> W,
    W: Future<Output = Result<T, Error>>,
{
    let mut attempt = 0;
    loop {
        let outcome = match cluster.read(freshness, deadline).await {
            Ok(conn) => work(Arc::new(conn)).await,
            Err(error) => Err(error),
        };
        match outcome {
            Err(error)
                if error.is_retryable() && attempt < READ_RETRIES && !deadline.has_passed() =>
            {
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

/// Runs `work`, which claims a unique key in its transaction, until its outcome is known.
pub(crate) async fn write_once<T, F, W>(
    cluster: &Cluster,
    name: &'static str,
    deadline: Deadline,
    work: F,
) -> Result<Committed<T>, Error>
where
    F: FnMut(Tx) -> W,
    W: Future<Output = Result<T, Error>>,
{
    cluster.write(name, deadline, work).await
}

/// What this connection's reads have seen.
pub(crate) async fn token_of(conn: &ReadConn) -> Result<Token, Error> {
    const SQL: &str = "-- chaos.token
SELECT (SELECT system_identifier FROM pg_control_system()) AS system_id,
       CASE WHEN pg_is_in_recovery()
            THEN coalesce((SELECT received_tli FROM pg_stat_wal_receiver),
                          (SELECT timeline_id FROM pg_control_checkpoint()))
            ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int
       END AS timeline,
       (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn()
        END - '0/0'::pg_lsn)::bigint AS position";
    let row = conn.query_one(SQL, &[]).await?;
    Ok(Token {
        system_id: row.get::<i64>("system_id")?.cast_unsigned(),
        timeline: row.get::<i32>("timeline")?.cast_unsigned(),
        position: row.get::<i64>("position")?.cast_unsigned(),
    })
}

/// Whether the connection is to a replica.
pub(crate) fn is_replica(conn: &ReadConn) -> bool {
    conn.role() == Role::Replica
}
