//! The database goes away, and comes back.

use std::time::Duration;

use prepnexus_devstack::{Stack, StackConfig};
use prepnexus_domain::Role;
use prepnexus_storage::ClusterConfig;
use prepnexus_testkit::TestDb;
use serde_json::json;

use crate::harness::{Api, block_on, eventually, patient};

#[test]
fn without_the_database_there_are_honest_answers_and_then_it_is_back() {
    let stack = Stack::start(StackConfig {
        // Else what was committed last may be gone.
        durable: true,
        ..StackConfig::for_tests()
    })
    .unwrap();
    let db = block_on(TestDb::on(&stack));
    let config = ClusterConfig {
        probe_interval: Duration::from_millis(50),
        probe_timeout: Duration::from_secs(5),
        ..db.config()
    };
    let api = Api::on(&config, patient());
    api.wait_until_healthy();
    let key = api.key(Role::Author);
    let post = api.post(&key, &json!({"status": "published"}));
    let one = format!("/api/v1/posts/{}", post["id"]);
    api.get(&one).expect(200);
    api.get("/api/v1/posts?limit=7").expect(200);

    stack.primary().kill().unwrap();
    eventually("unhealthy", || api.get("/health").status == 503);
    let health = api.get("/health").json();
    assert_eq!(health["status"], "unhealthy");
    assert_eq!(health["checks"]["database"]["status"], "unhealthy");
    assert!(health["checks"]["database"]["reason"].is_string());
    assert_eq!(
        api.get("/health/live").expect(200).text(),
        r#"{"status":"live"}"#
    );
    // There are copies.
    api.get("/health/ready").expect(200);
    let nodes = api
        .get("/api/monitoring/database/health")
        .expect(503)
        .json();
    assert_eq!(
        (&nodes["status"], &nodes["primary"]),
        (&json!("unhealthy"), &json!(null))
    );
    assert_eq!(nodes["nodes"][0]["state"], "down");
    assert!(nodes["nodes"][0]["last_error"].is_string());
    api.get("/metrics").expect(200);

    // What was read before is served, and marked from when nobody can say that it is right.
    for target in [one.as_str(), "/api/v1/posts?limit=7"] {
        eventually("marked", || {
            let kept = api.get(target).expect(200);
            kept.header("cache-status") == Some("prepnexus; hit; fwd=stale")
        });
        let kept = api.get(target).expect(200);
        let age: u64 = kept.header("age").unwrap().parse().unwrap();
        assert!(age < 60);
        let unchanged = api.call("GET", target).header("if-none-match", kept.etag());
        let unchanged = unchanged.send().expect(304);
        assert_eq!(
            unchanged.header("cache-status"),
            Some("prepnexus; hit; fwd=stale")
        );
    }
    assert_eq!(api.get(&one).json(), post);

    let change = json!({"title": "New", "content": "x"});
    for call in [
        api.call("GET", "/api/v1/posts"),
        api.call("GET", "/api/v1/posts/slug/a-post"),
        api.call("GET", "/api/v1/tags"),
        api.call("GET", "/api/v1/authors"),
        api.call("GET", &one).key(&key),
        api.call("POST", "/api/v1/posts").key(&key).json(&change),
        api.call("PATCH", &one)
            .key(&key)
            .if_match("*")
            .json(&change),
        api.call("PUT", &one).key(&key).if_match("*").json(&change),
        api.call("DELETE", &one).key(&key).if_match("*"),
    ] {
        let answer = call.send();
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!(seconds >= 1);
        let problem = answer.problem(503, "database_unavailable");
        let shown = problem.to_string();
        assert!(
            !shown.contains("127.0.0.1") && !shown.contains("refused"),
            "{shown}"
        );
    }
    // What is wrong with the request itself is still said.
    api.get("/api/v1/posts?limit=0")
        .problem(422, "invalid_fields");
    api.get("/api/v1/posts/x").problem(404, "not_found");

    stack.primary().start().unwrap();
    eventually("healthy again", || api.get("/health").status == 200);
    api.get("/health/ready").expect(200);
    eventually("fresh again", || {
        api.get(&one).expect(200).header("cache-status") == Some("prepnexus; hit; detail=memory")
    });
    assert_eq!(api.get(&one).json(), post);
    let call = api.call("PATCH", &one).key(&key).if_match("*");
    call.json(&change).send().expect(200);
    drop(api);
    drop(db);
}
