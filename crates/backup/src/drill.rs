//! A rehearsal of the restore: what a backup is worth is what comes out of it.
//!
//! 1. At one position of the log it is recorded what the primary holds ([`manifest`]), and what the repository holds.
//! 2. A backup is restored into a directory of its own, and a server recovers **to the end of what was archived at that moment**. How far
//!    the schedulers' row is behind the moment there is the recovery point: what would have been lost.
//! 3. It recovers on to the recorded position, and must hold the same, table by table.
//! 4. It is promoted. How long restoring and recovering took until then is the recovery time.
//! 5. `pg_amcheck` looks at every page of tables and indexes, and the caller's own reads are run.
//!
//! Nothing is archived sooner for its sake: so it takes as long as the server's `archive_timeout`, and what it measures is
//! what holds every day.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use nix::sys::statvfs::statvfs;
use prepnexus_storage::{Cluster, ClusterConfig};
use serde::Serialize;
use tokio::time::sleep;

use crate::{
    archive,
    copy::{Life, RestoredCopy},
    engine::{Engine, Restore, Target},
    error::Error,
    manifest::{self, Recorded},
    program,
    scratch::Scratch,
};

/// Between two looks at the room that is left.
const PAUSE: Duration = Duration::from_millis(500);
/// A schedulers' row that is older says nothing of what would be lost: no scheduler runs.
const BEAT_AGE_SECONDS: f64 = 10.0;
/// The log since the backup, and what checks need, in addition to the database itself.
const MARGIN_PERCENT: u64 = 20;

/// How a rehearsal is run.
#[derive(Debug, Clone)]
pub struct DrillConfig {
    /// Where its directory is made.
    pub scratch_root: PathBuf,
    /// A program and its arguments which, with a directory added, calls [`keep`](crate::keep).
    pub keeper: Vec<PathBuf>,
    /// How many processors it may use.
    pub cpus: usize,
    /// How much room it leaves on the disk, in bytes.
    pub free_bytes: u64,
    /// The longest it may take.
    pub limit: Duration,
    /// The longest until what was just written is in the repository.
    pub archive_limit: Duration,
    /// The role that `pg_amcheck` logs in as: a superuser.
    pub superuser: String,
}

/// The reads that a service asks of its database, run against a copy.
#[async_trait]
pub trait Reads: Send + Sync {
    /// Runs them; how many.
    ///
    /// # Errors
    /// What went wrong, in words.
    async fn run(&self, copy: &ClusterConfig) -> Result<u64, String>;
}

/// What a rehearsal found.
#[derive(Debug, Clone, Serialize)]
pub struct Drill {
    /// The backup that was restored.
    #[serde(skip)]
    pub label: String,
    /// What would have been lost when it began, in seconds; `None` while no scheduler runs, for nobody can tell then.
    #[serde(skip)]
    pub recovery_point_seconds: Option<f64>,
    /// How long it took until the copy could be written, in seconds.
    #[serde(skip)]
    pub recovery_time_seconds: f64,
    /// Where the content was compared: a position of the log.
    pub target: String,
    /// How many tables were compared.
    pub tables: usize,
    /// How many rows they have.
    pub rows: i64,
    /// How many of the service's reads were run.
    pub reads: u64,
    /// How long each part took, in seconds.
    pub seconds: Seconds,
}

/// How long the parts of a rehearsal took.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Seconds {
    /// Recording what the primary holds.
    pub manifest: f64,
    /// Waiting until it was archived.
    pub archive: f64,
    /// Restoring the backup.
    pub restore: f64,
    /// Recovering, and becoming one that can be written.
    pub recovery: f64,
    /// Comparing content, looking at pages, and reading.
    pub checks: f64,
}

