//! How far the repository has the log, and the wait until it has it so far.

use std::time::{Duration, Instant};

use prepnexus_storage::{Cluster, Deadline, backups};
use tokio::time::sleep;

use crate::{
    engine::{Engine, Stanza},
    error::Error,
    wal::{Lsn, Segment},
};

/// Between two looks at the repository.
const PAUSE: Duration = Duration::from_millis(500);
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// A position in the log of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) lsn: Lsn,
    /// The size of its segments.
    pub(crate) segment_bytes: u64,
}

impl Position {
    /// As PostgreSQL says it.
    pub(crate) fn parse(lsn: &str, segment_bytes: i64) -> Result<Self, Error> {
        let strange = |_| Error::Output {
            program: "PostgreSQL".into(),
            detail: format!("the position {lsn:?}"),
        };
        Ok(Self {
            lsn: lsn.parse().map_err(strange)?,
            segment_bytes: u64::try_from(segment_bytes).unwrap_or_default().max(1),
        })
    }
}

/// Commits something that changes nothing; the position behind it. A server that recovers sees that it has reached a
/// target by what comes after it.
pub(crate) async fn mark(cluster: &Cluster) -> Result<Position, Error> {
    let work = |tx| async move { backups::touch(&tx).await };
    let touched = cluster
        .write("backups.touch", Deadline::after(WRITE_LIMIT), work)
        .await;
    let (lsn, segment_bytes) = touched
        .map_err(Error::database("writing to the primary"))?
        .value;
    Position::parse(&lsn, segment_bytes)
}

/// Up to where the repository has the log.
pub(crate) fn until(stanza: &Stanza, segment_bytes: u64) -> Result<Lsn, Error> {
    let last = stanza.archived.as_deref();
    let segment = last.and_then(|name| Segment::parse(name, segment_bytes));
    let segment = segment.ok_or_else(|| Error::Wrong("nothing was archived yet".into()))?;
    Ok(segment.end(segment_bytes))
}

/// Waits until the repository has the log up to there.
pub(crate) async fn wait_for(
    engine: &dyn Engine,
    position: Position,
    limit: Duration,
) -> Result<(), Error> {
    let started = Instant::now();
    while until(&engine.info().await?, position.segment_bytes)? < position.lsn {
        if started.elapsed() > limit {
            let what = "the log to be archived (is archive_timeout set, and does archive_command work? `backup init` looks)".into();
            return Err(Error::Late { what, limit });
        }
        sleep(PAUSE).await;
    }
    Ok(())
}
