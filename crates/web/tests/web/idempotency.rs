//! The same request sent again.

use jiff::SignedDuration;
use prepnexus_domain::{Clock, Role};
use serde_json::{Value, json};

use crate::{
    client::Answer,
    harness::{Api, block_on},
};

fn create(api: &Api, key: &str, name: &str, body: &Value) -> Answer {
    let call = api.call("POST", "/api/v1/posts").key(key);
    call.header("idempotency-key", name).json(body).send()
}

fn count(api: &Api) -> String {
    block_on(api.db().psql("SELECT count(*) FROM posts"))
}

#[test]
fn the_same_request_again_gives_the_same_answer_and_makes_nothing() {
    let api = Api::start();
    let key = api.key(Role::Author);
    let body = json!({"title": "A", "content": "b", "status": "published", "tags": ["T"]});
    let first = create(&api, &key, "one", &body).expect(201);
    assert_eq!(first.header("idempotency-replayed"), None);
    let id = first.json()["id"].clone();
    let patch = api
        .call("PATCH", &format!("/api/v1/posts/{id}"))
        .key(&key)
        .if_match("*");
    patch
        .json(&json!({"title": "Changed since"}))
        .send()
        .expect(200);
    let again = create(&api, &key, "one", &body).expect(201);
    assert_eq!(again.body, first.body);
    for name in ["location", "etag"] {
        assert_eq!(again.header(name), first.header(name));
    }
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(count(&api), "1");
}

#[test]
fn another_body_under_the_same_key_is_refused() {
    let api = Api::start();
    let key = api.key(Role::Author);
    create(&api, &key, "one", &json!({"title": "A", "content": "b"})).expect(201);
    let other = create(&api, &key, "one", &json!({"title": "B", "content": "b"}));
    other.problem(422, "idempotency_key_reused");
    assert_eq!(count(&api), "1");
}

#[test]
fn a_request_that_failed_leaves_its_key_free() {
    let api = Api::start();
    let key = api.key(Role::Author);
    api.post(&key, &json!({"slug": "taken"}));
    let taken = json!({"title": "A", "content": "b", "slug": "taken"});
    create(&api, &key, "one", &taken).problem(409, "slug_taken");
    create(&api, &key, "one", &json!({"title": ""})).problem(422, "invalid_fields");
    create(&api, &key, "one", &json!({"title": "A", "content": "b"})).expect(201);
}

#[test]
fn the_same_request_at_the_same_moment_makes_one_post() {
    let api = Api::start();
    let key = api.key(Role::Author);
    let body = json!({"title": "A", "content": "b"});
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let send = || create(&api, &key, "one", &body).expect(201);
        let running: Vec<_> = (0..8).map(|_| scope.spawn(send)).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|answer| answer.body == answers[0].body));
    let replayed = answers
        .iter()
        .filter(|a| a.header("idempotency-replayed").is_some());
    assert_eq!(replayed.count(), 7);
    assert_eq!(count(&api), "1");
}

#[test]
fn each_key_holder_has_names_of_its_own_and_they_last_a_day() {
    let api = Api::start();
    let (one, other) = (api.key(Role::Author), api.key(Role::Author));
    let body = json!({"title": "A", "content": "b"});
    create(&api, &one, "name", &body).expect(201);
    create(&api, &other, "name", &json!({"title": "B", "content": "b"})).expect(201);
    api.clock.advance(SignedDuration::from_hours(24));
    create(&api, &one, "name", &body).expect(201);
    assert_eq!(count(&api), "2");
    api.clock.advance(SignedDuration::from_secs(1));
    let anew = create(&api, &one, "name", &json!({"title": "C", "content": "b"}));
    assert_eq!(anew.expect(201).header("idempotency-replayed"), None);
    assert_eq!(count(&api), "3");
}

#[test]
fn a_key_that_can_not_be_one_is_refused() {
    let api = Api::start();
    let key = api.key(Role::Author);
    let body = json!({"title": "A", "content": "b"});
    for name in ["", "  ", "é", &"x".repeat(256)] {
        create(&api, &key, name, &body).problem(400, "bad_request");
    }
    let twice = api.call("POST", "/api/v1/posts").key(&key);
    let twice = twice
        .header("idempotency-key", "a")
        .header("idempotency-key", "a");
    twice.json(&body).send().problem(400, "bad_request");
    create(&api, &key, &"x".repeat(255), &body).expect(201);
}

#[test]
fn a_repeat_is_answered_although_its_time_is_no_longer_ahead() {
    let api = Api::start();
    let key = api.key(Role::Author);
    let soon = api.clock.now() + SignedDuration::from_mins(1);
    let body = json!({"title": "A", "content": "b", "status": "scheduled", "published_at": soon.to_string()});
    let first = create(&api, &key, "one", &body).expect(201);
    api.clock.advance(SignedDuration::from_mins(2));
    let again = create(&api, &key, "one", &body).expect(201);
    assert_eq!(again.body, first.body);
    create(&api, &key, "two", &body).problem(422, "invalid_fields");
    assert_eq!(count(&api), "1");
}

#[test]
fn a_change_and_a_deletion_are_done_once_per_key_too() {
    let api = Api::start();
    let key = api.key(Role::Author);
    let post = api.post(&key, &json!({"title": "A", "status": "published"}));
    let path = format!("/api/v1/posts/{}", post["id"]);
    let etag = api.read(&key, &post["id"]).etag().to_owned();
    let patch = |name: &str, title: &str| {
        let call = api.call("PATCH", &path).key(&key).if_match(&etag);
        let call = call.header("idempotency-key", name);
        call.json(&json!({"title": title})).send()
    };
    let first = patch("one", "B").expect(200);
    assert_eq!(first.header("idempotency-replayed"), None);
    // Without its key the repeat would fail: the revision has moved on.
    let again = patch("one", "B").expect(200);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.body, first.body);
    patch("two", "C").problem(412, "revision_mismatch");
    patch("one", "C").problem(422, "idempotency_key_reused");
    let delete = |name: &str| {
        let call = api.call("DELETE", &path).key(&key).if_match("*");
        call.header("idempotency-key", name).send()
    };
    delete("one").problem(422, "idempotency_key_reused");
    assert_eq!(
        delete("three").expect(204).header("idempotency-replayed"),
        None
    );
    assert_eq!(
        delete("three").expect(204).header("idempotency-replayed"),
        Some("true")
    );
    delete("four").problem(404, "not_found");
}
