//! The metrics of this crate, and the recorder that keeps all of them.

pub(crate) mod process;

use std::{
    cell::RefCell,
    collections::HashMap,
    time::{Duration, Instant},
};

use actix_web::http::Method;
use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use prepnexus_content::Origin;
use prepnexus_health::{Recent, errors, recent::Beside};

use crate::problem::{Code, ShedBy};

pub(crate) const REQUESTS: &str = "prepnexus_http_requests_total";
pub(crate) const DURATION: &str = "prepnexus_http_request_duration_seconds";
pub(crate) const SHED: &str = "prepnexus_http_shed_total";
pub(crate) const SERVED: &str = "prepnexus_http_reads_served_total";
const IN_FLIGHT: &str = "prepnexus_http_in_flight";

/// Upper bounds of the histograms' buckets, in seconds: from a memory hit to a timeout.
const BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// What other crates record under these names is part of what operators are told.
pub(crate) const QUERY_DURATION: &str = "prepnexus_db_query_duration_seconds";
pub(crate) const QUERY_ROWS: &str = "prepnexus_db_query_rows_total";
pub(crate) const CACHE_REQUESTS: &str = "prepnexus_cache_requests_total";
const STALE_SERVED: &str = "prepnexus_cache_stale_served_total";
const ERRORS: &str = "prepnexus_errors_total";
const GATE_WAIT: &str = "prepnexus_db_concurrency_wait_seconds";

/// The metrics whose last minutes are kept.
const RECENT: &[&str] = &[
    REQUESTS,
    DURATION,
    SERVED,
    QUERY_DURATION,
    QUERY_ROWS,
    CACHE_REQUESTS,
    STALE_SERVED,
    ERRORS,
    SHED,
    GATE_WAIT,
];

/// Where all metrics of the service go.
pub struct Instruments {
    /// To be installed by the binary before a server is started: a library keeps no global.
    pub recorder: Beside<PrometheusRecorder>,
    /// Renders the metrics.
    pub prometheus: PrometheusHandle,
    /// The last minutes of some.
    pub recent: Recent,
}

impl Default for Instruments {
    fn default() -> Self {
        let exported = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &BUCKETS)
            .expect("there are buckets")
            .build_recorder();
        let recent = Recent::new(RECENT, Instant::now());
        Self {
            prometheus: exported.handle(),
            recorder: recent.beside(exported),
            recent,
        }
    }
}

/// Tells the installed recorder what the metrics mean. Call it once, after installing one.
pub fn describe_metrics() {
    describe_counter!(REQUESTS, "Requests by method, route and status");
    describe_histogram!(
        DURATION,
        Unit::Seconds,
        "Time from the head of a request to its answer"
    );
    describe_counter!(SHED, "Requests refused because too much is asked at once");
    describe_counter!(SERVED, "Reads by where they were served from");
    describe_gauge!(IN_FLIGHT, "Requests being worked on");
    process::describe();
    // What is first counted when it happens would not be seen to grow.
    for by in ShedBy::ALL {
        counter!(SHED, "reason" => by.as_str()).absolute(0);
    }
    let is_tracked = |code: &&Code| code.status().is_server_error();
    for code in Code::ALL.iter().filter(is_tracked) {
        errors::count_from_zero(code.as_str());
    }
}

/// Counts one request as being worked on until it is dropped.
pub(crate) struct InFlight(Gauge);

impl InFlight {
    pub(crate) fn begin() -> Self {
        let gauge = HANDLES.with(|handles| handles.in_flight.clone());
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Where reads are served from, in the order of [`Origin`].
pub(crate) const FROM: [&str; 5] = ["memory", "redis", "replica", "primary", "stale"];

/// Counts a read by where it was served from.
pub(crate) fn served(from: Origin) {
    let index = match from {
        Origin::Memory => 0,
        Origin::Redis => 1,
        Origin::Replica => 2,
        Origin::Primary => 3,
        Origin::Stale(_) => 4,
    };
    HANDLES.with(|handles| handles.served[index].increment(1));
}

/// Counts a request that was refused because too much was asked.
pub(crate) fn shed(by: ShedBy) {
    counter!(SHED, "reason" => by.as_str()).increment(1);
}

/// What this thread counts with: to find a metric by its labels takes longer than to count.
struct Handles {
    in_flight: Gauge,
    served: [Counter; FROM.len()],
    answers: RefCell<HashMap<Labels, (Counter, Histogram)>>,
}

/// Method, route, status.
type Labels = (&'static str, &'static str, u16);

thread_local! {
    static HANDLES: Handles = Handles {
        in_flight: gauge!(IN_FLIGHT),
        served: FROM.map(|from| counter!(SERVED, "from" => from)),
        answers: RefCell::default(),
    };
}

/// Counts an answer to a request, which took that long.
pub(crate) fn request(method: &Method, route: &'static str, status: u16, time: Duration) {
    let labels = (known_method(method), route, status);
    HANDLES.with(|handles| {
        let mut answers = handles.answers.borrow_mut();
        let (counter, histogram) = answers.entry(labels).or_insert_with(|| find(labels));
        counter.increment(1);
        histogram.record(time);
    });
}

fn find((method, route, status): Labels) -> (Counter, Histogram) {
    let status = status.to_string();
    (
        counter!(REQUESTS, "method" => method, "route" => route, "status" => status),
        histogram!(DURATION, "method" => method, "route" => route),
    )
}

/// Methods are few: whatever else a client makes up is one.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
