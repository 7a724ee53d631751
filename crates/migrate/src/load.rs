//! Loading posts in bulk: one COPY and a handful of set-based statements for each batch.
//!
//! A post is known by its address: where the address is taken, now or formerly, the post is there already and is left
//! alone, so that a load can be run again, or gone on with. Authors and tags are merged by name, without regard to case.
//! The constraints and triggers of the schema stay in force: addresses and view counters appear by themselves. Each batch
//! leaves one change event on the tag `posts`, which voids every cached list and post.
//!
//! Memory is bounded by one batch, however many posts there are.

mod copy;
mod names;
mod post;

use std::collections::HashSet;

use tokio_postgres::Transaction;

pub(crate) use names::Names;
pub use post::PreparedPost;

use crate::{
    error::Error,
    migrator::Migrator,
    progress::{OnProgress, Progress},
    session::Session,
};

/// Posts in one transaction: enough that its commit is cheap beside them, few enough to hold in memory.
pub const BATCH: usize = 5_000;

/// What a load did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoadReport {
    /// Posts that were new.
    pub inserted: u64,
    /// Posts whose address was taken already.
    pub unchanged: u64,
}

impl LoadReport {
    pub(crate) fn add(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.unchanged += other.unchanged;
    }

    pub(crate) fn posts(&self) -> u64 {
        self.inserted + self.unchanged
    }
}

impl Migrator {
    /// Loads `posts`, each batch in a transaction of its own: what was loaded before a failure stays.
    ///
    /// # Errors
    /// [`Error::Connect`], [`Error::LockHeld`] or [`Error::Query`].
    pub async fn load(
        &self,
        posts: impl IntoIterator<Item = PreparedPost>,
        progress: OnProgress<'_>,
    ) -> Result<LoadReport, Error> {
        let mut session = self.locked_session(LOCK_WAIT, progress).await?;
        let mut posts = posts.into_iter();
        let mut loader = Loader::prepare(&session).await?;
        let mut report = LoadReport::default();
        loop {
            let batch: Vec<PreparedPost> = posts.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                return Ok(report);
            }
            report.add(loader.load_batch(&mut session, &batch).await?);
            progress(Progress::Loaded {
                posts: report.posts(),
            });
        }
    }
}

/// How long a load waits for a migration, or for another load.
pub(crate) const LOCK_WAIT: std::time::Duration = std::time::Duration::from_secs(60);

/// Loads batches over one session.
pub(crate) struct Loader {
    authors: Names,
    tags: Names,
}

impl Loader {
    pub(crate) async fn prepare(session: &Session) -> Result<Self, Error> {
        let made = session.client().batch_execute(copy::CREATE_STAGING).await;
        made.map_err(|e| Error::query("making the staging table", &e))?;
        Ok(Self {
            authors: Names::authors(),
            tags: Names::tags(),
        })
    }

    /// Makes sure that these authors and tags are there, in a transaction of its own.
    pub(crate) async fn ensure_names(
        &mut self,
        session: &mut Session,
        authors: &[String],
        tags: &[String],
    ) -> Result<(), Error> {
        let begun = session.client_mut().transaction().await;
        let transaction = begun.map_err(|e| Error::query("beginning the names", &e))?;
        let authors = authors.iter().map(String::as_str);
        self.authors.ensure(&transaction, authors).await?;
        let tags = tags.iter().map(String::as_str);
        self.tags.ensure(&transaction, tags).await?;
        let committed = transaction.commit().await;
        committed.map_err(|e| Error::query("committing the names", &e))
    }

    /// One batch in one transaction.
    pub(crate) async fn load_batch(
        &mut self,
        session: &mut Session,
        batch: &[PreparedPost],
    ) -> Result<LoadReport, Error> {
        let begun = session.client_mut().transaction().await;
        let transaction = begun.map_err(|e| Error::query("beginning a batch", &e))?;
        let report = self.insert(&transaction, batch).await?;
        let committed = transaction.commit().await;
        committed.map_err(|e| Error::query("committing a batch", &e))?;
        Ok(report)
    }

    /// One batch inside the caller's transaction.
    pub(crate) async fn insert(
        &mut self,
        transaction: &Transaction<'_>,
        batch: &[PreparedPost],
    ) -> Result<LoadReport, Error> {
        let taken = taken_slugs(transaction, batch).await?;
        let is_new = |post: &&PreparedPost| !taken.contains(post.slug.as_str());
        let new: Vec<&PreparedPost> = batch.iter().filter(is_new).collect();
        if !new.is_empty() {
            let authors = new.iter().map(|post| post.author.as_str());
            self.authors.ensure(transaction, authors).await?;
            let tags = new.iter().flat_map(|post| &post.tags).map(String::as_str);
            self.tags.ensure(transaction, tags).await?;
            copy::insert(transaction, &new).await?;
        }
        let inserted = new.len() as u64;
        Ok(LoadReport {
            inserted,
            unchanged: batch.len() as u64 - inserted,
        })
    }
}

async fn taken_slugs(
    transaction: &Transaction<'_>,
    batch: &[PreparedPost],
) -> Result<HashSet<String>, Error> {
    let slugs: Vec<&str> = batch.iter().map(|post| post.slug.as_str()).collect();
    let rows = transaction
        .query(
            "SELECT slug::text FROM post_slugs WHERE slug = ANY ($1::text[])",
            &[&slugs],
        )
        .await
        .map_err(|e| Error::query("looking for posts that are there already", &e))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
