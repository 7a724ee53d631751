//! What each command does with the library, and with what exit code it ends.

use std::{fs::File, io::BufReader, path::Path, process::ExitCode, time::Duration};

use anyhow::Context;
use prepnexus_domain::SystemClock;
use prepnexus_migrate::{
    BaselineOptions, Error, Migrator, Progress, SeedOptions, Status, UpOptions,
};

use crate::{
    args::{Command, PlanFormat},
    exit::{DRIFT, PENDING, UNSAFE},
    import, output,
};

pub(crate) fn run(command: &Command, migrator: &Migrator) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("can't start the runtime")?;
    runtime.block_on(async {
        match command {
            Command::Up {
                dry_run,
                plan,
                lock_wait,
                retry,
            } => {
                let options = UpOptions {
                    dry_run: *dry_run,
                    lock_wait: *lock_wait,
                    retry: *retry,
                };
                up(migrator, options, *plan).await
            }
            Command::Status { check, json } => status(migrator, *check, *json).await,
            Command::Lint { json } => lint(migrator, *json),
            Command::Verify { json } => verify(migrator, *json).await,
            Command::Baseline {
                version,
                accept_differences,
                lock_wait,
                json,
            } => {
                let options = BaselineOptions {
                    version: *version,
                    accept_differences: *accept_differences,
                    lock_wait: *lock_wait,
                };
                baseline(migrator, options, *json).await
            }
            Command::Wait { timeout, json } => wait(migrator, *timeout, *json).await,
            Command::Seed {
                file,
                default_author,
                json,
            } => seed(migrator, file, default_author, *json).await,
            Command::ImportSqlite(args) => import::run(migrator, args).await,
        }
    })
}

async fn up(
    migrator: &Migrator,
    options: UpOptions,
    plan: Option<PlanFormat>,
) -> anyhow::Result<ExitCode> {
    let report = match migrator.up(options, &mut tell).await {
        Err(Error::Unsafe(findings)) => {
            output::print(&output::findings(&findings, plan.is_some()))?;
            return Ok(ExitCode::from(UNSAFE));
        }
        outcome => outcome?,
    };
    output::print(&match plan {
        Some(PlanFormat::Json) => output::plan_json(&report, options.dry_run),
        None if options.dry_run => output::plan_sql(&report),
        None => output::applied_text(&report),
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn status(migrator: &Migrator, check: bool, json: bool) -> anyhow::Result<ExitCode> {
    let status = migrator.status().await?;
    output::print(&if json {
        output::status_json(&status)
    } else {
        output::status_text(&status)
    })?;
    Ok(if check {
        checked(&status)
    } else {
        ExitCode::SUCCESS
    })
}

fn checked(status: &Status) -> ExitCode {
    if let Err(error) = status.check() {
        tracing::error!("{}", error.chain());
        return ExitCode::from(DRIFT);
    }
    if status.pending.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(PENDING)
    }
}

fn lint(migrator: &Migrator, json: bool) -> anyhow::Result<ExitCode> {
    let findings = migrator.migrations().lint();
    output::print(&output::findings(&findings, json))?;
    Ok(if findings.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(UNSAFE)
    })
}

async fn verify(migrator: &Migrator, json: bool) -> anyhow::Result<ExitCode> {
    let differences = migrator.verify().await?;
    output::print(&output::differences(&differences, json))?;
    Ok(if differences.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(DRIFT)
    })
}

async fn baseline(
    migrator: &Migrator,
    options: BaselineOptions,
    json: bool,
) -> anyhow::Result<ExitCode> {
    match migrator.baseline(options, &mut tell).await {
        Ok(()) => {
            output::print(&output::baseline(options.version, json))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(Error::Differs(differences)) => {
            output::print(&output::differences(&differences, json))?;
            Ok(ExitCode::from(DRIFT))
        }
        Err(error) => Err(error.into()),
    }
}

async fn wait(migrator: &Migrator, timeout: Duration, json: bool) -> anyhow::Result<ExitCode> {
    migrator.wait(timeout).await?;
    output::print(&output::answers(json))?;
    Ok(ExitCode::SUCCESS)
}

async fn seed(
    migrator: &Migrator,
    path: &Path,
    default_author: &str,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let file = File::open(path).with_context(|| format!("can't read {}", path.display()))?;
    let options = SeedOptions {
        default_author: default_author.to_owned(),
    };
    let report = migrator
        .seed(BufReader::new(file), &options, &SystemClock, &mut tell)
        .await
        .with_context(|| path.display().to_string())?;
    output::print(&output::loaded(report, json))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn tell(progress: Progress) {
    match progress {
        Progress::WaitingForLock(holder) => {
            tracing::info!("waiting for another runner: {holder}");
        }
        Progress::WaitingForStatement(holder) => {
            tracing::info!("waiting for what a killed runner has left running: {holder}");
        }
        Progress::Blocked {
            file,
            line,
            holders,
        } => tracing::info!("{file}, line {line}, waits for {holders}"),
        Progress::TryingAgain { file, line, pause } => tracing::warn!(
            "{file}, line {line}: its locks did not come free; all is undone, and tried again in {} ms",
            pause.as_millis()
        ),
        Progress::Running {
            file,
            line,
            elapsed,
            phase,
        } => {
            let phase = phase.unwrap_or_else(|| "running".into());
            tracing::info!(
                "{file}, line {line}: {phase}, {} s so far",
                elapsed.as_secs()
            );
        }
        Progress::Repeated { file, line, rows } => {
            tracing::info!("{file}, line {line}: {rows} rows so far");
        }
        Progress::Applying { file } => tracing::info!("applying {file}"),
        Progress::Applied { file, took } => {
            tracing::info!("applied {file} in {} ms", took.as_millis());
        }
        Progress::Loaded { posts } => tracing::info!("{posts} posts so far"),
        other => tracing::info!("{other:?}"),
    }
}
