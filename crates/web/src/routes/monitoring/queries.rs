//! What was slow, how the database would run it, and what its statistics say: as of the last look, for nothing is asked of the
//! database here.

use std::{sync::Arc, time::Instant};

use actix_web::{HttpResponse, web};
use jiff::{SignedDuration, Timestamp};
use prepnexus_content::{Advice, IndexStatistics, Inspected, SlowQuery, TableStatistics};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{openapi::MethodErrors, routes::health::answer, state::AppState, time::milliseconds};

/// What was found when it was looked last.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DatabaseQueries {
    /// When it was looked; null before the first time, a few seconds after the start.
    #[schema(value_type = Option<String>, format = DateTime)]
    inspected_at: Option<Timestamp>,
    /// The nodes that were asked.
    nodes: Vec<InspectedNode>,
    /// What took long in this process, the slowest first.
    slow: Vec<Slow>,
    /// What follows from the numbers.
    recommendations: Vec<Recommendation>,
    /// The tables, the largest first.
    tables: Vec<Table>,
    /// The indexes, the largest first.
    indexes: Vec<Index>,
}

/// A node that was asked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InspectedNode {
    /// Its address.
    node: String,
    /// Since when it has counted.
    #[schema(value_type = String, format = DateTime)]
    counts_since: Timestamp,
}

/// A query that took long.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Slow {
    /// Its name.
    #[schema(example = "posts.list")]
    name: &'static str,
    /// What the nodes were that were slow with it.
    #[schema(example = "replica")]
    node_role: &'static str,
    /// How often it took long since the process began.
    count: u64,
    /// The longest it took.
    longest_ms: f64,
    /// When it did last.
    #[schema(value_type = String, format = DateTime)]
    last_seen: Timestamp,
    /// How it would be run, whatever its parameters, as EXPLAIN puts it.
    plan: Option<String>,
    /// The node that was asked for the plan.
    planned_by: Option<String>,
}

/// Something to do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Recommendation {
    /// `unused_index`, `invalid_index`, `missing_index` or `bloat`.
    #[schema(example = "unused_index")]
    kind: &'static str,
    /// The index or table it is about.
    subject: String,
    /// The numbers that support it.
    reason: String,
}

/// A table: sizes as of the primary, counts of all nodes together.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Table {
    /// Its name.
    name: String,
    /// Its size with indexes and long values.
    bytes: i64,
    /// How many rows it has, by estimate.
    live_rows: i64,
    /// Former versions of rows, by estimate.
    dead_rows: i64,
    /// How often it was read from end to end.
    sequential_scans: i64,
    /// How many rows that were.
    sequential_rows: i64,
    /// How often an index of it was used.
    index_scans: i64,
    /// When it was last cleared of dead rows.
    #[schema(value_type = Option<String>, format = DateTime)]
    vacuumed_at: Option<Timestamp>,
}

/// An index.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Index {
    /// Its name.
    name: String,
    /// Its table's.
    table: String,
    /// Its size.
    bytes: i64,
    /// How often it was used.
    scans: i64,
    /// Whether it upholds a constraint.
    is_constraint: bool,
    /// Whether it can be used.
    is_valid: bool,
}

impl From<&TableStatistics> for Table {
    fn from(table: &TableStatistics) -> Self {
        Self {
            name: table.name.clone(),
            bytes: table.bytes,
            live_rows: table.live_rows,
            dead_rows: table.dead_rows,
            sequential_scans: table.sequential_scans,
            sequential_rows: table.sequential_rows,
            index_scans: table.index_scans,
            vacuumed_at: table.vacuumed_at,
        }
    }
}

impl From<&IndexStatistics> for Index {
    fn from(index: &IndexStatistics) -> Self {
        Self {
            name: index.name.clone(),
            table: index.table.clone(),
            bytes: index.bytes,
            scans: index.scans,
            is_constraint: index.is_constraint,
            is_valid: index.is_valid,
        }
    }
}

impl From<Advice> for Recommendation {
    fn from(advice: Advice) -> Self {
        Self {
            kind: advice.kind.as_str(),
            subject: advice.subject,
            reason: advice.reason,
        }
    }
}

impl Slow {
    fn new(slow: &SlowQuery, now: Timestamp) -> Self {
        let ago = SignedDuration::try_from(Instant::now() - slow.last_seen).unwrap_or_default();
        let (plan, planned_by) = match &slow.plan {
            Some(plan) => (Some(plan.text.clone()), Some(plan.node.clone())),
            None => (None, None),
        };
        Self {
            name: slow.name,
            node_role: slow.role.as_str(),
            count: slow.count,
            longest_ms: milliseconds(slow.longest),
            last_seen: now.checked_sub(ago).unwrap_or(now),
            plan,
            planned_by,
        }
    }
}

impl DatabaseQueries {
    fn new(inspected: Option<Arc<Inspected>>, now: Timestamp) -> Self {
        let Some(inspected) = inspected else {
            return Self {
                inspected_at: None,
                nodes: Vec::new(),
                slow: Vec::new(),
                recommendations: Vec::new(),
                tables: Vec::new(),
                indexes: Vec::new(),
            };
        };
        let found = &inspected.found;
        let mut slow: Vec<Slow> = found.slow.iter().map(|slow| Slow::new(slow, now)).collect();
        slow.sort_by(|one, other| other.longest_ms.total_cmp(&one.longest_ms));
        let nodes = found.nodes.iter().map(|node| InspectedNode {
            node: node.node.clone(),
            counts_since: node.counts_since,
        });
        Self {
            inspected_at: Some(inspected.at),
            nodes: nodes.collect(),
            slow,
            recommendations: found
                .advice(now)
                .into_iter()
                .map(Recommendation::from)
                .collect(),
            tables: found.tables.iter().map(Table::from).collect(),
            indexes: found.indexes.iter().map(Index::from).collect(),
        }
    }
}

/// What was slow, with its plans, and what the database's statistics say, as of the last look.
#[utoipa::path(
    get, path = "/api/monitoring/database/queries", tag = "Monitoring",
    responses((status = 200, description = "What was found", body = DatabaseQueries), MethodErrors)
)]
pub(crate) async fn database_queries(state: web::Data<AppState>) -> HttpResponse {
    let now = state.content.clock().now();
    answer(true, &DatabaseQueries::new(state.content.inspected(), now))
}
