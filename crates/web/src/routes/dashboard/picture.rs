//! How everything is at one moment: what the page shows.
//!
//! Counts are since the process began: the page makes rates of two of them. Nothing here asks the database.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use prepnexus_health::{
    Recent, Window,
    alerts::Told,
    recent::{Labels, Times},
    timeline::Change,
};
use serde::Serialize;

use crate::{
    metric::{self, process::Usage},
    routes::{
        health::Health,
        monitoring::{backups::BackupsStatus, database::DatabaseHealth, errors::ErrorGroup},
    },
    state::AppState,
    time::milliseconds,
};

/// Over how long latencies and hit ratios are told.
const LATELY: Window = Window::Last(Duration::from_secs(60));
/// Groups of errors that are shown.
const ERRORS: usize = 8;

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Picture {
    at: Timestamp,
    health: Health,
    database: DatabaseHealth,
    alerts: Vec<Alert>,
    traffic: Traffic,
    latency: Vec<Latency>,
    served_from: BTreeMap<&'static str, u64>,
    cache: Vec<Tier>,
    backups: BackupsStatus,
    errors: Vec<ErrorGroup>,
    changes: Vec<Change>,
    process: Process,
}

/// An alert that fires.
#[derive(Debug, Serialize)]
struct Alert {
    name: &'static str,
    severity: &'static str,
    summary: String,
    since: Timestamp,
}

/// Requests since the process began.
#[derive(Debug, Serialize)]
struct Traffic {
    reads: u64,
    writes: u64,
    errors: u64,
    shed: u64,
}

/// How long requests took in the last minute, in milliseconds.
#[derive(Debug, Serialize)]
struct Latency {
    /// `reads` or `writes`.
    of: &'static str,
    count: u64,
    p50_ms: Option<f64>,
    p95_ms: Option<f64>,
    p99_ms: Option<f64>,
}

/// A tier of the cache in the last minute.
#[derive(Debug, Serialize)]
struct Tier {
    tier: String,
    lookups: u64,
    hits: u64,
}

/// What the process uses.
#[derive(Debug, Serialize)]
struct Process {
    resident_memory_bytes: Option<u64>,
    cpu_seconds: Option<f64>,
    open_files: Option<u64>,
    max_open_files: Option<u64>,
}

impl Picture {
    pub(super) fn now(state: &AppState, now: Instant) -> Self {
        let recent = &state.health.recent;
        let usage = Usage::now();
        let alerts = state.health.alerts.firing().into_iter();
        let errors = state.health.errors.list().into_iter();
        Self {
            at: state.content.clock().now(),
            health: Health::now(state),
            database: DatabaseHealth::now(state),
            alerts: alerts.map(Alert::from).collect(),
            traffic: Traffic::now(recent, now),
            latency: latencies(recent, now),
            served_from: served_from(recent, now),
            cache: tiers(recent, now),
            backups: BackupsStatus::now(state),
            errors: errors.take(ERRORS).map(ErrorGroup::from).collect(),
            changes: state.health.timeline.list(),
            process: Process {
                resident_memory_bytes: usage.resident_bytes,
                cpu_seconds: usage.cpu.map(|time| time.as_secs_f64()),
                open_files: usage.open_files,
                max_open_files: usage.max_files,
            },
        }
    }
}

impl From<Told> for Alert {
    fn from(told: Told) -> Self {
        Self {
            name: told.alert.name,
            severity: told.alert.urgency.as_str(),
            summary: told.alert.summary,
            since: told.started_at,
        }
    }
}

impl Traffic {
    fn now(recent: &Recent, now: Instant) -> Self {
        let mut traffic = Self {
            reads: 0,
            writes: 0,
            errors: 0,
            shed: total(recent, metric::SHED, now, |_| true),
        };
        for (labels, count) in recent.counters(metric::REQUESTS, Window::All, now) {
            match kind(&labels) {
                Some(READS) => traffic.reads += count,
                Some(_) => traffic.writes += count,
                None => continue,
            }
            if labels.get("status").starts_with('5') {
                traffic.errors += count;
            }
        }
        traffic
    }
}

const READS: &str = "reads";
const WRITES: &str = "writes";

/// What a request of these labels is; `None` for what operators and load balancers ask.
fn kind(labels: &Labels) -> Option<&'static str> {
    let route = labels.get("route");
    let own = ["/health", "/metrics", "/api/monitoring", "/dashboard"];
    if own.iter().any(|prefix| route.starts_with(prefix)) {
        return None;
    }
    Some(match labels.get("method") {
        "GET" | "HEAD" | "OPTIONS" => READS,
        _ => WRITES,
    })
}

fn latencies(recent: &Recent, now: Instant) -> Vec<Latency> {
    let all = recent.times(metric::DURATION, LATELY, now);
    let of = |of: &'static str| {
        let mut times = Times::default();
        for (_, more) in all.iter().filter(|(labels, _)| kind(labels) == Some(of)) {
            times.merge(more);
        }
        let [p50_ms, p95_ms, p99_ms] =
            [0.5, 0.95, 0.99].map(|quantile| times.quantile(quantile).map(milliseconds));
        Latency {
            of,
            count: times.count(),
            p50_ms,
            p95_ms,
            p99_ms,
        }
    };
    vec![of(READS), of(WRITES)]
}

/// Where reads were served from, since the process began.
fn served_from(recent: &Recent, now: Instant) -> BTreeMap<&'static str, u64> {
    let from = |source: &'static str| {
        let is_it = move |labels: &Labels| labels.get("from") == source;
        (source, total(recent, metric::SERVED, now, is_it))
    };
    metric::FROM.map(from).into()
}

fn tiers(recent: &Recent, now: Instant) -> Vec<Tier> {
    let mut tiers = BTreeMap::<String, (u64, u64)>::new();
    for (labels, lookups) in recent.counters(metric::CACHE_REQUESTS, LATELY, now) {
        let tier = tiers.entry(labels.get("tier").to_owned()).or_default();
        tier.0 += lookups;
        if labels.get("result") == "hit" {
            tier.1 += lookups;
        }
    }
    let tiers = tiers.into_iter();
    tiers
        .map(|(tier, (lookups, hits))| Tier {
            tier,
            lookups,
            hits,
        })
        .collect()
}

/// How often it was counted since the process began, of those labels.
fn total(recent: &Recent, name: &str, now: Instant, is_it: impl Fn(&Labels) -> bool) -> u64 {
    let counters = recent.counters(name, Window::All, now).into_iter();
    let counters = counters.filter(|(labels, _)| is_it(labels));
    counters.map(|(_, count)| count).sum()
}
