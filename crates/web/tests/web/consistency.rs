//! Several processes over one cluster whose replica is late: what a client has seen it goes on seeing.

use std::time::Duration;

use prepnexus_devstack::{Stack, StackConfig};
use prepnexus_domain::Role;
use prepnexus_storage::ClusterConfig;
use prepnexus_testkit::TestDb;
use serde_json::{Value, json};

use crate::{
    client::Answer,
    harness::{Api, PATIENCE, block_on, eventually, patient},
};

const HEADER: &str = "consistency-token";

/// A primary with a replica, and two processes of the service that use it whatever its lag.
struct Service {
    here: Api,
    there: Api,
    key: String,
    db: TestDb,
    stack: Stack,
}

impl Service {
    fn start() -> Self {
        let stack = Stack::start(StackConfig {
            replicas: 1,
            settings: vec![("synchronous_commit".into(), "on".into())],
            ..StackConfig::for_tests()
        })
        .unwrap();
        let db = block_on(TestDb::on(&stack));
        stack
            .replica(0)
            .wait_caught_up_with(stack.primary())
            .unwrap();
        let config = ClusterConfig {
            probe_interval: Duration::from_millis(100),
            probe_timeout: PATIENCE,
            max_lag: Duration::from_secs(3_600),
            ..db.config_with_replicas()
        };
        let (here, there) = (Api::on(&config, patient()), Api::on(&config, patient()));
        for api in [&here, &there] {
            eventually("all nodes up", || {
                let health = api.get("/api/monitoring/database/health").json();
                health["status"] == "healthy"
            });
        }
        let key = here.key(Role::Editor);
        stack
            .replica(0)
            .wait_caught_up_with(stack.primary())
            .unwrap();
        Self {
            here,
            there,
            key,
            db,
            stack,
        }
    }

    fn create(&self, title: &str) -> Answer {
        let body = json!({"title": title, "content": "x", "status": "published"});
        let call = self.here.call("POST", "/api/v1/posts").key(&self.key);
        call.json(&body).send().expect(201)
    }
}

fn one(post: &Value) -> String {
    format!("/api/v1/posts/{}", post["id"])
}

fn token(answer: &Answer) -> String {
    answer.header(HEADER).unwrap().to_owned()
}

#[test]
fn who_sends_the_token_of_a_write_sees_it_on_another_node() {
    let service = Service::start();
    service.stack.replica(0).pause_replay().unwrap();
    let created = service.create("New");
    let path = one(&created.json());
    let there = &service.there;
    for _ in 0..3 {
        let call = there.call("GET", &path).header(HEADER, token(&created));
        let found = call.send().expect(200);
        assert_eq!(found.json(), created.json());
        let list = there
            .call("GET", "/api/v1/posts")
            .header(HEADER, token(&found));
        assert_eq!(list.send().expect(200).json()["data"][0]["title"], "New");
    }
    // Who has a key is a writer, and is never shown an old copy.
    there
        .call("GET", &path)
        .key(&service.key)
        .send()
        .expect(200);
    // The process that wrote it shows it to everybody, and the other from when it has heard of it: its replica
    // does not know it yet.
    service.here.get(&path).expect(200);
    eventually("what the feed told of", || there.get(&path).status == 200);
    service.stack.replica(0).resume_replay().unwrap();
}

#[test]
fn every_answer_from_the_database_has_a_token_and_none_goes_back() {
    let service = Service::start();
    let created = service.create("One");
    let (api, key) = (&service.there, &service.key);
    let path = one(&created.json());
    let patched = api.call("PATCH", &path).key(key).if_match("*");
    let patched = patched.header(HEADER, token(&created));
    let patched = patched.json(&json!({"title": "Two"})).send().expect(200);
    let mut last = token(&patched);
    for (method, target, status) in [
        ("GET", path.as_str(), 200),
        ("GET", "/api/v1/posts/slug/one", 301),
        ("GET", "/api/v1/posts/slug/two", 200),
        ("GET", "/api/v1/posts/999999", 404),
        ("GET", "/api/v1/posts", 200),
        ("GET", "/api/v1/tags", 200),
        ("GET", "/api/v1/authors", 200),
        ("HEAD", path.as_str(), 200),
    ] {
        let answer = api
            .call(method, target)
            .header(HEADER, &last)
            .send()
            .expect(status);
        let next = token(&answer);
        let position =
            |token: &str| u64::from_str_radix(token.split('.').nth(2).unwrap(), 16).unwrap();
        assert!(
            position(&next) >= position(&last),
            "{target}: {last} then {next}"
        );
        last = next;
    }
    let refused = api
        .call("DELETE", &path)
        .key(key)
        .if_match("\"1-0\"")
        .send();
    assert!(refused.header(HEADER).is_some());
    refused.problem(412, "revision_mismatch");
    assert_eq!(api.get("/health").header(HEADER), None);
}

