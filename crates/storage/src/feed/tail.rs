//! Follows the feed: polls, and beats where nothing else is written.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use metrics::gauge;
use tokio::time::{sleep, timeout};
use tokio_postgres::types::PgLsn;

use super::{Epoch, Events, Inner, Snapshot, State, Tag, xid};
use crate::{
    cluster::{Cluster, Freshness},
    deadline::Deadline,
    error::Error,
    metric,
    row::Row,
    tx::Tx,
};

/// The longest a poll, or a beat, may take.
const LIMIT: Duration = Duration::from_millis(500);
/// Between two polls at least, however often somebody hints.
const SHORTEST: Duration = Duration::from_millis(5);
/// For how long nobody beats after a commit was seen.
const BEAT: Duration = Duration::from_millis(250);
/// All that is known of a history; of a very long one, the end.
const CATCH_UP: &str = "-- changes.catch_up
SELECT pg_current_snapshot()::text AS snapshot, pg_current_wal_insert_lsn()::text AS written,
       pg_current_wal_flush_lsn()::text AS flushed,
       (SELECT beat FROM change_beat) AS beat, e.xid::text AS xid, e.tags
FROM (VALUES (1)) AS one
LEFT JOIN (SELECT xid, tags FROM change_events ORDER BY xid DESC LIMIT 100000) AS e ON true";
/// Only what the last poll's snapshot did not see: a transaction that runs for long holds back where the index is
/// entered, and not what is sent.
const POLL: &str = "-- changes.poll
SELECT pg_current_snapshot()::text AS snapshot, pg_current_wal_insert_lsn()::text AS written,
       pg_current_wal_flush_lsn()::text AS flushed,
       (SELECT beat FROM change_beat) AS beat, e.xid::text AS xid, e.tags
FROM (VALUES (1)) AS one
LEFT JOIN change_events AS e
    ON e.xid >= $1::text::xid8 AND NOT pg_visible_in_snapshot(e.xid, $2::text::pg_snapshot)";
const BEAT_SQL: &str = "-- changes.beat\nUPDATE change_beat SET beat = beat + 1";

/// Polls and beats for as long as anybody holds the feed.
pub(super) fn spawn(inner: &Arc<Inner>, cluster: Cluster) {
    let (polling, beating) = (Arc::downgrade(inner), Arc::downgrade(inner));
    let stop = &inner.stop;
    let polls = stop
        .clone()
        .run_until_cancelled_owned(poll_on(polling, cluster.clone()));
    let beats = stop
        .clone()
        .run_until_cancelled_owned(beat_on(beating, cluster));
    inner.tasks.spawn(polls);
    inner.tasks.spawn(beats);
}

async fn poll_on(inner: Weak<Inner>, cluster: Cluster) {
    let mut was_well = true;
    while let Some(inner) = inner.upgrade() {
        let outcome = inner.poll(&cluster).await;
        if outcome.is_ok() {
            inner.polls.send_modify(|count| *count += 1);
        }
        // Each change is told once.
        match &outcome {
            Err(error) if was_well => {
                tracing::warn!(
                    error = error.chain(),
                    "changes can't be followed: nothing is called fresh"
                );
            }
            Ok(()) if !was_well => tracing::info!("changes are followed again"),
            _ => {}
        }
        was_well = outcome.is_ok();
        let age = inner
            .state()
            .watermark()
            .map(|watermark| watermark.elapsed().as_secs_f64());
        gauge!(metric::FEED_AGE).set(age.unwrap_or(f64::NAN));
        sleep(SHORTEST).await;
        let _hinted = timeout(inner.config.interval, inner.poll_now.notified()).await;
    }
}

async fn beat_on(inner: Weak<Inner>, cluster: Cluster) {
    while let Some(inner) = inner.upgrade() {
        let last = inner.state().alive;
        if last.is_none_or(|last| last.elapsed() >= BEAT) {
            let began = Instant::now();
            let beating = |tx: Tx| async move { tx.execute(BEAT_SQL, &[]).await };
            let beaten = cluster
                .write("changes.beat", Deadline::after(LIMIT), beating)
                .await;
            if let Some(token) = beaten.ok().and_then(|beaten| beaten.token) {
                inner.state_mut().note_commit(token.into(), began);
            }
        }
        // Processes that began together must not all beat together.
        let pause = BEAT.mul_f64(0.2 + 0.3 * fastrand::f64());
        drop(inner);
        sleep(pause).await;
    }
}

