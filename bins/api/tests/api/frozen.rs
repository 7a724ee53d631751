//! A database that neither answers nor closes a connection.

use std::thread;

use prepnexus_devstack::{Stack, StackConfig};
use prepnexus_testkit::TestDb;

use crate::process::{Served, api, get};

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
    for _ in 0..3 {
        for route in MONITORING {
            let (status, body) = served.get(route);
            assert_eq!(status, 200, "{route}: {body}");
        }
    }
    assert!(!reading.is_finished(), "it was not frozen");
    stack.primary().thaw();
    assert_eq!(reading.join().unwrap(), 200);
}
