//! What load balancers and operators are told.

use crate::harness::Api;

#[test]
fn health_names_the_version_and_every_component() {
    let api = Api::start();
    api.wait_until_healthy();
    let answer = api.get("/health").expect(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let mut health = answer.json();
    assert!(health["uptime_seconds"].take().is_u64());
    assert!(health["checks"]["database"]["since"].take().is_string());
    insta::assert_snapshot!(format!("{health:#}"), @r#"
    {
      "checks": {
        "database": {
          "since": null,
          "status": "healthy"
        }
      },
      "status": "healthy",
      "uptime_seconds": null,
      "version": "1.2.3"
    }
    "#);
}

#[test]
fn live_and_ready_say_so_in_one_word() {
    let api = Api::start();
    let live = api.get("/health/live").expect(200);
    assert_eq!(live.text(), r#"{"status":"live"}"#);
    assert_eq!(live.header("cache-control"), Some("no-store"));
    api.wait_until_healthy();
    let ready = api.get("/health/ready").expect(200);
    assert_eq!(ready.text(), r#"{"status":"ready"}"#);
    assert_eq!(ready.header("cache-control"), Some("no-store"));
}

#[test]
fn database_health_shows_the_primary_and_every_node() {
    let api = Api::start();
    api.wait_until_healthy();
    let mut health = api
        .get("/api/monitoring/database/health")
        .expect(200)
        .json();
    assert_eq!(health["primary"], health["nodes"][0]);
    let node = &mut health["nodes"][0].take();
    assert_eq!(node["port"].take(), api.db().config().nodes[0].port);
    assert!(node["timeline"].take().as_u64() >= Some(1));
    assert!(node["response_time_ms"].take().as_f64() > Some(0.0));
    for name in ["idle", "in_use", "size", "waiting"] {
        assert!(node["pool"][name].take().is_u64(), "{name}");
    }
    insta::assert_snapshot!(format!("{node:#}"), @r#"
    {
      "breaker": "closed",
      "host": "127.0.0.1",
      "lag_bytes": null,
      "lag_seconds": null,
      "last_error": null,
      "pool": {
        "idle": null,
        "in_use": null,
        "max": 16,
        "size": null,
        "waiting": null
      },
      "port": null,
      "response_time_ms": null,
      "role": "primary",
      "state": "up",
      "timeline": null
    }
    "#);
    assert_eq!(health["status"], "healthy");
    assert_eq!(health["nodes"].as_array().unwrap().len(), 1);
}