/// Rehearses the restore of the database that `config` names, as the role that owns its tables.
///
/// # Errors
/// [`Error::Wrong`] where the copy is not what it must be; others where it could not be found out.
pub async fn drill(
    engine: &dyn Engine,
    cluster: &Cluster,
    config: &ClusterConfig,
    drill: &DrillConfig,
    reads: &dyn Reads,
) -> Result<Drill, Error> {
    let [program, arguments @ ..] = &drill.keeper[..] else {
        return Err(Error::Refused("a rehearsal needs a keeper".into()));
    };
    let mut keeper = Command::new(program);
    keeper.args(arguments);
    // Dropped last, and so cleared whatever ends this.
    let scratch = Scratch::make(&drill.scratch_root, keeper)?;
    let rehearsal = Rehearsal {
        engine,
        cluster,
        config,
        drill,
        reads,
        dir: scratch.dir(),
    };
    tokio::select! {
        biased;
        outcome = rehearsal.run() => outcome,
        error = room_runs_out(scratch.dir(), drill.free_bytes) => Err(error),
        () = sleep(drill.limit) => {
            Err(Error::Late { what: "the end of the rehearsal".into(), limit: drill.limit })
        }
    }
}

struct Rehearsal<'a> {
    engine: &'a dyn Engine,
    cluster: &'a Cluster,
    config: &'a ClusterConfig,
    drill: &'a DrillConfig,
    reads: &'a dyn Reads,
    dir: &'a Path,
}

impl Rehearsal<'_> {
    async fn run(&self) -> Result<Drill, Error> {
        let mut seconds = Seconds::default();
        let mut lap = Lap::start();
        // What is archived is asked first: what arrives in between is not counted as saved.
        let stanza = self.engine.info().await?;
        let recorded = manifest::record(self.config, self.drill.limit).await?;
        let archived = archive::until(&stanza, recorded.segment_bytes)?;
        let backup = stanza.latest_before(archived).ok_or_else(|| {
            Error::Wrong("the repository has no backup that can be recovered from".into())
        })?;
        self.check_room(backup.database_bytes)?;
        seconds.manifest = lap.seconds();

        let behind = archive::mark(self.cluster).await?;
        archive::wait_for(self.engine, behind, self.drill.archive_limit).await?;
        seconds.archive = lap.seconds();

        let data = self.dir.join("data");
        std::fs::create_dir(&data).map_err(Error::file("making", &data))?;
        let request = Restore {
            into: &data,
            backup: Some(&backup.label),
            target: Target::Lsn(archived),
            archives: false,
            cpus: self.drill.cpus,
        };
        self.engine.restore(&request).await?;
        seconds.restore = lap.seconds();

        let life = Life::Rehearsal {
            cpus: self.drill.cpus,
        };
        let mut copy = RestoredCopy::new(&data, self.dir, None, life, self.config)?;
        let to_archived = copy.recover_to(archived, self.drill.limit).await?;
        let recovery_point_seconds = lost(&copy, &recorded).await?;
        copy.stop().await?;
        let to_target = copy.recover_to(recorded.lsn, self.drill.limit).await?;
        lap.seconds();
        self.compare(&copy, &recorded).await?;
        seconds.checks = lap.seconds();
        let to_promoted = copy.promote(self.drill.limit).await?;
        seconds.recovery = (to_archived + to_target + to_promoted).as_secs_f64();

        lap.seconds();
        self.check_pages(&copy).await?;
        let reads =
            self.reads.run(copy.config()).await.map_err(|error| {
                Error::Wrong(format!("the service can't read the copy: {error}"))
            })?;
        copy.stop().await?;
        seconds.checks += lap.seconds();
        Ok(Drill {
            label: backup.label.clone(),
            recovery_point_seconds,
            recovery_time_seconds: seconds.restore + seconds.recovery,
            target: recorded.lsn.to_string(),
            tables: recorded.manifest.tables.len(),
            rows: recorded.manifest.rows(),
            reads,
            seconds,
        })
    }

    fn check_room(&self, database_bytes: u64) -> Result<(), Error> {
        let needed = database_bytes + database_bytes / 100 * MARGIN_PERCENT + self.drill.free_bytes;
        let free = free_bytes(self.dir)?;
        if free < needed {
            let (free, needed) = (mib(free), mib(needed));
            let text = format!(
                "{:?} has {free} MiB of room; a copy needs {needed} MiB, with what is to stay free",
                self.drill.scratch_root
            );
            return Err(Error::Refused(text));
        }
        Ok(())
    }

    async fn compare(&self, copy: &RestoredCopy, recorded: &Recorded) -> Result<(), Error> {
        let connected = copy.connect().await?;
        let found = manifest::of_copy(&connected).await?;
        let differences = recorded.manifest.differences(&found);
        if differences.is_empty() {
            return Ok(());
        }
        let text = differences.join("; ");
        Err(Error::Wrong(format!(
            "what was restored differs from what the primary held: {text}"
        )))
    }

    /// Looks at every page of the tables and indexes of the database.
    async fn check_pages(&self, copy: &RestoredCopy) -> Result<(), Error> {
        let (socket, port) = copy.socket();
        let amcheck = program::of_postgres(&self.dir.join("data"), "pg_amcheck")?;
        let mut command = program::limited(&amcheck, self.drill.cpus);
        command.current_dir(self.dir).env_remove("PGOPTIONS");
        command
            .arg("--host")
            .arg(socket)
            .args(["--port", &port.to_string()]);
        command.args(["--username", &self.drill.superuser, "--no-password"]);
        command.args(["--install-missing", "--jobs", &self.drill.cpus.to_string()]);
        command.args(["--database", &self.config.database]);
        let ran = program::run(
            command,
            "pg_amcheck",
            "postgresql-contrib",
            self.drill.limit,
        )
        .await;
        ran.map(drop).map_err(|error| match error {
            Error::Program { output, .. } => Error::Wrong(format!("pg_amcheck: {output}")),
            other => other,
        })
    }
}

