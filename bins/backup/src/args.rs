//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use prepnexus_backup::{BackupKind, Lsn};
use prepnexus_settings::{BackupSettings, DatabaseSettings, LogSettings, OwnerSettings};

/// Backups of a PrepNexus database, made by pgBackRest: scheduled, checked, and rehearsed.
///
/// Exit codes: 0 done, and all is well; 1 it failed, or something is not well; 2 usage or settings.
#[derive(Debug, Parser)]
#[command(name = "backup", version = prepnexus_settings::VERSION)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) backup: BackupSettings,
    #[command(flatten)]
    pub(crate) database: DatabaseSettings,
    #[command(flatten)]
    pub(crate) owner: OwnerSettings,
    #[command(flatten)]
    pub(crate) log: LogSettings,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look whether the server is set to archive its log, say what is to be changed and why, and make the repository ready.
    Init,
    /// Make a backup.
    Run {
        /// Of what.
        #[arg(long, value_enum, default_value_t = Kind::Incr)]
        r#type: Kind,
    },
    /// Go on for ever: make backups, check and rehearse them by the schedule, one process of many at a time.
    Schedule,
    /// Show the backups there are, and what was last done; exit 1 where there is none, or the last one is too old, or the last
    /// try of anything failed.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Read all the repository holds, compare it with its checksums, and see that nothing is missing.
    Verify {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Restore into a directory that is not there yet or is empty, up to the last thing archived if nothing else is said.
    Restore(RestoreArgs),
    /// Rehearse a restore: in a directory of its own, up to a recorded position, compared table by table with the primary.
    Drill {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Remove what is older than the engine's configuration keeps. Each backup does that too.
    Expire {
        /// Say what would be removed, and remove nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {
    /// Where to, by its absolute path.
    #[arg(long, value_name = "DIR")]
    pub(crate) into: PathBuf,
    /// The last moment that is restored, such as "2026-01-02 03:04:05+00".
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "to_lsn")]
    pub(crate) to: Option<Timestamp>,
    /// The position in the log before which all is restored, such as 0/3000060.
    #[arg(long, value_name = "LSN", value_parser = lsn)]
    pub(crate) to_lsn: Option<Lsn>,
    /// Start a server on it, on loopback, to look things up in: it archives nothing, and goes on until it is stopped with
    /// pg_ctl.
    #[arg(long, conflicts_with = "as_primary")]
    pub(crate) start: bool,
    /// The port of that server; one that is free if not said.
    #[arg(long, value_name = "PORT", requires = "start", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// It is to be the new primary: the old one's database is closed first, if it answers, so that nobody writes to both; and
    /// what is restored archives.
    #[arg(long)]
    pub(crate) as_primary: bool,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Everything.
    Full,
    /// What changed since the last full one.
    Diff,
    /// What changed since the last one; a full one where there is none.
    Incr,
}

impl From<Kind> for BackupKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Full => Self::Full,
            Kind::Diff => Self::Differential,
            Kind::Incr => Self::Incremental,
        }
    }
}

fn time(text: &str) -> Result<Timestamp, &'static str> {
    let expected = "expected a time with its offset, such as \"2026-01-02 03:04:05+00\"";
    text.trim().parse().map_err(|_| expected)
}

fn lsn(text: &str) -> Result<Lsn, &'static str> {
    text.trim().parse()
}
