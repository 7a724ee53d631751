//! The `backup` binary: makes backups, keeps their schedule, checks them, rehearses restores, and restores.

mod account;
mod actions;
mod args;
mod commands;
mod reads;
mod status;

use std::{env, ffi::OsStr, io::stdin, path::Path, process::ExitCode};

use actions::Actions;
use args::Args;
use prepnexus_settings::{or_exit, parse_or_exit};

/// What a rehearsal gives this program to do besides its commands: to see that nothing is left of the rehearsal.
const KEEP: &str = "keep-scratch-directory";

fn main() -> ExitCode {
    let mut words = env::args_os().skip(1);
    if words.next().as_deref() == Some(OsStr::new(KEEP)) {
        if let Some(dir) = words.next() {
            prepnexus_backup::keep(stdin(), Path::new(&dir));
        }
        return ExitCode::SUCCESS;
    }
    let args: Args = parse_or_exit();
    args.log.init_logging();
    run(&args).unwrap_or_else(|error| {
        tracing::error!("{error:#}");
        ExitCode::FAILURE
    })
}

fn run(args: &Args) -> anyhow::Result<ExitCode> {
    account::become_user(&args.backup.backup_user)?;
    let config = or_exit(args.database.cluster_config("prepnexus-backup"));
    let config = or_exit(args.owner.apply(config));
    // One thread: what it spawns ends with the thread that spawned it.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let actions = Actions::new(&args.backup, config)?;
        let outcome = commands::run(&args.command, &args.backup, &actions).await;
        actions.cluster.close().await;
        outcome
    })
}
