//! The `backup` binary: asks the backup engine what it holds.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use prepnexus_backup::{PgBackRest, Stanza};
use prepnexus_settings::{LogSettings, parse_or_exit};

/// Backups of the database, made by pgBackRest.
#[derive(Debug, Parser)]
#[command(name = "backup", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
    /// The engine's name for the database cluster.
    #[arg(long, env = "BACKUP_STANZA", default_value = "main", global = true)]
    stanza: String,
    /// The engine's configuration file, by its absolute path; its own default if not set.
    #[arg(long, env = "BACKUP_CONFIG", value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(flatten)]
    log: LogSettings,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the backups there are; exit 1 when there is none to restore from.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

fn main() -> ExitCode {
    let args: Args = parse_or_exit();
    args.log.init_logging();
    match run(&args) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut engine = PgBackRest::new(&args.stanza);
    if let Some(config) = &args.config {
        engine = engine.with_config(config);
    }
    let stanza = engine.info()?;
    let Command::Status { json } = args.command;
    if json {
        println!("{}", serde_json::to_string_pretty(&stanza)?);
    } else {
        print(&stanza);
    }
    Ok(if stanza.latest().is_some() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print(stanza: &Stanza) {
    println!("{}: {}", stanza.name, stanza.message);
    for backup in &stanza.backups {
        let damaged = if backup.damaged { "  DAMAGED" } else { "" };
        let (label, kind) = (&backup.label, format!("{:?}", backup.kind).to_lowercase());
        println!(
            "{label}  {kind}  ended {}  {} bytes{damaged}",
            backup.stopped_at, backup.database_bytes
        );
    }
}
