//! How the service is: for load balancers, orchestrators, and people.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, http::StatusCode, http::header, web};
use jiff::Timestamp;
use prepnexus_health::{Component, Status};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{openapi::MethodErrors, state::AppState};

/// The whole service.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `healthy`, `degraded`: served with something lost, or `unhealthy`: not served.
    #[schema(example = "healthy")]
    status: &'static str,
    /// The version of the program.
    version: &'static str,
    /// For how many seconds the process has run.
    uptime_seconds: u64,
    /// The components: `database`, `cache`.
    checks: BTreeMap<&'static str, Check>,
}

/// One component.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Check {
    /// `healthy`, `degraded` or `unhealthy`.
    #[schema(example = "healthy")]
    status: &'static str,
    /// Why it is not healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// Since when it is as it is.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// What else there is to know.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    details: BTreeMap<&'static str, String>,
}

impl From<Component> for Check {
    fn from(component: Component) -> Self {
        Self {
            status: component.status.as_str(),
            reason: component.reason,
            since: component.since,
            details: component.details,
        }
    }
}

/// How the service and its components are.
#[utoipa::path(
    get, path = "/health", tag = "Health",
    responses(
        (status = 200, description = "Healthy, or degraded: it serves", body = Health),
        (status = 503, description = "Unhealthy", body = Health),
        MethodErrors,
    )
)]
pub(crate) async fn health(state: web::Data<AppState>) -> HttpResponse {
    let health = Health::now(&state);
    answer(health.status != Status::Unhealthy.as_str(), &health)
}

impl Health {
    pub(crate) fn now(state: &AppState) -> Self {
        let snapshot = state.health.registry.snapshot();
        Self {
            status: snapshot.status.as_str(),
            version: state.version,
            uptime_seconds: state.started.elapsed().as_secs(),
            checks: snapshot
                .components
                .into_iter()
                .map(|(name, component)| (name, component.into()))
                .collect(),
        }
    }
}

/// A word about the process itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Probe {
    /// `live`, `ready` or `not_ready`.
    #[schema(example = "ready")]
    status: &'static str,
}

/// Whether the process answers.
#[utoipa::path(
    get, path = "/health/live", tag = "Health",
    responses((status = 200, description = "It does", body = Probe), MethodErrors)
)]
pub(crate) async fn live() -> HttpResponse {
    answer(true, &Probe { status: "live" })
}

/// Whether reads can be served, and will be for a while. Stays 200 when only the primary is lost, so that a load balancer
/// does not empty the whole fleet.
#[utoipa::path(
    get, path = "/health/ready", tag = "Health",
    responses(
        (status = 200, description = "Reads can be served, from copies at least", body = Probe),
        (status = 503, description = "Nothing can be served", body = Probe),
        MethodErrors,
    )
)]
pub(crate) async fn ready(state: web::Data<AppState>) -> HttpResponse {
    let can_serve = state.content.serves_reads() || state.content.has_copies();
    let serves = can_serve && !state.is_draining();
    answer(
        serves,
        &Probe {
            status: if serves { "ready" } else { "not_ready" },
        },
    )
}

/// 200 or 503, never kept by a cache. A 503 here is the answer itself, not a problem document.
pub(crate) fn answer(good: bool, body: &impl Serialize) -> HttpResponse {
    let status = if good {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let mut response = HttpResponse::build(status);
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    if !good {
        response.insert_header((header::RETRY_AFTER, 1));
    }
    let mut response = response.json(body);
    response.extensions_mut().insert(AnswersForItself);
    response
}

/// Marks an error status whose body is to be left as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnswersForItself;
