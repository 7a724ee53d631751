//! Views: counted in memory, and written in batches, so that no read is a write.
//!
//! A process that is killed loses what it has counted since the last batch, ten seconds at most. What could not be written, the
//! database being away, is kept for the next batch; of more posts than are counted at once, nothing.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use metrics::counter;
use prepnexus_storage::{Deadline, Error as StorageError, Tx, posts};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{error::ContentError, service::Content};

/// Between two batches: each post is written at most so often, by each process.
const INTERVAL: Duration = Duration::from_secs(10);
const BATCH: usize = 1_000;
const BATCH_LIMIT: Duration = Duration::from_secs(5);
/// The most posts that are counted between two batches.
const MOST: usize = 100_000;
const VIEWS: &str = "prepnexus_views_total";

/// Tells the installed recorder what this module counts.
pub(crate) fn describe() {
    metrics::describe_counter!(
        VIEWS,
        "Views of posts, by result (written, lost; lost is what no batch could hold or whose commit is unknown)"
    );
}

/// What was counted since the last batch.
#[derive(Debug, Default)]
pub(crate) struct Views(Mutex<HashMap<i64, i64>>);

impl Views {
    fn counted(&self) -> MutexGuard<'_, HashMap<i64, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, id: i64, views: i64) {
        let mut counted = self.counted();
        if counted.len() < MOST || counted.contains_key(&id) {
            *counted.entry(id).or_default() += views;
        } else {
            lost(views);
        }
    }

    fn take(&self) -> Vec<(i64, i64)> {
        self.counted().drain().collect()
    }
}

fn lost(views: i64) {
    counter!(VIEWS, "result" => "lost").increment(views.unsigned_abs());
}

impl Content {
    /// Counts one view of the post of that number.
    pub fn count_view(&self, post_id: i64) {
        self.views().add(post_id, 1);
    }

    /// Writes what was counted; how many posts had views.
    ///
    /// # Errors
    /// [`ContentError::Storage`]: what was not written is kept for the next time, but for what a commit of unknown outcome
    /// may have written.
    pub async fn flush_views(&self) -> Result<usize, ContentError> {
        let counted = self.views().take();
        let mut batches = counted.chunks(BATCH);
        while let Some(batch) = batches.next() {
            let Err(error) = self.write_views(batch).await else {
                let written: i64 = batch.iter().map(|(_, views)| views).sum();
                counter!(VIEWS, "result" => "written").increment(written.unsigned_abs());
                continue;
            };
            let unwritten = if matches!(error, StorageError::CommitUnknown(_)) {
                lost(batch.iter().map(|(_, views)| views).sum());
                &[]
            } else {
                batch
            };
            for (id, views) in unwritten.iter().chain(batches.flatten()) {
                self.views().add(*id, *views);
            }
            return Err(error.into());
        }
        Ok(counted.len())
    }

    async fn write_views(&self, batch: &[(i64, i64)]) -> Result<(), StorageError> {
        let (ids, counts): (Vec<i64>, Vec<i64>) = batch.iter().copied().unzip();
        let (ids, counts) = (&ids, &counts);
        let add = |tx: Tx| async move { posts::add_views(&tx, ids, counts).await };
        let deadline = Deadline::after(BATCH_LIMIT);
        self.cluster().write("views.add", deadline, add).await?;
        Ok(())
    }
}

/// The task that writes the batches; stop it with [`ViewWriter::stop`].
#[derive(Debug)]
pub struct ViewWriter {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl ViewWriter {
    /// Begins to write.
    #[must_use]
    pub fn spawn(content: Content) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(batches(content, stop.clone()));
        Self { task, stop }
    }

    /// Writes what is left, and ends the task.
    pub async fn stop(self) {
        self.stop.cancel();
        let _ended = self.task.await;
    }
}

async fn batches(content: Content, stop: CancellationToken) {
    loop {
        let pause = stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await;
        if let Err(error) = content.flush_views().await {
            tracing::warn!(error = %error, "views could not be written yet");
        }
        if pause.is_none() {
            return;
        }
    }
}
