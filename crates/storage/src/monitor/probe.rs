//! What a node is asked, and what its answer means.

use std::time::{Duration, Instant};

use tokio_postgres::{Row, types::PgLsn};

use crate::{error::Error, topology::Observation};

/// What every node is asked: one round trip.
///
/// - A replica's timeline is the one it receives; without a receiver, that of its last restart point,
///   which can be an earlier one.
/// - A primary's timeline is the one it writes: after a promotion `pg_control_checkpoint()` still
///   names the old one until the first checkpoint is done.
/// - `began_at`: a primary that was promoted keeps the position where its replay ended, which is where
///   its timeline began. After a crash replay ends elsewhere; but then no replayed commit has a time,
///   because only a standby looks at them.
pub(crate) const PROBE: &str = "\
SELECT r.in_recovery,
       (SELECT system_identifier FROM pg_control_system()) AS system_id,
       CASE WHEN r.in_recovery
            THEN coalesce(w.received_tli, (SELECT timeline_id FROM pg_control_checkpoint()))
            ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int
       END AS timeline,
       CASE WHEN r.in_recovery THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END AS position,
       CASE WHEN r.in_recovery THEN pg_last_wal_receive_lsn() END AS received,
       CASE WHEN NOT r.in_recovery AND pg_last_xact_replay_timestamp() IS NOT NULL
            THEN pg_last_wal_replay_lsn() END AS began_at,
       extract(epoch FROM clock_timestamp() - w.last_msg_receipt_time)::float8 AS receiver_age
FROM (SELECT pg_is_in_recovery() AS in_recovery) r LEFT JOIN pg_stat_wal_receiver w ON true";

/// Where a replica is: asked again and again while a reader waits for it to get somewhere.
const POSITION: &str = "SELECT pg_last_wal_replay_lsn() AS position";

/// Asks everything.
pub(super) async fn ask(client: &tokio_postgres::Client) -> Result<Observation, Error> {
    let seen_at = Instant::now();
    let row = ask_row(client, PROBE).await?;
    let failed = |error| Error::from_driver("monitor.probe", error);
    let position = |column| row.try_get::<_, Option<PgLsn>>(column).map_err(failed);
    let system_id: i64 = row.try_get("system_id").map_err(failed)?;
    let timeline: i32 = row.try_get("timeline").map_err(failed)?;
    let receiver_age: Option<f64> = row.try_get("receiver_age").map_err(failed)?;
    Ok(Observation {
        system_id: system_id.cast_unsigned(),
        in_recovery: row.try_get("in_recovery").map_err(failed)?,
        timeline: timeline.cast_unsigned(),
        position: position("position")?.map_or(0, u64::from),
        received: position("received")?.map(u64::from),
        began_at: position("began_at")?.map(u64::from),
        // The server's clock may have been set back in between.
        receiver_age: receiver_age.map(|age| Duration::try_from_secs_f64(age).unwrap_or_default()),
        seen_at,
        response_time: seen_at.elapsed(),
    })
}

/// Asks a replica how far it has replayed.
pub(super) async fn ask_position(client: &tokio_postgres::Client) -> Result<u64, Error> {
    let row = ask_row(client, POSITION).await?;
    let position: Option<PgLsn> = row
        .try_get("position")
        .map_err(|error| Error::from_driver("monitor.position", error))?;
    Ok(position.map_or(0, u64::from))
}

async fn ask_row(client: &tokio_postgres::Client, sql: &str) -> Result<Row, Error> {
    let rows = client.query_typed(sql, &[]).await;
    let rows = rows.map_err(|error| Error::from_driver("monitor", error))?;
    rows.into_iter().next().ok_or(Error::Unavailable {
        wanted: "node",
        reason: "no answer".into(),
    })
}
