//! Says where a program with these settings would find its database: the smallest program that uses this crate, and the
//! one whose exit codes and messages are tested.

use clap::{Parser, Subcommand};
use prepnexus_settings::{DatabaseSettings, LogSettings, or_exit, parse_or_exit};

/// Says where the database is.
#[derive(Parser)]
#[command(name = "show-settings", version)]
struct Arguments {
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    log: LogSettings,
    #[command(subcommand)]
    command: Option<Show>,
}

#[derive(Subcommand)]
enum Show {
    /// Each node's address: what it does without a command, too.
    Nodes,
}

fn main() {
    let arguments = parse_or_exit::<Arguments>();
    let config = or_exit(arguments.database.cluster_config("show-settings"));
    arguments.log.init_logging();
    tracing::info!(nodes = config.nodes.len(), "settings read");
    let Show::Nodes = arguments.command.unwrap_or(Show::Nodes);
    for node in config.nodes {
        println!("{node}");
    }
}
