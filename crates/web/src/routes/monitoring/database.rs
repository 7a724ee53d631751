//! The database's nodes as last seen.

use actix_web::{HttpResponse, web};
use prepnexus_content::{NodeRole, NodeState, NodeStatus, PoolStatus};
use prepnexus_health::BreakerState;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{openapi::MethodErrors, routes::health::answer, state::AppState, time::milliseconds};

/// The database cluster.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DatabaseHealth {
    /// `healthy`, `degraded` or `unhealthy`.
    #[schema(example = "healthy")]
    status: &'static str,
    /// The node that takes writes.
    primary: Option<Node>,
    /// All nodes, in the order of the settings.
    nodes: Vec<Node>,
}

/// One database node.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Node {
    /// Its host.
    host: String,
    /// Its port.
    port: u16,
    /// `primary`, `replica`, or `unknown` before it was reached.
    #[schema(example = "primary")]
    role: &'static str,
    /// `up`, `down`, `fenced` or `lagging`.
    #[schema(example = "up")]
    state: &'static str,
    /// `closed`, `open` or `half_open`.
    #[schema(example = "closed")]
    breaker: &'static str,
    /// Its timeline.
    timeline: Option<u32>,
    /// How far a replica is behind, in bytes of write-ahead log.
    lag_bytes: Option<u64>,
    /// How far a replica is behind, in seconds.
    lag_seconds: Option<f64>,
    /// How long the last successful probe took.
    response_time_ms: Option<f64>,
    /// Its connections.
    pool: Pool,
    /// The last thing that went wrong with it.
    last_error: Option<String>,
}

/// The connections to one node.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(crate) struct Pool {
    /// Connections there are.
    size: usize,
    /// Those nobody uses.
    idle: usize,
    /// Those in use.
    in_use: usize,
    /// Requests that wait for one.
    waiting: usize,
    /// The most there may be.
    max: usize,
}

impl From<PoolStatus> for Pool {
    fn from(pool: PoolStatus) -> Self {
        Self {
            size: pool.size,
            idle: pool.idle,
            in_use: pool.in_use,
            waiting: pool.waiting,
            max: pool.max,
        }
    }
}

impl From<NodeStatus> for Node {
    fn from(status: NodeStatus) -> Self {
        let NodeStatus {
            view,
            breaker,
            pool,
        } = status;
        Self {
            host: view.addr.host,
            port: view.addr.port,
            role: view.role.as_str(),
            state: view.state.as_str(),
            breaker: breaker.as_str(),
            timeline: view.observation.as_ref().map(|seen| seen.timeline),
            lag_bytes: view.lag_bytes,
            lag_seconds: view.lag.map(|lag| lag.as_secs_f64()),
            response_time_ms: view
                .observation
                .as_ref()
                .map(|seen| milliseconds(seen.response_time)),
            pool: pool.into(),
            last_error: view.last_error,
        }
    }
}

/// The database's nodes as last seen.
#[utoipa::path(
    get, path = "/api/monitoring/database/health", tag = "Monitoring",
    responses(
        (status = 200, description = "There is a primary", body = DatabaseHealth),
        (status = 503, description = "There is none", body = DatabaseHealth),
        MethodErrors,
    )
)]
pub(crate) async fn database_health(state: web::Data<AppState>) -> HttpResponse {
    let health = DatabaseHealth::now(&state);
    answer(health.primary.is_some(), &health)
}

impl DatabaseHealth {
    pub(crate) fn now(state: &AppState) -> Self {
        let nodes = state.content.database_status();
        let is_primary = |node: &NodeStatus| {
            node.view.role == NodeRole::Primary && node.view.state == NodeState::Up
        };
        let is_well = |node: &NodeStatus| {
            node.view.state == NodeState::Up && node.breaker == BreakerState::Closed
        };
        let all_well = nodes.iter().all(is_well);
        let serves = nodes.iter().any(|node| node.view.state == NodeState::Up);
        let primary = nodes.iter().find(|node| is_primary(node)).cloned();
        Self {
            status: match (primary.is_some(), serves) {
                (true, _) if all_well => "healthy",
                (_, true) => "degraded",
                (_, false) => "unhealthy",
            },
            primary: primary.map(Node::from),
            nodes: nodes.into_iter().map(Node::from).collect(),
        }
    }
}
