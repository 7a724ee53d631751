//! The file of all runs: one JSON object a line, each on disk before its run counts as ended.
//!
//! The same runs are in the database, for all to see. What a restore to an earlier time has taken from there, or what ended
//! while the database was away, is entered again from here. Some 300 bytes for each run: a schedule that backs up every
//! hour fills 3 MB in a year.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    time::Duration,
};

use prepnexus_storage::{
    Cluster, Deadline,
    backups::{self, Run},
};

use crate::error::Error;

/// The last so many are compared with the database's.
const COMPARED: usize = 1_000;
const LIMIT: Duration = Duration::from_secs(10);

/// The file.
#[derive(Debug, Clone)]
pub struct Journal(PathBuf);

impl Journal {
    /// The file of that name; it need not be there.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Writes a run behind the others, and waits for the disk.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn append(&self, run: &Run) -> Result<(), Error> {
        if let Some(dir) = self.0.parent() {
            fs::create_dir_all(dir).map_err(Error::file("making", dir))?;
        }
        let opened = File::options()
            .create(true)
            .append(true)
            .mode(0o640)
            .open(&self.0);
        let mut file = opened.map_err(Error::file("opening", &self.0))?;
        let mut line = serde_json::json!(run).to_string();
        line.push('\n');
        let written = file
            .write_all(line.as_bytes())
            .and_then(|()| file.sync_all());
        written.map_err(Error::file("writing", &self.0))
    }

    /// The last runs, oldest first. A line that can't be read, such as one that was being written when the machine went down,
    /// is left out.
    ///
    /// # Errors
    /// [`Error::File`]; a file that is not there is empty.
    pub fn last(&self) -> Result<Vec<Run>, Error> {
        let text = match fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::file("reading", &self.0)(error)),
        };
        let lines: Vec<&str> = text.lines().collect();
        let last = &lines[lines.len().saturating_sub(COMPARED)..];
        let runs = last.iter().filter_map(|line| {
            let run = serde_json::from_str(line);
            run.inspect_err(|error| tracing::warn!(%error, line, "not a run"))
                .ok()
        });
        Ok(runs.collect())
    }

    /// Enters into the database the last runs that it doesn't have; how many.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Database`].
    pub async fn enter(&self, cluster: &Cluster) -> Result<u64, Error> {
        let runs = self.last()?;
        if runs.is_empty() {
            return Ok(0);
        }
        let work = |tx| {
            let runs = &runs;
            async move { backups::insert(&tx, runs).await }
        };
        let entered = cluster
            .write("backups.insert", Deadline::after(LIMIT), work)
            .await;
        let entered = entered.map_err(Error::database("recording what was done"))?;
        Ok(entered.value)
    }
}
