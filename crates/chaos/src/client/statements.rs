//! The suite's own tables, and what a client does with them.
//!
//! `chaos_writes` has no unique index, so that a write applied twice shows as two rows: only the claim
//! in `chaos_done` prevents that. The register is a second witness: it is bumped with each row.

use prepnexus_storage::{Error, ReadConn, Role, Row, Tx, seen};

use crate::history::Key;

/// The tables.
pub(crate) const SCHEMA: &str = "
CREATE TABLE chaos_done (key text PRIMARY KEY);
CREATE TABLE chaos_writes (
    id text NOT NULL,
    client bigint NOT NULL,
    seq bigint NOT NULL,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE TABLE chaos_registers (client bigint PRIMARY KEY, value bigint NOT NULL);
CREATE TABLE chaos_bulk (filling text NOT NULL);
GRANT ALL ON chaos_done, chaos_writes, chaos_registers, chaos_bulk TO prepnexus_api;
";

/// What an operation saw, and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// The client's register.
    pub(crate) value: i64,
    pub(crate) by_replica: bool,
    /// The server's own port, by its own word.
    pub(crate) port: u16,
}

/// Writes once under `id`, however often it is called.
pub(crate) async fn write(tx: &Tx, id: &str, key: Key) -> Result<Seen, Error> {
    const CLAIM: &str = "-- chaos.claim
INSERT INTO chaos_done (key) VALUES ($1) ON CONFLICT DO NOTHING";
    // Taking the lock is written to the log, so that the repeat's COMMIT, too, waits for the
    // synchronous standby: without that it would report a commit that the standby does not have yet.
    const LOCK: &str = "-- chaos.lock
SELECT key FROM chaos_done WHERE key = $1 FOR UPDATE";
    const APPLY: &str = "-- chaos.apply
WITH written AS (INSERT INTO chaos_writes (id, client, seq) VALUES ($1, $2, $3))
INSERT INTO chaos_registers AS r (client, value) VALUES ($2, 1)
ON CONFLICT (client) DO UPDATE SET value = r.value + 1
RETURNING value, inet_server_port() AS port";
    let client = i64::from(key.client);
    if tx.execute(CLAIM, &[&id]).await? == 0 {
        tx.query_one(LOCK, &[&id]).await?;
        return read(tx, key.client).await;
    }
    let row = tx
        .query_one(APPLY, &[&id, &client, &i64::from(key.seq)])
        .await?;
    seen(&row, false)
}

/// Reads a client's register; 0 where it has written nothing.
pub(crate) async fn read(conn: &ReadConn, client: u32) -> Result<Seen, Error> {
    const READ: &str = concat!(
        "-- chaos.read
SELECT coalesce((SELECT value FROM chaos_registers WHERE client = $1), 0) AS value,
       inet_server_port() AS port, ",
        seen!()
    );
    let row = conn.query_one(READ, &[&i64::from(client)]).await?;
    seen(&row, conn.role() == Role::Replica)
}

fn seen(row: &Row, by_replica: bool) -> Result<Seen, Error> {
    Ok(Seen {
        value: row.get("value")?,
        by_replica,
        port: u16::try_from(row.get::<i32>("port")?).unwrap_or(0),
    })
}
