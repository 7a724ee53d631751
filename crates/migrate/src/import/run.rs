//! An import from beginning to end.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use prepnexus_domain::Clock;
use tokio::{sync::mpsc, task::spawn_blocking};

use super::{
    legacy::{Examined, Source},
    output::OutputFile,
    publish::{Published, publish},
    read::{Batch, read},
    reject::RejectFile,
    report::{ImportReport, LEFT_BEHIND, Phases},
    staging::{self, Staging},
};
use crate::{
    error::Error,
    lock::Runner,
    migrator::Migrator,
    progress::{OnProgress, Progress},
    session::Session,
};

/// Batches that wait to be stored.
const WAITING: usize = 2;
/// How often what others wrote meanwhile is resolved anew.
const TRIES: u32 = 3;

/// How [`Migrator::import_sqlite`] runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportOptions {
    /// Do all of it, and undo it at the end.
    pub dry_run: bool,
    /// How many rows may be rejected.
    pub allow_rejects: u64,
    /// Where rejected rows are written, a JSON object a line.
    pub reject_file: Option<PathBuf>,
    /// Where the [`ImportReport`] is written, as JSON.
    pub report_file: Option<PathBuf>,
    /// How long another runner may hold the lock.
    pub lock_wait: Duration,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            dry_run: false,
            allow_rejects: 0,
            reject_file: None,
            report_file: None,
            lock_wait: Duration::from_secs(60),
        }
    }
}

/// What an import is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Reading the file, and storing its rows where no reader sees them.
    Staging,
    /// Deciding about numbers and addresses that come twice or are taken.
    Resolving,
    /// Bringing the rows into the schema and reading them back; visible at the end.
    Publishing,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Staging => "staging",
            Self::Resolving => "resolving",
            Self::Publishing => "publishing",
        })
    }
}

impl Migrator {
    /// Imports the old system's SQLite file: all its rows but the rejected ones become visible at once, or nothing does.
    ///
    /// What was begun and not finished is gone on with; what was finished before is left alone. The file is not changed.
    /// `clock` gives the time of rows that have none.
    ///
    /// # Errors
    /// Any of [`Error`]: the file or the database can't be read, a migration is missing, another runner holds the lock. More
    /// rejected rows than allowed, and rows that are not what the file says, are no errors but an [`Outcome`](super::Outcome).
    pub async fn import_sqlite(
        &self,
        path: &Path,
        options: &ImportOptions,
        clock: &dyn Clock,
        progress: OnProgress<'_>,
    ) -> Result<ImportReport, Error> {
        let begun = Instant::now();
        let opened = path.to_owned();
        let source = blocking(move || Ok(Source::open(&opened)?)).await?;
        let Runner { watch, mut work } =
            Runner::start(self.config(), options.lock_wait, &mut *progress).await?;
        let status = self.compared(&work).await?;
        status.check()?;
        if let Some(missing) = status.pending.first() {
            return Err(Error::Pending(missing.to_string()));
        }
        let import = Import {
            path,
            options,
            now: clock.now(),
            watch: &watch,
            begun,
        };
        import.run(source, &mut work, progress).await
    }
}

struct Import<'a> {
    path: &'a Path,
    options: &'a ImportOptions,
    now: Timestamp,
    /// Holds the lock.
    watch: &'a Session,
    begun: Instant,
}

impl Import<'_> {
    async fn run(
        &self,
        source: Source,
        session: &mut Session,
        progress: OnProgress<'_>,
    ) -> Result<ImportReport, Error> {
        let staging = Staging::begin(session, &source.fingerprint(), self.now).await?;
        let reject_file = self.output(self.options.reject_file.as_deref())?;
        let report_file = self.output(self.options.report_file.as_deref())?;
        let rejects = RejectFile::new(reject_file);
        let (examined, mut rejects, session) =
            stage(source, staging, rejects, &mut *progress).await?;
        let staged = Instant::now();
        let published = self
            .publish(session, &examined, &mut rejects, progress)
            .await?;
        let report = ImportReport {
            outcome: published.outcome,
            source_sha256: examined.source_sha256,
            tables: published.tables,
            verified_rows: published.compared.equal,
            hash_mismatches: published.compared.different,
            written_rows: published.written,
            left_behind: LEFT_BEHIND,
            phases: Phases {
                staging: staged - self.begun,
                publishing: staged.elapsed(),
            },
            took: self.begun.elapsed(),
        };
        if let Some(file) = report_file {
            report.write(file)?;
        }
        staging::clear(session).await?;
        Ok(report)
    }

    fn output(&self, path: Option<&Path>) -> Result<Option<OutputFile>, Error> {
        let path = path.map(|path| OutputFile::create(path, self.path));
        path.transpose()
    }

    async fn publish(
        &self,
        session: &mut Session,
        examined: &Examined,
        rejects: &mut RejectFile,
        progress: OnProgress<'_>,
    ) -> Result<Published, Error> {
        let mut tries = 1;
        loop {
            if self.watch.client().is_closed() {
                return Err(Error::LockLost);
            }
            let published = publish(session, examined, self.options, rejects, &mut *progress).await;
            match published {
                Err(Error::Conflict { .. }) if tries < TRIES => tries += 1,
                published => return published,
            }
        }
    }
}

/// Reads the file, and stores what is not stored yet.
async fn stage<'a>(
    source: Source,
    mut staging: Staging<'a>,
    rejects: RejectFile,
    progress: OnProgress<'_>,
) -> Result<(Examined, RejectFile, &'a mut Session), Error> {
    let (sender, batches) = mpsc::channel::<Batch>(WAITING);
    let (began_at, through) = (staging.began_at, staging.through);
    let reading = blocking(move || read(&source, began_at, through, sender, rejects));
    let storing = async {
        // Taken in here: when storing fails, the reader has nobody left to send to.
        let mut batches = batches;
        while let Some(batch) = batches.recv().await {
            staging.store(&batch).await?;
            progress(Progress::Import {
                phase: Phase::Staging,
                done: batch.read,
                total: batch.total,
            });
        }
        Ok(staging)
    };
    let (read, stored) = tokio::join!(reading, storing);
    let stored: Result<Staging<'_>, Error> = stored;
    let staging = stored?;
    let (examined, rejects) = read?;
    Ok((examined, rejects, staging.complete().await?))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}
