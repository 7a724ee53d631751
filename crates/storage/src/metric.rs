//! The metrics of this crate, by name, in one place.

mod handles;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge};

pub(crate) use self::handles::{Routes, Waits, query, rows};

use crate::{
    node::Node,
    topology::{NodeState, NodeView, Role, Topology},
};

const QUERY: &str = "prepnexus_db_query_duration_seconds";
const ROWS: &str = "prepnexus_db_query_rows_total";
const WAIT: &str = "prepnexus_db_pool_wait_seconds";
const ROUTE: &str = "prepnexus_db_route_total";
const FAILOVERS: &str = "prepnexus_db_failovers_total";
const COMMIT_UNKNOWN: &str = "prepnexus_db_commit_unknown_total";
const RETRIES: &str = "prepnexus_db_transaction_retries_total";
const READ_RETRIES: &str = "prepnexus_db_read_retries_total";
const NODE_UP: &str = "prepnexus_db_node_up";
const NODE_FENCED: &str = "prepnexus_db_node_fenced";
const LAG_SECONDS: &str = "prepnexus_db_replication_lag_seconds";
const LAG_BYTES: &str = "prepnexus_db_replication_lag_bytes";
const BREAKER: &str = "prepnexus_db_breaker_state";
/// By the contract under the name of who needs it.
pub(crate) const FEED_AGE: &str = "prepnexus_cache_feed_age_seconds";
const CONNECTIONS: &str = "prepnexus_db_pool_connections";
const MAX_CONNECTIONS: &str = "prepnexus_db_pool_max_connections";
const CERTIFICATE_EXPIRY: &str = "prepnexus_db_certificate_expiry_timestamp_seconds";

/// Tells the installed recorder what the metrics mean. Call it once, after installing one and before
/// [`Cluster::start`](crate::Cluster::start).
pub fn describe_metrics() {
    describe_histogram!(
        QUERY,
        Unit::Seconds,
        "Time of a named query, by the role of the node"
    );
    describe_counter!(
        ROWS,
        "Rows that a named query gave or changed, by the role of the node"
    );
    describe_histogram!(
        WAIT,
        Unit::Seconds,
        "Time a request waited for a connection"
    );
    describe_counter!(ROUTE, "Where reads and writes were sent, and why there");
    describe_counter!(FAILOVERS, "Times the primary became another node");
    describe_counter!(COMMIT_UNKNOWN, "Commits whose outcome was not learned");
    describe_counter!(RETRIES, "Transactions begun again after a passing fault");
    describe_counter!(READ_RETRIES, "Reads begun again on another node");
    describe_gauge!(NODE_UP, "1 while the node answers and may be used");
    describe_gauge!(
        NODE_FENCED,
        "1 while the node answers and must not be used: of another cluster, or a former primary"
    );
    describe_gauge!(
        LAG_SECONDS,
        Unit::Seconds,
        "How far a replica is behind, in time"
    );
    describe_gauge!(
        LAG_BYTES,
        Unit::Bytes,
        "How far a replica is behind, in write-ahead log"
    );
    describe_gauge!(BREAKER, "0 closed, 1 half-open, 2 open");
    describe_gauge!(
        FEED_AGE,
        Unit::Seconds,
        "Age of the moment up to which all changes are known"
    );
    describe_gauge!(CONNECTIONS, "Connections of the pool, by state");
    describe_gauge!(MAX_CONNECTIONS, "The most connections the pool may have");
    describe_gauge!(
        CERTIFICATE_EXPIRY,
        Unit::Seconds,
        "When the certificate ends that the server presented last, in seconds since 1970"
    );
    counter!(FAILOVERS).absolute(0);
    counter!(COMMIT_UNKNOWN).absolute(0);
}

pub(crate) fn failover() {
    counter!(FAILOVERS).increment(1);
}

pub(crate) fn commit_unknown() {
    counter!(COMMIT_UNKNOWN).increment(1);
}

pub(crate) fn retry(transaction: &'static str) {
    counter!(RETRIES, "transaction" => transaction).increment(1);
}

pub(crate) fn read_retry() {
    counter!(READ_RETRIES).increment(1);
}

/// The certificate that the server of that name presents ends then, in seconds since 1970.
pub(crate) fn certificate_expiry(host: &str, end: f64) {
    gauge!(CERTIFICATE_EXPIRY, "host" => host.to_owned()).set(end);
}

/// Sets all gauges from one view of the cluster, and tells what was counted since the last.
#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; a lag is far below 2^53 bytes"
)]
pub(crate) fn topology(topology: &Topology, nodes: &[std::sync::Arc<Node>]) {
    for (view, node) in topology.nodes.iter().zip(nodes) {
        for role in [Role::Primary, Role::Replica] {
            let up = view.role == role && is_up(view);
            gauge!(NODE_UP, "node" => node.label.clone(), "role" => role.as_str())
                .set(f64::from(u8::from(up)));
        }
        let fenced = matches!(view.state, NodeState::Fenced);
        gauge!(NODE_FENCED, "node" => node.label.clone()).set(f64::from(u8::from(fenced)));
        // Unknown is not zero: a dead replica has no lag to speak of.
        let seconds = view.lag.map_or(f64::NAN, |lag| lag.as_secs_f64());
        gauge!(LAG_SECONDS, "node" => node.label.clone()).set(seconds);
        let bytes = view.lag_bytes.map_or(f64::NAN, |bytes| bytes as f64);
        gauge!(LAG_BYTES, "node" => node.label.clone()).set(bytes);
        gauge!(BREAKER, "node" => node.label.clone()).set(node.breaker.state().as_metric());
        node.waits.tell(&node.label);
        let pool = node.pool.status();
        gauge!(MAX_CONNECTIONS, "node" => node.label.clone()).set(pool.max as f64);
        for (state, count) in [
            ("idle", pool.idle),
            ("in_use", pool.in_use),
            ("waiting", pool.waiting),
        ] {
            gauge!(CONNECTIONS, "node" => node.label.clone(), "state" => state).set(count as f64);
        }
    }
}

fn is_up(view: &NodeView) -> bool {
    matches!(view.state, NodeState::Up)
}
