//! A database that neither answers nor closes a connection.

use std::thread;

use prepnexus_devstack::{Stack, StackConfig};
use prepnexus_testkit::TestDb;

use crate::process::{Served, api, eventually, get};

const MONITORING: [&str; 7] = [
    "/health",
    "/health/live",
    "/metrics",
    "/api/monitoring/database/health",
    "/api/monitoring/database/queries",
    "/api/monitoring/errors",
    "/api/monitoring/performance",
];

#[test]
fn whoever_asks_how_it_is_does_not_wait_for_a_frozen_database() {
    let stack = Stack::start(StackConfig::for_tests()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let db = runtime.unwrap().block_on(TestDb::on(&stack));
    let served = Served::start(api(&db));
    served.wait_until_ready();
    stack.primary().freeze();
    let port = served.port;
    let reading = thread::spawn(move || get(port, "/api/v1/posts").unwrap().0);
    // The reader, and whoever asks for the metrics.
    let both = "\nprepnexus_http_in_flight 2\n";
    eventually("a reader who waits", || {
        served.get("/metrics").1.contains(both)
    });
    let answers = MONITORING.map(|route| (route, served.get(route)));
    let is_waiting = !reading.is_finished();
    stack.primary().thaw();
    for (route, (status, body)) in answers {
        assert_eq!(status, 200, "{route}: {body}");
    }
    assert!(is_waiting, "it was not frozen");
    assert_eq!(reading.join().unwrap(), 200);
}
