//! `./dev chaos`: the fault suite. It prints a table, writes the same as JSON below target/chaos/ beside the histories that
//! were judged, and fails when a limit is broken.

mod mutants;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use prepnexus_chaos::{Programs, Report, Setting, choose, run};
use tokio::runtime::Builder;

use crate::binaries::Binaries;
use crate::output::{note, say};
use crate::session::Session;
use crate::signals::Interrupts;

/// How often each scenario is played; its worst run counts.
const RUNS: u32 = 10;
/// How soon a signal is seen.
const POLL: Duration = Duration::from_millis(100);

/// What to play.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The scenarios; all of them without a name.
    names: Vec<String>,
    /// How often each is played [default: 10, or 1 with --quick].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// The short form: shorter loads, fewer faults.
    #[arg(long)]
    quick: bool,
    /// Where the schedules of the scenario `cache` begin: one that broke a promise is played again by its number.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u32,
    /// Instead: whether `cache` notices that a rule is broken, for each patch in crates/chaos/mutants.
    #[arg(long, conflicts_with_all = ["names", "runs", "quick", "seed"])]
    mutants: bool,
}

pub(crate) fn chaos(session: &Session, arguments: &Arguments) -> Result<ExitCode> {
    if arguments.mutants {
        return mutants::mutants(session);
    }
    let chosen = choose(&arguments.names)?;
    note("building the release binaries");
    let binaries = Binaries::build(session)?;
    let programs = Some(Programs {
        api: binaries.path("api")?,
        migrator: binaries.path("migrator")?,
    });
    let dir = session.project.root().join("target/chaos");
    let (mut setting, runs) = if arguments.quick {
        (Setting::quick(programs), 1)
    } else {
        (Setting::full(programs), RUNS)
    };
    setting.seed = arguments.seed;
    setting.histories = Some(dir.join("histories"));
    let runs = arguments.runs.unwrap_or(runs);
    let report = until_interrupted(session, run(&chosen, &setting, runs, |line| note(line)))?;
    say(report.table().trim_end());
    write(&dir, &report)?;
    Ok(if report.holds() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Does `work`, unless the user wants to stop.
fn until_interrupted<T>(session: &Session, work: impl Future<Output = T>) -> Result<T> {
    let runtime = Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("can't start a runtime")?;
    runtime.block_on(async {
        tokio::select! {
            done = work => Ok(done),
            interrupted = interrupted(&session.interrupts) => Err(interrupted),
        }
    })
}

/// Ends when the user wants to stop.
async fn interrupted(interrupts: &Interrupts) -> anyhow::Error {
    loop {
        if let Err(interrupted) = interrupts.check() {
            return interrupted.into();
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Writes `report.json`.
fn write(dir: &Path, report: &Report) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("can't make {}", dir.display()))?;
    let path = dir.join("report.json");
    fs::write(&path, report.json() + "\n")
        .with_context(|| format!("can't write {}", path.display()))?;
    say(format_args!("written to {}", path.display()));
    Ok(())
}
