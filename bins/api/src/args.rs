//! The command line.

use clap::{Parser, Subcommand};
use prepnexus_domain::{Role, author::MAX_NAME_LEN, fields};
use prepnexus_settings::{
    CacheSettings, DatabaseSettings, HttpSettings, LogSettings, OutboundSettings, RedisSettings,
};

/// Serves the PrepNexus API. Every option can also be set as the environment variable beside it.
#[derive(Debug, Parser)]
#[command(name = "api", version = prepnexus_settings::VERSION)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) http: HttpSettings,
    #[command(flatten)]
    pub(crate) cache: CacheSettings,
    #[command(flatten)]
    pub(crate) database: DatabaseSettings,
    #[command(flatten)]
    pub(crate) redis: RedisSettings,
    #[command(flatten)]
    pub(crate) outbound: OutboundSettings,
    #[command(flatten)]
    pub(crate) log: LogSettings,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve until SIGTERM or Ctrl-C (the default).
    Serve,
    /// Make, list and revoke API keys.
    Keys {
        #[command(subcommand)]
        command: KeysCommand,
    },
    /// Ask the API on this machine whether it is ready; exit 0 when it is.
    Healthcheck,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key and print it: the only time it is shown.
    Create {
        /// What its holder may do: reader, author, editor or admin.
        #[arg(long)]
        role: Role,
        /// What to call it: 1 to 120 characters.
        #[arg(long, value_parser = name)]
        name: String,
    },
    /// List all keys, without their texts.
    List,
    /// Revoke a key.
    Revoke {
        /// The key's number, as `list` shows it.
        id: i64,
    },
}

/// The name of a key, as the use case will take it.
fn name(text: &str) -> Result<String, String> {
    fields::line(&text.into(), 1, MAX_NAME_LEN).map_err(|fault| format!("it {fault}"))
}
