//! What there is, and what was last done.

use std::{collections::BTreeMap, fmt::Write as _, process::ExitCode, sync::Arc};

use jiff::Timestamp;
use prepnexus_backup::{Backup, Engine, Error, Stanza};
use prepnexus_domain::clock::{Clock, SystemClock};
use prepnexus_settings::BackupSettings;
use prepnexus_storage::{
    Freshness, ReadConn,
    backups::{self, Action, Archiver, Concern, Latest, Overview, Run},
};
use serde_json::json;

use crate::{actions::Actions, commands::code};

pub(crate) async fn show(
    settings: &BackupSettings,
    actions: &Actions,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let stanza = match actions.engine.info().await {
        Err(Error::UnknownStanza(name)) => Stanza {
            name,
            message: "not known: run `backup init`".into(),
            backups: Vec::new(),
            archived: None,
        },
        info => info?,
    };
    let now = SystemClock.now();
    let age = |backup: &Backup| now.duration_since(backup.stopped_at).as_secs_f64();
    let age_seconds = stanza.latest().map(age);
    let overview = overview(actions, now).await?;
    let problems = problems(settings, age_seconds, &overview, now);
    if as_json {
        let runs: Vec<&Run> = last_runs(&overview).collect();
        println!(
            "{:#}",
            json!({
                "stanza": stanza.name, "message": stanza.message, "archived": stanza.archived,
                "backups": stanza.backups, "age_seconds": age_seconds, "last_runs": runs, "problems": problems,
            })
        );
    } else {
        print(&stanza, &overview, &problems);
    }
    Ok(code(problems.is_empty()))
}

/// How backups are, by the file of all runs; and by what the database says of its archiver and of schedulers, where it answers.
async fn overview(actions: &Actions, now: Timestamp) -> anyhow::Result<Overview> {
    let mut last = BTreeMap::<Action, Latest>::new();
    for run in actions.journal.last()? {
        let latest = last.entry(run.action).or_default();
        if run.error.is_none() {
            latest.success = Some(run.clone());
        }
        latest.any = Some(run);
    }
    let read = |conn: Arc<ReadConn>| async move { backups::overview(&conn, now).await };
    let cluster = &actions.cluster;
    let asked = cluster
        .read_with(Freshness::Primary, cluster.deadline(), read)
        .await;
    let (beat_at, archiver) = match asked {
        Ok(seen) => (seen.beat_at, seen.archiver),
        Err(error) => {
            let error = error.chain();
            tracing::warn!(
                error,
                "the primary does not say how archiving and the schedule are"
            );
            (None, Archiver::default())
        }
    };
    Ok(Overview {
        at: now,
        beat_at,
        last,
        archiver,
    })
}

/// What is not well.
fn problems(
    settings: &BackupSettings,
    age_seconds: Option<f64>,
    overview: &Overview,
    now: Timestamp,
) -> Vec<String> {
    let mut problems = Vec::new();
    match age_seconds {
        None => problems.push("there is no backup".to_owned()),
        Some(age) if age > settings.backup_max_age.as_secs_f64() => {
            problems.push(format!("the last backup is {:.1} hours old", age / 3600.0));
        }
        Some(_) => {}
    }
    for run in overview.failing() {
        let (action, error) = (
            run.action.as_str(),
            run.error.as_deref().unwrap_or_default(),
        );
        problems.push(format!("{action} failed at {:.0}: {error}", run.started_at));
    }
    // The engine knows better how old the last backup is, and what failed has just been told.
    let told = |concern: &Concern| {
        !matches!(
            concern,
            Concern::BackupTooOld | Concern::DrillFailed | Concern::BackupFailing(_)
        )
    };
    let concerns = overview.concerns(now).into_iter().filter(told);
    problems.extend(concerns.map(|concern| concern.to_string()));
    problems
}

fn last_runs(overview: &Overview) -> impl Iterator<Item = &Run> {
    overview
        .last
        .values()
        .filter_map(|latest| latest.any.as_ref())
}

fn print(stanza: &Stanza, overview: &Overview, problems: &[String]) {
    let archived = stanza.archived.as_deref().unwrap_or("nothing");
    println!(
        "{}: {}; archived up to {archived}",
        stanza.name, stanza.message
    );
    for backup in &stanza.backups {
        let damaged = if backup.damaged { "  DAMAGED" } else { "" };
        let (label, kind, ended) = (&backup.label, backup.kind.as_str(), backup.stopped_at);
        let (database, repository) = (backup.database_bytes >> 20, backup.repository_bytes >> 20);
        println!(
            "{label}  {kind}  ended {ended}  {database} MiB, {repository} MiB in the repository{damaged}"
        );
    }
    for run in last_runs(overview) {
        print!("{}", describe(run));
    }
    for problem in problems {
        println!("NOT WELL: {problem}");
    }
}

/// A run in a line or two.
pub(crate) fn describe(run: &Run) -> String {
    let seconds = run.ended_at.duration_since(run.started_at).as_secs_f64();
    let action = run.action.as_str();
    let what = run
        .label
        .as_deref()
        .map(|label| format!(" {label}"))
        .unwrap_or_default();
    let how = if run.error.is_some() {
        "failed"
    } else {
        "done"
    };
    let mut text = format!(
        "{action}{what}: {how} in {seconds:.1} s at {:.0}\n",
        run.ended_at
    );
    if let Some(time) = run.recovery_time_seconds {
        let point = run.recovery_point_seconds.map_or_else(
            || "not known, for no schedule is kept".to_owned(),
            |seconds| format!("{seconds:.1} s"),
        );
        let _ = writeln!(text, "  recovery time {time:.1} s; recovery point {point}");
    }
    text
}
