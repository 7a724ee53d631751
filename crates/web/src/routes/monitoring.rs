//! What operators ask. Nothing here asks the database, so that it answers while the database does not.

pub(crate) mod backups;
pub(crate) mod database;
pub(crate) mod errors;
pub(crate) mod performance;
pub(crate) mod queries;

use actix_web::{HttpResponse, http::header, web};

use crate::{openapi::MethodErrors, state::AppState};

/// All metrics in the Prometheus text format.
#[utoipa::path(
    get, path = "/metrics", tag = "Monitoring",
    responses((status = 200, description = "The metrics", body = String, content_type = "text/plain"), MethodErrors)
)]
pub(crate) async fn metrics(state: web::Data<AppState>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        ))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(state.prometheus.render())
}
