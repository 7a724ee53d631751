//! The names of this crate's metrics, in one place, so that what is counted and what is described
//! cannot drift apart.

use metrics::Counter;
use prepnexus_health::BreakerState;

const REQUESTS: &str = "prepnexus_cache_requests_total";
const STALE: &str = "prepnexus_cache_stale_served_total";
const BREAKER_STATE: &str = "prepnexus_cache_breaker_state";

/// What came of looking a key up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lookup {
    Hit,
    Miss,
    /// There, and not shown to be right.
    Outdated,
    Error,
}

impl Lookup {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Outdated => "outdated",
            Self::Error => "error",
        }
    }
}

/// Counts look-ups in memory: with counters that are found once, for to find one takes longer than to look a key up.
pub(crate) struct MemoryLookups {
    pub(crate) hit: Counter,
    pub(crate) miss: Counter,
    pub(crate) outdated: Counter,
}

impl MemoryLookups {
    /// Counts with the recorder that is installed now.
    pub(crate) fn new() -> Self {
        let of = |lookup: Lookup| metrics::counter!(REQUESTS, "tier" => "memory", "result" => lookup.as_str());
        Self {
            hit: of(Lookup::Hit),
            miss: of(Lookup::Miss),
            outdated: of(Lookup::Outdated),
        }
    }
}

/// Counts one answer that may have been wrong, and was marked so.
pub(crate) fn count_stale() {
    metrics::counter!(STALE).increment(1);
}

/// Counts one look-up in Redis.
pub(crate) fn count_redis(lookup: Lookup) {
    metrics::counter!(REQUESTS, "tier" => "redis", "result" => lookup.as_str()).increment(1);
}

/// Shows where the breaker in front of Redis stands.
pub(crate) fn show_breaker(state: BreakerState) {
    metrics::gauge!(BREAKER_STATE).set(state.as_metric());
}

/// Tells the installed recorder what this crate's metrics mean. Call it once, after installing one.
pub fn describe_metrics() {
    metrics::describe_counter!(
        REQUESTS,
        "Look-ups, by tier (memory, redis) and result (hit, miss, outdated, error; an error includes being turned away by the breaker)"
    );
    metrics::describe_counter!(
        STALE,
        "Answers that may have been outdated, and were marked stale"
    );
    // What is first counted when it happens would not be seen to grow.
    metrics::counter!(STALE).absolute(0);
    metrics::describe_gauge!(
        BREAKER_STATE,
        "The breaker in front of Redis: 0 closed, 1 half-open, 2 open"
    );
}