#[test]
fn a_token_that_can_not_be_honoured_is_refused_for_reads_and_writes() {
    let service = Service::start();
    let created = service.create("One");
    let (api, path) = (&service.here, one(&created.json()));
    let good = token(&created);
    let parts: Vec<&str> = good.split('.').collect();
    for bad in [
        "nonsense".to_owned(),
        String::new(),
        format!("{}.{}", parts[0], parts[1]),
        format!("1.{}.{}", parts[1], parts[2]),
        format!("{}.ff.{}", parts[0], parts[2]),
    ] {
        for target in [path.as_str(), "/api/v1/posts", "/api/v1/tags"] {
            let call = api.call("GET", target).header(HEADER, &bad);
            call.send().problem(409, "token_unknown");
        }
        let post = api.call("POST", "/api/v1/posts").key(&service.key);
        let post = post
            .header(HEADER, &bad)
            .json(&json!({"title": "A", "content": "b"}));
        post.send().problem(409, "token_unknown");
        let delete = api.call("DELETE", &path).key(&service.key).if_match("*");
        delete
            .header(HEADER, &bad)
            .send()
            .problem(409, "token_unknown");
    }
    api.call("GET", &path)
        .header(HEADER, &good)
        .send()
        .expect(200);
}

#[test]
fn without_a_primary_reads_are_served_and_the_service_stays_ready() {
    let service = Service::start();
    let created = service.create("Kept");
    let (api, path) = (&service.here, one(&created.json()));
    service
        .stack
        .replica(0)
        .wait_caught_up_with(service.stack.primary())
        .unwrap();
    service.stack.primary().kill().unwrap();
    eventually("no primary", || {
        api.get("/api/monitoring/database/health").status == 503
    });
    for target in [path.as_str(), "/api/v1/posts", "/api/v1/tags"] {
        api.get(target).expect(200);
        api.call("GET", target).key(&service.key).send().expect(200);
        let call = api.call("GET", target).header(HEADER, token(&created));
        call.send().expect(200);
    }
    api.get("/health/ready").expect(200);
    let health = api.get("/health").expect(200).json();
    assert_eq!(health["status"], "degraded");
    let delete = api.call("DELETE", &path).key(&service.key).if_match("*");
    let refused = delete.send();
    assert!(refused.header("retry-after").is_some());
    refused.problem(503, "database_unavailable");
}

#[test]
fn a_commit_of_unknown_outcome_names_the_key_to_ask_again_with() {
    let service = Service::start();
    let (api, stack) = (&service.here, &service.stack);
    block_on(service.db.psql(
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN PERFORM pg_sleep(2); RETURN NULL; END';
         CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON change_events DEFERRABLE INITIALLY DEFERRED
             FOR EACH ROW EXECUTE FUNCTION slow()",
    ));
    let create = |name: Option<&str>| {
        let call = api.call("POST", "/api/v1/posts").key(&service.key);
        let call = call.json(&json!({"title": "Once", "content": "x", "status": "published"}));
        match name {
            Some(name) => call.header("idempotency-key", name).send(),
            None => call.send(),
        }
    };
    let committing = || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%; COMMIT;%' AND state = 'active' AND pid <> pg_backend_pid()";
        let database = service.db.database();
        stack.primary().psql_db(database, sql).unwrap() != "0"
    };
    let unknown = std::thread::scope(|scope| {
        let creating = scope.spawn(|| create(None));
        eventually("COMMIT", committing);
        stack.primary().kill().unwrap();
        creating.join().unwrap()
    });
    let name = unknown.header("idempotency-key").unwrap().to_owned();
    unknown.problem(503, "commit_unknown");
    stack.primary().start().unwrap();
    eventually("healthy", || {
        api.get("/health").json()["status"] == "healthy"
    });
    let created = create(Some(&name)).expect(201);
    let repeated = create(Some(&name)).expect(201);
    assert_eq!(repeated.header("idempotency-replayed"), Some("true"));
    assert_eq!(created.json(), repeated.json());
    let posts = block_on(service.db.psql("SELECT count(*) FROM posts"));
    assert_eq!(posts, "1");
}
