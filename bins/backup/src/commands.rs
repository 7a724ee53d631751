//! What each command does, and prints.

use std::{process::ExitCode, sync::Arc};

use anyhow::Context;
use jiff::SignedDuration;
use prepnexus_backup::{Engine, Plan, Purpose, RestoreConfig, Scheduler, Target, inspect, restore};
use prepnexus_domain::clock::SystemClock;
use prepnexus_settings::{BackupSettings, SettingsError, or_exit};
use prepnexus_storage::backups::{Action, Run};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    actions::Actions,
    args::{Command, Kind, RestoreArgs},
    status,
};

pub(crate) async fn run(
    command: &Command,
    settings: &BackupSettings,
    actions: &Actions,
) -> anyhow::Result<ExitCode> {
    let action = match command {
        Command::Init => return init(actions).await,
        Command::Schedule => return schedule(settings, actions).await,
        Command::Status { json } => return status::show(settings, actions, *json).await,
        Command::Restore(args) => return restore_to(args, settings, actions).await,
        Command::Expire { dry_run: true } => {
            println!("{}", actions.engine.expire(true).await?);
            return Ok(ExitCode::SUCCESS);
        }
        Command::Run { r#type: Kind::Full } => Action::Full,
        Command::Run { r#type: Kind::Diff } => Action::Differential,
        Command::Run { r#type: Kind::Incr } => Action::Incremental,
        Command::Verify { .. } => Action::Verify,
        Command::Drill { .. } => Action::Drill,
        Command::Expire { dry_run: false } => Action::Expire,
    };
    let run = actions.record(action).await?;
    let as_json = matches!(
        command,
        Command::Verify { json: true } | Command::Drill { json: true }
    );
    show(&run, as_json);
    Ok(code(run.error.is_none()))
}

/// What came of a run; why it failed goes where errors go.
fn show(run: &Run, as_json: bool) {
    if as_json {
        println!("{:#}", json!(run));
    } else if run.error.is_none() {
        print!("{}", status::describe(run));
    }
    if let Some(error) = &run.error {
        tracing::error!("{}: {error}", run.action.as_str());
    }
}

async fn init(actions: &Actions) -> anyhow::Result<ExitCode> {
    let findings = inspect(&actions.config).await?;
    for finding in &findings {
        let mark = if finding.is_well {
            "ok     "
        } else {
            "CHANGE "
        };
        println!("{mark} {} = {:?}", finding.setting, finding.value);
        if !finding.is_well {
            let restart = if finding.needs_restart {
                "; needs a restart"
            } else {
                ""
            };
            println!("         wanted: {}{restart}", finding.wanted);
        }
    }
    if findings.iter().any(|finding| !finding.is_well) {
        return Ok(ExitCode::FAILURE);
    }
    actions.engine.create().await?;
    // A segment all the way, from the server into the repository.
    actions.engine.check().await?;
    println!("ok      the repository is ready, and a segment of the log arrived in it");
    Ok(ExitCode::SUCCESS)
}

async fn schedule(settings: &BackupSettings, actions: &Actions) -> anyhow::Result<ExitCode> {
    let plan = or_exit(plan(settings));
    let (cluster, journal) = (actions.cluster.clone(), actions.journal.clone());
    let (name, clock) = (actions.name.clone(), Arc::new(SystemClock));
    let scheduler = Scheduler::new(cluster, plan, name, clock, journal, actions.clone());
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tracing::info!(name = actions.name, "keeping the schedule");
    // What is under way is ended with it, and begun again by whoever has the next turn.
    tokio::select! {
        () = scheduler.work() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// The schedule, by the settings.
fn plan(settings: &BackupSettings) -> Result<Plan, SettingsError> {
    let entries = [
        (Action::Full, "BACKUP_FULL_AT", &settings.backup_full_at),
        (
            Action::Differential,
            "BACKUP_DIFF_AT",
            &settings.backup_diff_at,
        ),
        (
            Action::Incremental,
            "BACKUP_INCR_AT",
            &settings.backup_incr_at,
        ),
        (
            Action::Verify,
            "BACKUP_VERIFY_AT",
            &settings.backup_verify_at,
        ),
        (Action::Drill, "BACKUP_DRILL_AT", &settings.backup_drill_at),
    ];
    let jitter = SignedDuration::try_from(settings.backup_jitter).unwrap_or(SignedDuration::MAX);
    let make = |entries: &[(Action, &str)]| Plan::new(entries, jitter, &settings.backup_stanza);
    for (action, variable, text) in entries {
        let tried = make(&[(action, text)]);
        tried.map_err(|error| SettingsError::invalid(variable, error.to_string()))?;
    }
    let all = entries.map(|(action, _, text)| (action, text.as_str()));
    make(&all).map_err(|error| SettingsError::invalid("BACKUP_FULL_AT", error.to_string()))
}

async fn restore_to(
    args: &RestoreArgs,
    settings: &BackupSettings,
    actions: &Actions,
) -> anyhow::Result<ExitCode> {
    let target = match (args.to, args.to_lsn) {
        (Some(time), _) => Target::Time(time),
        (None, Some(lsn)) => Target::Lsn(lsn),
        (None, None) => Target::End,
    };
    let purpose = match (args.start, args.as_primary) {
        (true, _) => Purpose::Copy { port: args.port },
        (false, true) => Purpose::Primary,
        (false, false) => Purpose::Files,
    };
    let wanted = RestoreConfig {
        into: args.into.clone(),
        target,
        purpose,
        limit: settings.backup_limit,
        archive_limit: settings.backup_archive_limit,
    };
    let restoring = restore(&actions.engine, &actions.cluster, &actions.config, &wanted);
    let restored = restoring.await.context("nothing was restored")?;
    if args.json {
        println!("{:#}", json!(restored));
        return Ok(ExitCode::SUCCESS);
    }
    let (data, seconds) = (restored.data.display(), restored.seconds);
    println!(
        "restored into {data}, to {}, in {seconds:.1} s",
        restored.target
    );
    if let Some(fenced) = &restored.fenced {
        println!("the old primary: {fenced}");
    }
    match &restored.address {
        Some(address) => {
            println!("a server answers at {address}; when you have what you want:");
            println!("  pg_ctl stop --pgdata {data} && rm -r {data}");
        }
        None => println!("it recovers when a server is started on it"),
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn code(is_well: bool) -> ExitCode {
    if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
