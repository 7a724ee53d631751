//! What operators are told of the last minutes and of what goes wrong. All tests of a process share one recorder: what is
//! counted here is of what no other test asks for.

use prepnexus_domain::Role;
use serde_json::{Value, json};

use crate::harness::{Api, block_on, eventually};

/// The one of a list with these values.
fn find<'a>(list: &'a Value, wanted: &Value) -> Option<&'a Value> {
    let wanted = wanted.as_object().unwrap();
    let is_wanted = |one: &&Value| wanted.iter().all(|(name, value)| one[name] == *value);
    list.as_array().unwrap().iter().find(is_wanted)
}

#[test]
fn performance_tells_of_routes_queries_the_cache_and_the_process() {
    let api = Api::start();
    api.wait_until_healthy();
    let key = api.key(Role::Author);
    let post = api.post(&key, &json!({"status": "published"}));
    let target = format!("/api/v1/posts/{}", post["id"]);
    // Answers are kept as soon as what changes is known.
    eventually("a hit in memory", || {
        let answer = api.get(&target).expect(200);
        answer
            .header("cache-status")
            .unwrap()
            .ends_with("detail=memory")
    });
    let performance = api.get("/api/monitoring/performance").expect(200).json();
    let route = json!({"method": "GET", "route": "/api/v1/posts/{id}"});
    let route = find(&performance["requests"], &route).unwrap();
    assert!(route["count"].as_u64() >= Some(2), "{route}");
    assert_eq!(route["errors"], 0);
    for quantiles in [["p50_ms", "p95_ms"], ["p95_ms", "p99_ms"]] {
        let [shorter, longer] = quantiles.map(|name| route[name].as_f64().unwrap());
        assert!(0.0 < shorter && shorter <= longer, "{route}");
    }
    let minutes = route["lately"].as_array().unwrap().iter();
    let minutes: Vec<_> = minutes
        .map(|one| one["minutes"].as_u64().unwrap())
        .collect();
    assert_eq!(minutes, [1, 5, 15]);
    assert_eq!(route["lately"][2]["count"], route["count"]);

    let query = json!({"name": "posts.find_by_id", "node_role": "primary"});
    let query = find(&performance["queries"], &query).unwrap();
    assert!(query["count"].as_u64() >= Some(1), "{query}");
    assert!(query["rows"].as_u64() >= Some(1), "{query}");
    assert!(query["p99_ms"].as_f64() > Some(0.0), "{query}");

    let memory = find(&performance["cache"], &json!({"tier": "memory"})).unwrap();
    let ratio = memory["hit_ratio"].as_f64().unwrap();
    assert!(0.0 < ratio && ratio < 1.0, "{memory}");

    let node = api.db().config().nodes[0].to_string();
    let pool = find(&performance["pools"], &json!({"node": node})).unwrap();
    assert!(pool["pool"]["max"].as_u64() > Some(0), "{pool}");

    let process = &performance["process"];
    assert!(
        process["resident_memory_bytes"].as_u64() > Some(1 << 20),
        "{process}"
    );
    assert!(process["cpu_seconds"].as_f64() > Some(0.0), "{process}");
    let [open, most] = ["open_files", "max_open_files"].map(|name| process[name].as_u64());
    assert!(Some(3) < open && open <= most, "{process}");
}

#[test]
fn errors_are_grouped_and_say_nothing_of_whom_they_met() {
    let api = Api::start();
    api.wait_until_healthy();
    let key = api.key(Role::Author);
    let none = api.get("/api/monitoring/errors").expect(200).json();
    assert_eq!(none, json!({"errors": []}));
    // A defect of the schema: a constraint that the code knows nothing of.
    let constraint = "ALTER TABLE authors ADD CONSTRAINT no_ada CHECK (name <> 'Ada Lovelace')";
    block_on(api.db().psql(constraint));
    let post = json!({"title": "A post", "content": "Some.", "author": {"name": "Ada Lovelace"}});
    let ids: Vec<_> = ["first", "second"]
        .into_iter()
        .map(|id| {
            let call = api.call("POST", "/api/v1/posts").key(&key).json(&post);
            let answer = call.header("x-request-id", id).send_unchecked();
            answer.problem(500, "internal")["request_id"].clone()
        })
        .collect();
    let tracked = api.get("/api/monitoring/errors").expect(200).json();
    let errors = tracked["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{tracked}");
    let error = &errors[0];
    assert_eq!(error["code"], "internal");
    assert_eq!(error["count"], 2);
    assert_eq!(error["request_id"], ids[1]);
    let sample = error["sample"].as_str().unwrap();
    assert!(sample.contains("no_ada"), "{sample}");
    assert!(!tracked.to_string().contains("Lovelace"), "{tracked}");
    let fingerprint = error["fingerprint"].as_str().unwrap();
    assert!(fingerprint.starts_with("/api/v1/posts: "), "{fingerprint}");
}

#[test]
fn what_the_databases_statistics_say_is_told_as_of_the_last_look() {
    let api = Api::start();
    api.wait_until_healthy();
    let target = "/api/monitoring/database/queries";
    let before = api.get(target).expect(200).json();
    assert_eq!(
        (&before["inspected_at"], &before["tables"]),
        (&json!(null), &json!([]))
    );
    block_on(api.content.inspect()).unwrap();
    let found = api.get(target).expect(200).json();
    assert!(found["inspected_at"].is_string(), "{found}");
    let node = json!({"node": api.db().config().nodes[0].to_string()});
    assert!(find(&found["nodes"], &node).is_some(), "{found}");
    let posts = find(&found["tables"], &json!({"name": "posts"})).unwrap();
    assert!(posts["bytes"].as_u64() > Some(0), "{posts}");
    let index =
        json!({"name": "posts_pkey", "table": "posts", "is_constraint": true, "is_valid": true});
    assert!(find(&found["indexes"], &index).is_some(), "{found}");
}
