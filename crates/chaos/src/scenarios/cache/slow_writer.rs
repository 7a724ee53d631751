//! A program of another kind that writes the same tables: it records its change, and commits up to half a second later.
//!
//! So changes become visible in another order than that of their numbers, while answers are read that don't have them yet: who
//! follows changes by number, or takes a standby's snapshot at its word, never hears of one.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use prepnexus_devstack::PgNode;
use tokio::task::spawn_blocking;

use super::clients::Clients;
use crate::{error::Error, rig::Rig, scenarios::common::go_on};

const LIMIT: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(50);

/// The writer of one post.
pub(super) struct SlowWriter<'a> {
    pub(super) rig: &'a Rig,
    pub(super) clients: &'a Clients,
    /// Which server is the primary, as far as is known.
    pub(super) primary: &'a AtomicUsize,
}

impl SlowWriter<'_> {
    /// Writes until it is dropped.
    pub(super) async fn write_on(&self) -> Result<(), Error> {
        let (post, id) = self.clients.slow_post();
        let (mut known, mut last) = (1, 1);
        loop {
            last += 1;
            let hold = 0.5 * fastrand::f64();
            // Only after the version that is known: one of unknown outcome can't be done late.
            let sql = format!(
                "BEGIN;
                 WITH changed AS (UPDATE posts SET title = 'v{last}' WHERE id = {id} AND title = 'v{known}' RETURNING id)
                 INSERT INTO change_events (tags) SELECT ARRAY['post:' || id] FROM changed RETURNING 1;
                 SELECT pg_sleep({hold});
                 COMMIT;"
            );
            self.clients.note_sent(post, last);
            let done = self.ask(sql).await?;
            if done.is_some_and(|rows| rows.starts_with('1')) {
                self.clients.acknowledge(post, last, None);
                known = last;
            } else if let Some(title) = self
                .ask(format!("SELECT title FROM posts WHERE id = {id}"))
                .await?
                && let Some(found) = title
                    .trim()
                    .strip_prefix('v')
                    .and_then(|version| version.parse().ok())
            {
                // What is there was done, whether or not that was told.
                self.clients.acknowledge(post, found, None);
                known = found;
            }
            go_on(PAUSE).await;
        }
    }

    /// What the primary printed; `None` where it could not be asked.
    async fn ask(&self, sql: String) -> Result<Option<String>, Error> {
        let primary = self.primary.load(Ordering::Relaxed);
        let database = self.rig.config().database;
        let node: PgNode = self.rig.node(primary);
        let asking = spawn_blocking(move || node.psql_within(LIMIT, &database, &sql));
        Ok(asking.await?.ok())
    }
}