/// How much would have been lost at the recorded moment, in seconds, as the copy shows it that has all that was archived by then.
async fn lost(copy: &RestoredCopy, recorded: &Recorded) -> Result<Option<f64>, Error> {
    let since = |beat: jiff::Timestamp| recorded.at.duration_since(beat).as_secs_f64();
    let lives = recorded
        .beat_at
        .is_some_and(|beat| since(beat) < BEAT_AGE_SECONDS);
    if !lives {
        return Ok(None);
    }
    let connected = copy.connect().await?;
    const SQL: &str = "SELECT beat_at FROM public.backup_scheduler";
    let row = connected.client().query_opt(SQL, &[]).await;
    let row = row.map_err(Error::query("reading the schedulers' row"))?;
    let beat = row.and_then(|row| row.get::<_, Option<jiff::Timestamp>>(0));
    Ok(beat.map(|beat| since(beat).max(0.0)))
}

/// Ends, with an error, when less room is left than is to stay free.
async fn room_runs_out(dir: &Path, free: u64) -> Error {
    loop {
        match free_bytes(dir) {
            Ok(left) if left >= free => sleep(PAUSE).await,
            Ok(left) => {
                let (left, free) = (mib(left), mib(free));
                let text = format!(
                    "given up: {left} MiB are left where the copy is, and {free} MiB are to stay free"
                );
                return Error::Refused(text);
            }
            Err(error) => return error,
        }
    }
}

fn free_bytes(dir: &Path) -> Result<u64, Error> {
    let found =
        statvfs(dir).map_err(|error| Error::file("asking for the room of", dir)(error.into()))?;
    Ok(found.blocks_available() * found.fragment_size())
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

/// A watch that tells the time since it was last asked.
struct Lap(Instant);

impl Lap {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn seconds(&mut self) -> f64 {
        let passed = self.0.elapsed().as_secs_f64();
        self.0 = Instant::now();
        passed
    }
}
