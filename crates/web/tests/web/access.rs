//! Who may do what.

use prepnexus_domain::Role;
use serde_json::json;

use crate::{
    client::Answer,
    harness::{Api, block_on},
};

const CHALLENGE: &str = "Bearer realm=\"prepnexus\"";

#[track_caller]
fn unauthorized(answer: Answer) {
    assert_eq!(answer.header("www-authenticate"), Some(CHALLENGE));
    answer.problem(401, "unauthorized");
}

#[test]
fn every_role_may_do_what_it_may_and_no_more() {
    let api = Api::start();
    let other = api.key_named(Role::Author, "Somebody else").0;
    // (role, create, patch own, patch another's, put another's, delete another's, delete own)
    let rules = [
        (Role::Reader, [403, 403, 403, 403, 403, 403]),
        (Role::Author, [201, 200, 403, 403, 403, 204]),
        (Role::Editor, [201, 200, 200, 200, 204, 204]),
        (Role::Admin, [201, 200, 200, 200, 204, 204]),
    ];
    for (role, expected) in rules {
        let key = api.key(role);
        let body = json!({"title": "Mine", "content": "x"});
        let created = api
            .call("POST", "/api/v1/posts")
            .key(&key)
            .json(&body)
            .send();
        // A reader has none of its own.
        let own = if created.status == 201 {
            created.json()["id"].clone()
        } else {
            api.post(&other, &json!({}))["id"].clone()
        };
        let others = api.post(&other, &json!({}))["id"].clone();
        let status = |method: &str, id| {
            let call = api.call(method, &format!("/api/v1/posts/{id}"));
            let call = call.key(&key).if_match("*");
            match method {
                "DELETE" => call.send().status,
                _ => call.json(&body).send().status,
            }
        };
        let statuses = [
            created.status,
            status("PATCH", &own),
            status("PATCH", &others),
            status("PUT", &others),
            status("DELETE", &others),
            status("DELETE", &own),
        ];
        assert_eq!(statuses, expected, "{role}");
    }
}

#[test]
fn writing_needs_a_key() {
    let api = Api::start();
    let key = api.key(Role::Author);
    let id = api.post(&key, &json!({}))["id"].clone();
    let one = format!("/api/v1/posts/{id}");
    for (method, target) in [
        ("POST", "/api/v1/posts"),
        ("PATCH", &one),
        ("PUT", &one),
        ("DELETE", &one),
    ] {
        let call = api.call(method, target).if_match("*");
        unauthorized(call.json(&json!({"title": "A", "content": "b"})).send());
    }
    api.read(&key, &id);
}

#[test]
fn a_header_that_holds_no_key_is_refused_where_none_is_needed_too() {
    let api = Api::start();
    let reader = api.key(Role::Reader);
    for value in [
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "bearer nonsense".to_owned(),
        "Basic dXNlcjpwYXNz".to_owned(),
        format!("Token {reader}"),
        reader.clone(),
        format!("Bearer {reader}x"),
        format!("Bearer {reader} {reader}"),
        "Bearer pnx_".to_owned(),
    ] {
        for target in [
            "/api/v1/posts",
            "/api/v1/posts/1",
            "/api/v1/tags",
            "/api/v1/authors",
        ] {
            let call = api.call("GET", target).header("authorization", &value);
            unauthorized(call.send());
        }
    }
    let twice = api.call("GET", "/api/v1/posts").key(&reader).key(&reader);
    unauthorized(twice.send());
    let relaxed = format!("bEARER   {reader}");
    let call = api
        .call("GET", "/api/v1/posts")
        .header("authorization", relaxed);
    call.send().expect(200);
}

#[test]
fn a_revoked_key_is_of_no_use_any_more() {
    let api = Api::start();
    let (key, id) = api.key_named(Role::Admin, "Leaves us");
    let post = api.post(&key, &json!({}));
    block_on(api.content.keys().revoke(id, api.content.deadline())).unwrap();
    let target = format!("/api/v1/posts/{}", post["id"]);
    unauthorized(api.call("GET", &target).key(&key).send());
    unauthorized(api.call("DELETE", &target).key(&key).if_match("*").send());
    let again = block_on(api.content.keys().revoke(id, api.content.deadline()));
    assert!(again.is_err());
}
