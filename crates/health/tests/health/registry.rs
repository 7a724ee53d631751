//! The registry: what is worst, what changed and when, and what an operator reads.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use prepnexus_health::{Registry, Severity, Status};

use crate::clock::{TestClock, at};

fn registry() -> (Registry, Arc<TestClock>) {
    let clock = Arc::new(TestClock::new());
    (Registry::new(Arc::clone(&clock) as _), clock)
}

#[test]
fn the_worst_counts_and_an_optional_one_degrades_at_worst() {
    let (registry, _) = registry();
    assert_eq!(registry.overall(), Status::Healthy);
    registry.register("cache", Severity::Optional);
    assert_eq!(registry.overall(), Status::Degraded, "not checked yet");
    registry.register("database", Severity::Critical);
    assert_eq!(registry.overall(), Status::Unhealthy, "not checked yet");
    registry.set("database", Status::Healthy, None);
    registry.set("cache", Status::Healthy, None);
    assert_eq!(registry.overall(), Status::Healthy);
    registry.set("cache", Status::Unhealthy, Some("gone".to_owned()));
    assert_eq!(registry.overall(), Status::Degraded);
    assert_eq!(registry.get("cache").unwrap().status, Status::Unhealthy);
    registry.set("database", Status::Unhealthy, Some("no primary".to_owned()));
    assert_eq!(registry.overall(), Status::Unhealthy);
}

#[test]
fn an_unregistered_component_is_critical() {
    let (registry, _) = registry();
    registry.set("forgotten", Status::Unhealthy, None);
    assert_eq!(registry.overall(), Status::Unhealthy);
    registry.register("forgotten", Severity::Optional);
    assert_eq!(
        registry.overall(),
        Status::Degraded,
        "registering later keeps the state"
    );
}

#[test]
fn since_moves_with_the_status_and_not_with_the_reason() {
    let (registry, clock) = registry();
    registry.set(
        "database",
        Status::Degraded,
        Some("one replica away".to_owned()),
    );
    clock.advance(Duration::from_secs(5));
    registry.set(
        "database",
        Status::Degraded,
        Some("two replicas away".to_owned()),
    );
    let database = registry.get("database").unwrap();
    assert_eq!(database.since, at(0));
    assert_eq!(database.reason.as_deref(), Some("two replicas away"));
    registry.set("database", Status::Healthy, None);
    let database = registry.get("database").unwrap();
    assert_eq!((database.since, database.reason), (at(5), None));
}

#[test]
fn each_change_is_counted_once() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let rendered = metrics::with_local_recorder(&recorder, || {
        prepnexus_health::describe_metrics();
        let (registry, _) = registry();
        registry.register("database", Severity::Critical);
        for _ in 0..3 {
            registry.set("database", Status::Healthy, None);
        }
        registry.set("database", Status::Unhealthy, Some("gone".to_owned()));
        registry.set("database", Status::Unhealthy, Some("still gone".to_owned()));
        registry.set("database", Status::Healthy, None);
        recorder.handle().render()
    });
    for line in [
        "prepnexus_component_state_changes_total{component=\"database\",status=\"healthy\"} 2",
        "prepnexus_component_state_changes_total{component=\"database\",status=\"unhealthy\"} 1",
        "# HELP prepnexus_component_state_changes_total ",
    ] {
        assert!(rendered.contains(line), "{line} is not in\n{rendered}");
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .expect("no test panics while writing")
            .write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_change_is_logged_once_at_the_level_it_deserves() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .without_time()
        .with_target(false)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let (registry, _) = registry();
        registry.register("cache", Severity::Optional);
        registry.register("database", Severity::Critical);
        for _ in 0..2 {
            registry.set("database", Status::Healthy, None);
            registry.set("cache", Status::Healthy, None);
        }
        for reason in ["gone", "still gone"] {
            registry.set("cache", Status::Unhealthy, Some(reason.to_owned()));
            registry.set("database", Status::Unhealthy, Some(reason.to_owned()));
        }
    });
    let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let levels: Vec<_> = logged
        .lines()
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(levels, ["INFO", "INFO", "WARN", "ERROR"], "{logged}");
    assert!(
        logged.contains("reason=\"gone\"") && !logged.contains("still gone"),
        "{logged}"
    );
}

#[test]
fn a_snapshot_serializes_for_an_operator() {
    let (registry, _) = registry();
    registry.register("cache", Severity::Optional);
    registry.set(
        "cache",
        Status::Degraded,
        Some("the breaker is open".to_owned()),
    );
    registry.set("database", Status::Healthy, None);
    registry.set_details(
        "database",
        BTreeMap::from([("primary", "db1:5432".to_owned())]),
    );
    let json = serde_json::to_value(registry.snapshot()).unwrap();
    let expected = serde_json::json!({
        "status": "degraded",
        "components": {
            "cache": {
                "status": "degraded",
                "severity": "optional",
                "reason": "the breaker is open",
                "since": "2027-01-15T08:00:00Z",
            },
            "database": {
                "status": "healthy",
                "severity": "critical",
                "since": "2027-01-15T08:00:00Z",
                "details": { "primary": "db1:5432" },
            },
        },
    });
    assert_eq!(json, expected);
}
