//! How backups are, by the records of what makes and rehearses them.

use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use prepnexus_content::BackupRun;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{openapi::MethodErrors, routes::health::answer, state::AppState};

/// How backups are. What is not known is null: all of it where no backup was ever recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BackupsStatus {
    /// `healthy`; `degraded` while the last try of anything failed, or nothing was ever backed up or rehearsed; `unknown` where
    /// nothing is recorded.
    #[schema(example = "healthy")]
    status: &'static str,
    /// When the records were last looked at.
    #[schema(value_type = Option<String>, format = DateTime)]
    looked_at: Option<Timestamp>,
    /// The last backup that succeeded.
    last_backup: Option<LastRun>,
    /// The last rehearsed restore that succeeded.
    last_drill: Option<LastRun>,
    /// What would have been lost with the primary, in seconds, as that rehearsal measured it.
    recovery_point_seconds: Option<f64>,
    /// How long it took until what was restored could be written, in seconds.
    recovery_time_seconds: Option<f64>,
    /// What failed when it was last tried.
    failing: Vec<FailedRun>,
    /// How long ago a scheduler said that it lives, in seconds.
    scheduler_age_seconds: Option<f64>,
    /// How long ago the primary archived its log, in seconds.
    archive_age_seconds: Option<f64>,
    /// Whether its last try to failed.
    archive_failing: Option<bool>,
}

/// A run that succeeded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LastRun {
    /// `full`, `diff`, `incr` or `drill`.
    #[schema(example = "full")]
    action: &'static str,
    /// The engine's name for the backup that was made, or restored.
    #[schema(example = "20260102-010003F")]
    label: Option<String>,
    /// When it ended.
    #[schema(value_type = String, format = DateTime)]
    ended_at: Timestamp,
    /// How long ago that is.
    age_seconds: f64,
    /// How long it took.
    seconds: f64,
}

/// A run that failed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailedRun {
    /// `full`, `diff`, `incr`, `verify`, `drill` or `expire`.
    #[schema(example = "verify")]
    action: &'static str,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// What it said.
    error: String,
}

impl BackupsStatus {
    pub(crate) fn now(state: &AppState) -> Self {
        let now = state.content.clock().now();
        let seen = state.content.backups();
        let kept = seen.as_ref().filter(|seen| seen.are_kept());
        let failing: Vec<FailedRun> = kept
            .iter()
            .flat_map(|seen| seen.failing())
            .map(FailedRun::from)
            .collect();
        let run = |run: Option<&BackupRun>| run.map(|run| LastRun::at(now, run));
        let last_backup = run(kept.and_then(|seen| seen.last_backup()));
        let drill = kept.and_then(|seen| seen.last_drill());
        let last_drill = run(drill);
        let archive_failing = kept.map(|seen| seen.archiver.is_failing());
        let is_well = failing.is_empty()
            && last_backup.is_some()
            && last_drill.is_some()
            && archive_failing == Some(false);
        Self {
            status: match (kept.is_some(), is_well) {
                (false, _) => "unknown",
                (true, true) => "healthy",
                (true, false) => "degraded",
            },
            looked_at: seen.as_ref().map(|seen| seen.at),
            last_backup,
            last_drill,
            recovery_point_seconds: drill.and_then(|run| run.recovery_point_seconds),
            recovery_time_seconds: drill.and_then(|run| run.recovery_time_seconds),
            failing,
            scheduler_age_seconds: kept
                .and_then(|seen| seen.scheduler_age())
                .map(|age| age.as_secs_f64()),
            archive_age_seconds: kept
                .and_then(|seen| seen.archive_age())
                .map(|age| age.as_secs_f64()),
            archive_failing,
        }
    }
}

impl LastRun {
    fn at(now: Timestamp, run: &BackupRun) -> Self {
        Self {
            action: run.action.as_str(),
            label: run.label.clone(),
            ended_at: run.ended_at,
            age_seconds: now.duration_since(run.ended_at).as_secs_f64().max(0.0),
            seconds: run.ended_at.duration_since(run.started_at).as_secs_f64(),
        }
    }
}

impl From<&BackupRun> for FailedRun {
    fn from(run: &BackupRun) -> Self {
        Self {
            action: run.action.as_str(),
            started_at: run.started_at,
            error: run.error.clone().unwrap_or_default(),
        }
    }
}

/// Backups, and how their restore went when it was last rehearsed.
#[utoipa::path(
    get, path = "/api/monitoring/backups", tag = "Monitoring",
    responses((status = 200, description = "How they are", body = BackupsStatus), MethodErrors)
)]
pub(crate) async fn backups(state: web::Data<AppState>) -> HttpResponse {
    answer(true, &BackupsStatus::now(&state))
}
