//! The metrics that alerts and dashboards rely on. All tests of a process share one recorder, so that
//! what is asked here is whether a series is there, not what it counts.

use prepnexus_domain::Role;
use prepnexus_web::WebConfig;
use serde_json::json;

use crate::harness::{Api, eventually, patient};

fn scraped(api: &Api) -> String {
    let answer = api.get("/metrics").expect(200);
    let content_type = answer.header("content-type");
    assert_eq!(
        content_type,
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    answer.text()
}

/// Whether a line begins with `name` and holds all of these labels.
fn has(metrics: &str, name: &str, labels: &[&str]) -> bool {
    metrics.lines().any(|line| {
        line.strip_prefix(name).is_some_and(|rest| {
            rest.starts_with(['{', ' ']) && labels.iter().all(|label| rest.contains(label))
        })
    })
}

#[test]
fn every_metric_of_the_contract_that_is_due_is_there() {
    let api = Api::start();
    api.wait_until_healthy();
    let key = api.key(Role::Author);
    let post = api.post(&key, &json!({"status": "published"}));
    api.read(&key, &post["id"]);
    api.get("/api/v1/posts").expect(200);
    api.get("/no/such/path").expect(404);
    let node = api.db().config().nodes[0].to_string();
    let node = format!("node=\"{node}\"");
    let wanted: &[(&str, &[&str])] = &[
        ("prepnexus_http_reads_served_total", &["from=\"primary\""]),
        ("prepnexus_http_reads_served_total", &["from=\"stale\""]),
        (
            "prepnexus_http_requests_total",
            &[
                "method=\"GET\"",
                "route=\"/api/v1/posts/{id}\"",
                "status=\"200\"",
            ],
        ),
        (
            "prepnexus_http_request_duration_seconds_bucket",
            &[
                "method=\"POST\"",
                "route=\"/api/v1/posts\"",
                "le=\"0.0005\"",
            ],
        ),
        (
            "prepnexus_http_request_duration_seconds_bucket",
            &["method=\"POST\"", "route=\"/api/v1/posts\"", "le=\"+Inf\""],
        ),
        (
            "prepnexus_http_request_duration_seconds_count",
            &["method=\"GET\""],
        ),
        ("prepnexus_http_in_flight", &[]),
        ("prepnexus_db_node_up", &[&node, "role=\"primary\""]),
        ("prepnexus_db_breaker_state", &[&node]),
        (
            "prepnexus_db_pool_connections",
            &[&node, "state=\"in_use\""],
        ),
        ("prepnexus_db_pool_connections", &[&node, "state=\"idle\""]),
        (
            "prepnexus_db_pool_connections",
            &[&node, "state=\"waiting\""],
        ),
        ("prepnexus_db_pool_wait_seconds_count", &[&node]),
        (
            "prepnexus_db_query_duration_seconds_bucket",
            &["query=\"posts.find_by_id\"", "node_role=\"primary\""],
        ),
        (
            "prepnexus_db_route_total",
            &["target=\"primary\"", "reason=\"write\""],
        ),
        ("prepnexus_db_failovers_total", &[]),
        ("prepnexus_db_commit_unknown_total", &[]),
    ];
    eventually("every metric", || {
        let metrics = scraped(&api);
        wanted
            .iter()
            .all(|(name, labels)| has(&metrics, name, labels))
    });
}

#[test]
fn every_name_begins_with_the_service() {
    let api = Api::start();
    api.wait_until_healthy();
    let metrics = scraped(&api);
    assert!(!metrics.is_empty());
    for line in metrics.lines().filter(|line| !line.is_empty()) {
        let name = line
            .strip_prefix("# HELP ")
            .or_else(|| line.strip_prefix("# TYPE "))
            .unwrap_or(line);
        assert!(name.starts_with("prepnexus_"), "{line}");
    }
}

#[test]
fn paths_and_methods_that_clients_make_up_share_one_label() {
    let api = Api::start();
    let made_up = format!("/made-up/{:x}", fastrand::u64(..));
    api.get(&made_up).expect(404);
    api.call("BREW", "/health").send().expect(405);
    let id = format!("/api/v1/posts/{:x}x", fastrand::u64(..));
    api.get(&id).expect(404);
    let metrics = scraped(&api);
    assert!(has(
        &metrics,
        "prepnexus_http_requests_total",
        &["route=\"unmatched\"", "status=\"404\""]
    ));
    assert!(has(
        &metrics,
        "prepnexus_http_requests_total",
        &["method=\"other\"", "status=\"405\""]
    ));
    assert!(!metrics.contains(&made_up) && !metrics.contains(&id) && !metrics.contains("BREW"));
}

#[test]
fn an_admin_port_takes_metrics_and_monitoring_away_from_the_main_one() {
    let api = Api::with(WebConfig {
        admin_port: Some(0),
        ..patient()
    });
    for path in ["/metrics", "/api/monitoring/database/health"] {
        // Here the paths are none: no document speaks of a second port.
        let target = format!("{path}?here");
        let mut raw = crate::raw::Raw::connect(&api);
        raw.send(format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert_eq!(raw.answer(true).unwrap().status, 404, "{path}");
    }
    api.call("GET", "/metrics")
        .on_admin_port()
        .send()
        .expect(200);
    let health = "/api/monitoring/database/health";
    eventually("a primary", || {
        api.call("GET", health).on_admin_port().send().status == 200
    });
    api.get("/api/v1/posts").expect(200);
}
