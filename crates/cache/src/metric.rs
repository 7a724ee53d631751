//! The names of this crate's metrics, in one place, so that what is counted and what is described
//! cannot drift apart.

use prepnexus_health::BreakerState;

const REQUESTS: &str = "prepnexus_cache_requests_total";
const BREAKER_STATE: &str = "prepnexus_cache_breaker_state";

/// What came of looking a key up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lookup {
    Hit,
    Miss,
    Error,
}

/// Counts one look-up in Redis.
pub(crate) fn count_redis(lookup: Lookup) {
    let result = match lookup {
        Lookup::Hit => "hit",
        Lookup::Miss => "miss",
        Lookup::Error => "error",
    };
    metrics::counter!(REQUESTS, "tier" => "redis", "result" => result).increment(1);
}

/// Shows where the breaker in front of Redis stands.
pub(crate) fn show_breaker(state: BreakerState) {
    metrics::gauge!(BREAKER_STATE).set(state.as_metric());
}

/// Tells the installed recorder what this crate's metrics mean. Call it once, after installing one.
pub fn describe_metrics() {
    metrics::describe_counter!(
        REQUESTS,
        "Look-ups, by tier (redis) and result (hit, miss, error; an error includes being turned away by the breaker)"
    );
    metrics::describe_gauge!(
        BREAKER_STATE,
        "The breaker in front of Redis: 0 closed, 1 half-open, 2 open"
    );
}
