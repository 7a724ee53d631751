//! The error log: what is one group, which group goes first, and how big it can get.

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use prepnexus_health::errors::MAX_TEXT_BYTES;
use prepnexus_health::{ErrorLog, Occurrence};
use proptest::prelude::*;

use crate::clock::{TestClock, at};

fn log(capacity: usize) -> (ErrorLog, Arc<TestClock>) {
    let clock = Arc::new(TestClock::new());
    (ErrorLog::new(Arc::clone(&clock) as _, capacity), clock)
}

/// One of that code, place and text, of no request.
fn one<'a>(code: &'static str, place: &'a str, text: &'a str) -> Occurrence<'a> {
    Occurrence {
        code,
        place,
        text,
        request_id: None,
    }
}

#[test]
fn the_same_code_and_fingerprint_are_one_group() {
    let (log, clock) = log(10);
    log.record(one("database_unavailable", "pool", "after 1 ms"));
    clock.advance(Duration::from_secs(60));
    log.record(Occurrence {
        request_id: Some("abc"),
        ..one("database_unavailable", "pool", "after 20 ms")
    });
    log.record(one("database_unavailable", "another place", "after 1 ms"));
    log.record(one("database_unavailable", "pool", "something else"));
    log.record(one("internal", "pool", "after 1 ms"));
    let listed = log.list();
    assert_eq!(listed.len(), 4);
    assert_eq!(listed[0].code, "internal", "the newest comes first");
    let group = &listed[3];
    assert_eq!(
        (group.count, group.first_seen, group.last_seen),
        (2, at(0), at(60))
    );
    assert_eq!(group.sample, "after 20 ms");
    assert_eq!(group.request_id.as_deref(), Some("abc"));
}

#[test]
fn the_least_recently_seen_leaves_first() {
    let (log, _) = log(2);
    log.record(one("a", "x", ""));
    log.record(one("b", "x", ""));
    log.record(one("a", "x", ""));
    log.record(one("c", "x", ""));
    let codes: Vec<_> = log.list().iter().map(|error| error.code).collect();
    assert_eq!(codes, ["c", "a"]);
}

#[test]
fn errors_are_counted_by_code_and_described() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let rendered = metrics::with_local_recorder(&recorder, || {
        prepnexus_health::describe_metrics();
        let (log, _) = log(1);
        log.record(one("internal", "one place", "x"));
        log.record(one("internal", "another place", "x"));
        recorder.handle().render()
    });
    assert!(
        rendered.contains("prepnexus_errors_total{code=\"internal\"} 2"),
        "{rendered}"
    );
    assert!(
        rendered.contains("# HELP prepnexus_errors_total "),
        "{rendered}"
    );
}

#[test]
fn a_group_serializes() {
    let (log, _) = log(1);
    log.record(one("internal", "posts.list", "boom 12 of ada@example.org"));
    let expected = serde_json::json!([{
        "code": "internal",
        "fingerprint": "posts.list: boom 0 of …",
        "count": 1,
        "first_seen": "2027-01-15T08:00:00Z",
        "last_seen": "2027-01-15T08:00:00Z",
        "sample": "boom 12 of …",
        "request_id": null,
    }]);
    assert_eq!(serde_json::to_value(log.list()).unwrap(), expected);
}

proptest! {
    #[test]
    fn it_never_outgrows_its_bounds(
        capacity in 0_usize..5,
        records in prop::collection::vec((0_usize..3, 0_usize..4, "\\PC{0,4}", 0_usize..600), 0..60),
    ) {
        let codes = ["a", "b", "c"];
        let (log, _) = log(capacity);
        for (code, fingerprint, text, times) in &records {
            let fingerprint = "é".repeat(fingerprint * 400);
            log.record(one(codes[*code], &fingerprint, &text.repeat(*times)));
            let listed = log.list();
            prop_assert_eq!(listed[0].code, codes[*code]);
            prop_assert!(listed.len() <= capacity.max(1));
            let longest = listed.iter().map(|error| error.sample.len().max(error.fingerprint.len())).max();
            prop_assert!(longest <= Some(MAX_TEXT_BYTES));
        }
    }
}
