//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;
use prepnexus_settings::{DatabaseSettings, LogSettings, OwnerSettings};

/// Changes the schema of a PrepNexus database, says how it is, loads posts, and imports the old system's file.
///
/// Exit codes: 0 done; 1 failed; 2 usage or settings; 3 pending migrations (status --check, import-sqlite); 4 an applied migration
/// was changed or is not known, or the schema is another one; 5 another runner holds the lock; 6 a connection pooler is in
/// between; 7 more rows were rejected than allowed; 8 a migration is unsafe.
#[derive(Debug, Parser)]
#[command(name = "migrator", version = prepnexus_settings::VERSION)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Migrations of a directory instead of PrepNexus's own.
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) migrations: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) database: DatabaseSettings,
    #[command(flatten)]
    pub(crate) owner: OwnerSettings,
    #[command(flatten)]
    pub(crate) log: LogSettings,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Apply what is pending.
    Up {
        /// Print the exact statements and change nothing.
        #[arg(long)]
        dry_run: bool,
        /// Print the plan, and what came of it, as one document in this format.
        #[arg(long, value_name = "FORMAT")]
        plan: Option<PlanFormat>,
        /// How long another runner may hold the lock.
        #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
        lock_wait: Duration,
        /// How long to try again what others' locks stand in the way of.
        #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = duration)]
        retry: Duration,
    },
    /// Show what is applied and what is pending.
    Status {
        /// Exit with 3 when a migration is pending, and with 4 when an applied one was changed or is not known.
        #[arg(long)]
        check: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check that nothing in the files would hurt a service that goes on meanwhile; asks no database.
    ///
    /// Exits with 8 where something would. `up` checks what is pending as well.
    Lint {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check that the files are those that were applied, and that the schema is the one that they make.
    ///
    /// They are run in a new database on the same server, which is dropped afterwards. Exits with 4 where something differs,
    /// and says what.
    Verify {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Record migrations as applied, for a database that has their schema and no records.
    Baseline {
        /// The last migration that the database is to have.
        #[arg(long, value_name = "NUMBER")]
        version: i32,
        /// Record it although the schema is another one.
        #[arg(long)]
        accept_differences: bool,
        /// How long another runner may hold the lock.
        #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
        lock_wait: Duration,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Wait until the primary answers.
    Wait {
        /// For how long.
        #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
        timeout: Duration,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Load posts, one JSON object per line. A post whose address is there already is left as it is.
    Seed {
        /// The file.
        file: PathBuf,
        /// The author of posts that name none.
        #[arg(long, value_name = "NAME", default_value = "PrepNexus")]
        default_author: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Import the old system's SQLite file: every row, or none is visible.
    ///
    /// The file is only read. A row whose meaning is not certain is rejected, with its reason; with more of them than allowed
    /// it exits with 7, and nothing is visible. A run that was killed is gone on with; a second run writes nothing.
    ImportSqlite(ImportArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// The file.
    pub(crate) file: PathBuf,
    /// Do all of it, the reading back too, and undo it at the end.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write the report to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Write rejected rows to this file, one JSON object per line.
    #[arg(long, value_name = "FILE")]
    pub(crate) reject_file: Option<PathBuf>,
    /// How many rows may be rejected.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) allow_rejects: u64,
    /// How long another runner may hold the lock.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(crate) lock_wait: Duration,
    /// Print the report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The formats of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    /// One JSON object.
    Json,
}

/// `30s`, `2m`, `1m 30s`, `500ms`.
fn duration(text: &str) -> Result<Duration, &'static str> {
    let parsed = text.parse::<SignedDuration>().ok();
    parsed
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or("expected a duration such as 500ms, 30s or 2m")
}
