//! What people see of the settings: the table, the errors, and what a value means.

use clap::{CommandFactory, Parser, Subcommand};
use prepnexus_settings::{
    BackupSettings, CacheSettings, DatabaseSettings, HttpSettings, LogSettings, OutboundSettings,
    OwnerSettings, RedisSettings, usage_line,
};

mod settings {
    mod documentation;
    mod errors;
    mod meaning;
    mod process;
}

/// A program that has all settings.
#[derive(Debug, Parser)]
#[command(name = "everything", version)]
struct Everything {
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    owner: OwnerSettings,
    #[command(flatten)]
    redis: RedisSettings,
    #[command(flatten)]
    http: HttpSettings,
    #[command(flatten)]
    cache: CacheSettings,
    #[command(flatten)]
    outbound: OutboundSettings,
    #[command(flatten)]
    backup: BackupSettings,
    #[command(flatten)]
    log: LogSettings,
    #[command(subcommand)]
    command: Option<Below>,
}

#[derive(Debug, Subcommand)]
enum Below {
    /// Does it.
    Go {
        /// How often.
        #[arg(long)]
        times: Option<u8>,
    },
}

/// The settings of a command line.
fn parse(arguments: &[&str]) -> Everything {
    let whole = ["everything"].iter().chain(arguments);
    Everything::try_parse_from(whole).unwrap_or_else(|error| panic!("{}", line(&error)))
}

/// The one line that a command line is refused with.
fn refused(arguments: &[&str]) -> String {
    let whole = ["everything"].iter().chain(arguments);
    match Everything::try_parse_from(whole) {
        Ok(_) => panic!("{arguments:?} was accepted"),
        Err(error) => line(&error),
    }
}

fn line(error: &clap::Error) -> String {
    usage_line(error, Everything::command())
}
