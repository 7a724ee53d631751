//! What goes wrong here, how often, and whether it is still going on.

use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use prepnexus_health::TrackedError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{openapi::MethodErrors, routes::health::answer, state::AppState};

/// The errors of this process since it began.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TrackedErrors {
    /// The most recently seen first; those not seen for long are forgotten when there are many.
    errors: Vec<ErrorGroup>,
}

/// Errors of one kind.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorGroup {
    /// The code, as in problem documents.
    #[schema(example = "database_unavailable")]
    code: &'static str,
    /// What they have in common: where they happened, and the text without its numbers.
    fingerprint: String,
    /// How many there were.
    count: u64,
    /// The first.
    #[schema(value_type = String, format = DateTime)]
    first_seen: Timestamp,
    /// The last.
    #[schema(value_type = String, format = DateTime)]
    last_seen: Timestamp,
    /// What the last one said; values that people wrote are left out.
    sample: String,
    /// The id of the last one's request: to be looked up in the log.
    request_id: Option<String>,
}

impl From<TrackedError> for ErrorGroup {
    fn from(error: TrackedError) -> Self {
        Self {
            code: error.code,
            fingerprint: error.fingerprint,
            count: error.count,
            first_seen: error.first_seen,
            last_seen: error.last_seen,
            sample: error.sample,
            request_id: error.request_id,
        }
    }
}

/// Errors grouped by what they have in common.
#[utoipa::path(
    get, path = "/api/monitoring/errors", tag = "Monitoring",
    responses((status = 200, description = "The groups", body = TrackedErrors), MethodErrors)
)]
pub(crate) async fn tracked_errors(state: web::Data<AppState>) -> HttpResponse {
    let groups = state.health.errors.list().into_iter();
    let errors = groups.map(ErrorGroup::from).collect();
    answer(true, &TrackedErrors { errors })
}
