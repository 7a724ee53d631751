//! How fast it is, and what it uses: since the process began, and in the last 1, 5 and 15 minutes.

mod figures;

use std::time::Instant;

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use self::figures::Figures;
use super::database::Pool;
use crate::{
    metric::process::Usage, openapi::MethodErrors, routes::health::answer, state::AppState,
};

/// How this process does.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Performance {
    /// For how many seconds it has run.
    uptime_seconds: u64,
    /// The requests, by method and route.
    requests: Vec<RouteFigures>,
    /// The database's queries, by name and by the role of the node that answered.
    queries: Vec<QueryFigures>,
    /// The cache, by tier.
    cache: Vec<TierFigures>,
    /// The connections to each database node.
    pools: Vec<NodePool>,
    /// What the process uses.
    process: Process,
}

/// The requests to one route.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RouteFigures {
    /// The method.
    #[schema(example = "GET")]
    method: String,
    /// The route's pattern.
    #[schema(example = "/api/v1/posts/{id}")]
    route: String,
    /// Answers since the process began.
    count: u64,
    /// Those of a status of 500 and above.
    errors: u64,
    /// The time that half of them did not exceed, in milliseconds; at most 1/16 too long, as all quantiles here.
    p50_ms: Option<f64>,
    /// The time that 95 % of them did not exceed.
    p95_ms: Option<f64>,
    /// The time that 99 % of them did not exceed.
    p99_ms: Option<f64>,
    /// The same for the last 1, 5 and 15 minutes.
    lately: Vec<RequestsLately>,
}

/// The requests of the last minutes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RequestsLately {
    /// Of how many minutes.
    minutes: u64,
    /// How long that was, by the clock: a process that is younger has less to tell.
    seconds: f64,
    /// Answers.
    count: u64,
    /// Those of a status of 500 and above.
    errors: u64,
    /// The time that half of them did not exceed, in milliseconds.
    p50_ms: Option<f64>,
    /// The time that 95 % of them did not exceed.
    p95_ms: Option<f64>,
    /// The time that 99 % of them did not exceed.
    p99_ms: Option<f64>,
}

/// One named query.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueryFigures {
    /// Its name; `prepare` is the preparing of all.
    #[schema(example = "posts.find_by_id")]
    name: String,
    /// `primary`, `replica`, or `unknown`: what the node was that answered.
    #[schema(example = "replica")]
    node_role: String,
    /// How often it ran since the process began.
    count: u64,
    /// The rows that it gave or changed.
    rows: u64,
    /// The time that half of them did not exceed, in milliseconds.
    p50_ms: Option<f64>,
    /// The time that 95 % of them did not exceed.
    p95_ms: Option<f64>,
    /// The time that 99 % of them did not exceed.
    p99_ms: Option<f64>,
    /// The same for the last 1, 5 and 15 minutes.
    lately: Vec<QueriesLately>,
}

/// One query in the last minutes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueriesLately {
    /// Of how many minutes.
    minutes: u64,
    /// How long that was, by the clock.
    seconds: f64,
    /// How often it ran.
    count: u64,
    /// The rows that it gave or changed.
    rows: u64,
    /// The time that half of them did not exceed, in milliseconds.
    p50_ms: Option<f64>,
    /// The time that 95 % of them did not exceed.
    p95_ms: Option<f64>,
    /// The time that 99 % of them did not exceed.
    p99_ms: Option<f64>,
}

/// One tier of the cache.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TierFigures {
    /// `memory` or `redis`.
    #[schema(example = "memory")]
    tier: String,
    /// How often it was asked since the process began.
    lookups: u64,
    /// How often it had the answer and could show it to be right.
    hits: u64,
    /// Their share, 0 to 1.
    hit_ratio: Option<f64>,
    /// The same for the last 1, 5 and 15 minutes.
    lately: Vec<LookupsLately>,
}

/// One tier in the last minutes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LookupsLately {
    /// Of how many minutes.
    minutes: u64,
    /// How long that was, by the clock.
    seconds: f64,
    /// How often it was asked.
    lookups: u64,
    /// How often it had the answer and could show it to be right.
    hits: u64,
    /// Their share, 0 to 1.
    hit_ratio: Option<f64>,
}

/// The connections to one database node.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NodePool {
    /// Its address.
    #[schema(example = "127.0.0.1:5432")]
    node: String,
    /// Its connections.
    pool: Pool,
}

/// What the process uses; null where the system does not tell.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Process {
    /// Memory that is in RAM.
    resident_memory_bytes: Option<u64>,
    /// Processor time since it began.
    cpu_seconds: Option<f64>,
    /// Files and sockets that are open.
    open_files: Option<u64>,
    /// The most that may be.
    max_open_files: Option<u64>,
}

/// How fast it is, and what it uses.
#[utoipa::path(
    get, path = "/api/monitoring/performance", tag = "Monitoring",
    responses((status = 200, description = "The figures", body = Performance), MethodErrors)
)]
pub(crate) async fn performance(state: web::Data<AppState>) -> HttpResponse {
    let figures = Figures::now(&state.health.recent, Instant::now());
    let nodes = state.content.database_status().into_iter();
    let usage = Usage::now();
    let performance = Performance {
        uptime_seconds: state.started.elapsed().as_secs(),
        requests: figures.requests(),
        queries: figures.queries(),
        cache: figures.cache(),
        pools: nodes
            .map(|node| NodePool {
                node: node.view.addr.to_string(),
                pool: node.pool.into(),
            })
            .collect(),
        process: Process {
            resident_memory_bytes: usage.resident_bytes,
            cpu_seconds: usage.cpu.map(|time| time.as_secs_f64()),
            open_files: usage.open_files,
            max_open_files: usage.max_files,
        },
    };
    answer(true, &performance)
}
