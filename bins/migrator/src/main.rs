//! The `migrator` binary: changes the schema, says how it is, loads posts, and imports the old system's file.

mod args;
mod commands;
mod exit;
mod import;
mod output;

use std::process::ExitCode;

use args::Args;
use prepnexus_migrate::{Error, Migrations, Migrator};
use prepnexus_settings::{or_exit, parse_or_exit};

fn main() -> ExitCode {
    let args: Args = parse_or_exit();
    args.log.init_logging();
    let config = or_exit(args.database.cluster_config("prepnexus-migrator"));
    let config = or_exit(args.owner.apply(config));
    let migrations = args.migrations.as_deref();
    let outcome = migrations
        .map_or_else(|| Ok(Migrations::built_in()), Migrations::from_dir)
        .map_err(Error::from)
        .and_then(|migrations| Migrator::new(config, migrations))
        .map_err(anyhow::Error::from)
        .and_then(|migrator| commands::run(&args.command, &migrator));
    outcome.unwrap_or_else(|error| {
        tracing::error!("{error:#}");
        exit::code_of(&error)
    })
}
