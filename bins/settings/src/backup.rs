//! Backups: the engine, when what is done, and what a rehearsal may use.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::value::{count, duration, name, switch};

/// Backups. Where they are kept, how they are encrypted and how many are is the engine's: pgbackrest.conf, or its own
/// variables such as PGBACKREST_REPO1_CIPHER_PASS and PGBACKREST_REPO1_S3_BUCKET.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Backups (backup only)")]
pub struct BackupSettings {
    /// The engine's name for the database cluster.
    #[arg(
        long,
        env = "BACKUP_STANZA",
        default_value = "main",
        value_name = "NAME",
        hide_env_values = true,
        global = true
    )]
    pub backup_stanza: String,
    /// The engine's configuration file, by its absolute path; /etc/pgbackrest/pgbackrest.conf if not set.
    #[arg(
        long,
        env = "BACKUP_CONFIG",
        value_name = "FILE",
        hide_env_values = true,
        global = true
    )]
    pub backup_config: Option<PathBuf>,
    /// A directory for the file of all runs, `runs.ndjson`, and for the copies that rehearsals make.
    #[arg(
        long,
        env = "BACKUP_STATE_DIR",
        default_value = "/var/lib/prepnexus/backup",
        value_name = "DIR",
        hide_env_values = true,
        global = true
    )]
    pub backup_state_dir: PathBuf,
    /// Started as root, it goes on as this user: the one that PostgreSQL's files belong to.
    #[arg(long, env = "BACKUP_USER", default_value = "postgres", value_name = "NAME", value_parser = name, hide_env_values = true, global = true)]
    pub backup_user: String,
    /// The role that looks at the pages of a rehearsal's copy: a superuser of the cluster.
    #[arg(long, env = "BACKUP_SUPERUSER", default_value = "postgres", value_name = "NAME", value_parser = name, hide_env_values = true, global = true)]
    pub backup_superuser: String,
    /// Whether backups are made from a standby while one is up, and from the primary otherwise. The engine's configuration
    /// must then name both.
    #[arg(long, env = "BACKUP_FROM_STANDBY", default_value = "false", value_name = "true|false", value_parser = switch, action = clap::ArgAction::Set, hide_env_values = true, global = true)]
    pub backup_from_standby: bool,
    /// When the schedule makes a full backup: a cron expression, with a time zone behind it if not UTC; nothing for never.
    #[arg(
        long,
        env = "BACKUP_FULL_AT",
        default_value = "0 1 * * SUN",
        value_name = "CRON",
        hide_env_values = true,
        global = true
    )]
    pub backup_full_at: String,
    /// When it makes a differential one.
    #[arg(
        long,
        env = "BACKUP_DIFF_AT",
        default_value = "0 1 * * *",
        value_name = "CRON",
        hide_env_values = true,
        global = true
    )]
    pub backup_diff_at: String,
    /// When it makes an incremental one.
    #[arg(
        long,
        env = "BACKUP_INCR_AT",
        default_value = "",
        value_name = "CRON",
        hide_env_values = true,
        global = true
    )]
    pub backup_incr_at: String,
    /// When it reads the repository and compares it with its checksums.
    #[arg(
        long,
        env = "BACKUP_VERIFY_AT",
        default_value = "0 4 * * *",
        value_name = "CRON",
        hide_env_values = true,
        global = true
    )]
    pub backup_verify_at: String,
    /// When it rehearses a restore.
    #[arg(
        long,
        env = "BACKUP_DRILL_AT",
        default_value = "0 5 * * *",
        value_name = "CRON",
        hide_env_values = true,
        global = true
    )]
    pub backup_drill_at: String,
    /// Up to how much later than that something begins.
    #[arg(long, env = "BACKUP_JITTER", default_value = "5m", value_name = "DURATION", value_parser = duration, hide_env_values = true, global = true)]
    pub backup_jitter: Duration,
    /// The longest that a backup, a check or a restore may take.
    #[arg(long, env = "BACKUP_LIMIT", default_value = "12h", value_name = "DURATION", value_parser = duration, hide_env_values = true, global = true)]
    pub backup_limit: Duration,
    /// A last backup that is older is too old, and `backup status` fails.
    #[arg(long, env = "BACKUP_MAX_AGE", default_value = "26h", value_name = "DURATION", value_parser = duration, hide_env_values = true, global = true)]
    pub backup_max_age: Duration,
    /// The longest that it may take, in a rehearsal or a restore, until what was just written is in the repository.
    #[arg(long, env = "BACKUP_ARCHIVE_LIMIT", default_value = "5m", value_name = "DURATION", value_parser = duration, hide_env_values = true, global = true)]
    pub backup_archive_limit: Duration,
    /// How many processors a rehearsal may use, with the least priority.
    #[arg(long, env = "BACKUP_DRILL_CPUS", default_value = "1", value_name = "COUNT", value_parser = count, hide_env_values = true, global = true)]
    pub backup_drill_cpus: usize,
    /// How much room a rehearsal leaves on the disk, in MiB; it is given up before.
    #[arg(long, env = "BACKUP_FREE_MIB", default_value = "1024", value_name = "MIB", value_parser = count, hide_env_values = true, global = true)]
    pub backup_free_mib: usize,
}