impl Inner {
    async fn poll(&self, cluster: &Cluster) -> Result<(), Error> {
        // Before anything is asked: what is acknowledged from here on may be missing in the answer.
        let began = Instant::now();
        let conn = cluster
            .read(Freshness::Primary, Deadline::after(LIMIT))
            .await?;
        let Some(epoch) = conn.epoch() else {
            return Err(Error::Unavailable {
                wanted: "primary",
                reason: "its history is not known yet".into(),
            });
        };
        let (known, xmin, snapshot) = {
            let state = self.state();
            let known = state.epoch == Some(epoch);
            (
                known,
                state.snapshot.xmin().to_string(),
                state.snapshot.to_string(),
            )
        };
        let rows = if known {
            conn.query(POLL, &[&xmin, &snapshot]).await?
        } else {
            conn.query(CATCH_UP, &[]).await?
        };
        let answer = Answer::of(&rows)?;
        let mut state = self.state_mut();
        if !known {
            state.begin(epoch, &answer);
        }
        state.take_in(answer, began);
        let (retention, most) = (self.config.retention, self.config.most);
        if state.events.forget(retention, most, began) {
            state.version += 1;
        }
        Ok(())
    }
}

impl State {
    /// Another history: what was known is of the last one.
    fn begin(&mut self, epoch: Epoch, answer: &Answer) {
        let oldest = answer.changes.iter().map(|(xid, _)| *xid).min();
        *self = Self {
            epoch: Some(epoch),
            // Earlier ones may have been pruned, or cut off here.
            events: Events::since(oldest.unwrap_or(0)),
            beat: answer.beat,
            ..Self::unknown(self.version + 1)
        };
    }

    fn take_in(&mut self, answer: Answer, began: Instant) {
        // Something was committed after the last poll's snapshot, and so after it began.
        if answer.beat != self.beat
            && let Some(last) = self.polled
        {
            self.alive = self.alive.max(Some(last));
        }
        for (xid, tags) in answer.changes {
            if self.events.note(xid, tags, began) {
                self.version += 1;
            }
        }
        self.snapshot = answer.snapshot;
        self.beat = answer.beat;
        self.polled = Some(began);
        // Asked for with the last poll, and so before this one's snapshot.
        self.covered = self.flushed;
        (self.written, self.flushed) = (answer.written, answer.flushed);
    }

    /// A commit of this process's own succeeded, and was begun at `began`.
    fn note_commit(&mut self, epoch: Epoch, began: Instant) {
        if self.epoch == Some(epoch) {
            self.alive = self.alive.max(Some(began));
        }
    }
}

/// What a poll told.
struct Answer {
    snapshot: Snapshot,
    written: u64,
    flushed: u64,
    beat: i64,
    changes: Vec<(u64, Vec<Tag>)>,
}

impl Answer {
    fn of(rows: &[Row]) -> Result<Self, Error> {
        let malformed = |what: &str| Error::Row {
            query: "changes.poll".into(),
            source: format!("no {what}").into(),
        };
        let first = rows.first().ok_or_else(|| malformed("row"))?;
        let snapshot = first.text("snapshot")?.parse();
        let position = |column| {
            let position: PgLsn = first
                .text(column)?
                .parse()
                .map_err(|_| malformed("position"))?;
            Ok::<_, Error>(u64::from(position))
        };
        let mut changes = Vec::new();
        for row in rows {
            // One row without a change, where there is none.
            if let Some(tags) = row.get::<Option<Vec<String>>>("tags")? {
                let tags = tags.iter().map(|tag| Tag::new(tag)).collect();
                changes.push((xid(row, "xid")?, tags));
            }
        }
        Ok(Self {
            snapshot: snapshot.map_err(|_| malformed("snapshot"))?,
            written: position("written")?,
            flushed: position("flushed")?,
            beat: first.get::<Option<i64>>("beat")?.unwrap_or_default(),
            changes,
        })
    }
}
