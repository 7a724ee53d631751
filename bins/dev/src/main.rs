//! The `dev` binary: what `./dev` runs once it is built.
//!
//! It starts private PostgreSQL and Redis servers, and the programs of this repository against them. Whatever it starts
//! it also ends, at whichever moment it is interrupted.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use prepnexus_settings::parse_or_exit;

use crate::session::Session;
use crate::signals::Interrupted;

mod binaries;
mod bootstrap;
mod child;
mod commands;
mod env_file;
mod output;
mod poll;
mod project;
mod run_lock;
mod servers;
mod session;
mod signals;

/// Runs PrepNexus and what it needs on this machine, below .dev in the current directory.
#[derive(Parser)]
#[command(name = "dev", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts the servers and the API, with sample posts, until Ctrl-C.
    Run(commands::run::Arguments),
    /// Starts the servers alone, in the background.
    Up,
    /// Stops everything.
    Down,
    /// Says what is running.
    Status,
    /// Adds generated posts to the database.
    Seed(commands::seed::Arguments),
    /// Checks and tests everything, with servers of its own.
    Test(commands::test::Arguments),
    /// Measures, and prints a table of ratios.
    Bench(commands::bench::Arguments),
    /// Plays faults against real servers under load, and judges what clients saw.
    Chaos(commands::chaos::Arguments),
}

fn main() -> ExitCode {
    let arguments = parse_or_exit::<Arguments>();
    let result = Session::begin().and_then(|session| match arguments.command {
        Command::Run(arguments) => commands::run::run(&session, &arguments),
        Command::Up => commands::up::up(&session),
        Command::Down => commands::down::down(&session),
        Command::Status => commands::status::status(&session),
        Command::Seed(arguments) => commands::seed::seed(&session, &arguments),
        Command::Test(arguments) => commands::test::test(&session, &arguments),
        Command::Bench(arguments) => commands::bench::bench(&session, &arguments),
        Command::Chaos(arguments) => commands::chaos::chaos(&session, &arguments),
    });
    result.unwrap_or_else(|error| failed(&error))
}

/// One line, whatever the chain of causes; nothing at all when the user asked for the end.
fn failed(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref::<Interrupted>() {
        Some(interrupted) => ExitCode::from(interrupted.exit_code()),
        None => {
            output::complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
