//! The rules of the fields, all broken at once and one by one.

use jiff::SignedDuration;
use prepnexus_domain::Role;
use serde_json::{Value, json};

use crate::harness::Api;

#[test]
fn every_bad_field_is_named_at_once() {
    let api = Api::start();
    let key = api.key(Role::Author);
    let body = json!({
        "title": 7, "content": "a\u{0}b", "slug": "Not A Slug", "status": "live",
        "content_format": "rtf", "author": {"nom": "x"}, "tags": ["ok", "", 3],
        "image_url": "javascript:alert(1)", "published_at": "soon", "excerpt": ["x"],
        "meta_description": "x".repeat(321), "a/b~": null, "id": 5, "view_count": 1,
    });
    let mut expected: Vec<&str> = vec![
        "/title",
        "/content",
        "/slug",
        "/status",
        "/content_format",
        "/author",
        "/tags/1",
        "/tags/2",
        "/image_url",
        "/published_at",
        "/excerpt",
        "/meta_description",
        "/a~1b~0",
        "/id",
        "/view_count",
    ];
    expected.sort_unstable();
    let id = api.post(&key, &json!({}))["id"].clone();
    let one = format!("/api/v1/posts/{id}");
    for (method, target) in [("POST", "/api/v1/posts"), ("PATCH", &one), ("PUT", &one)] {
        let call = api.call(method, target).key(&key).if_match("*");
        assert_eq!(call.json(&body).send().pointers(), expected, "{method}");
    }
}

#[test]
fn every_rule_of_every_field_holds() {
    let api = Api::start();
    let key = api.key(Role::Author);
    let soon = prepnexus_domain::Clock::now(&*api.clock) + SignedDuration::from_secs(1);
    let soon = soon.to_string();
    let url = |length: usize| format!("https://a.example/{}", "x".repeat(length - 18));
    let wrong: Vec<(Value, &str)> = vec![
        (json!({"title": ""}), "/title"),
        (json!({"title": "  "}), "/title"),
        (json!({"title": "a\nb"}), "/title"),
        (json!({"title": "a\u{0}"}), "/title"),
        (json!({"title": "a\u{85}b"}), "/title"),
        (json!({"title": "é".repeat(301)}), "/title"),
        (json!({"title": null}), "/title"),
        (json!({"title": true}), "/title"),
        (json!({"content": ""}), "/content"),
        (json!({"content": " \n\t "}), "/content"),
        (json!({"content": "\u{0}"}), "/content"),
        (json!({"content": "x".repeat(500_001)}), "/content"),
        (json!({"content": {}}), "/content"),
        (json!({"slug": ""}), "/slug"),
        (json!({"slug": "a--b"}), "/slug"),
        (json!({"slug": "-a"}), "/slug"),
        (json!({"slug": "É"}), "/slug"),
        (json!({"slug": "a\n"}), "/slug"),
        (json!({"slug": "a".repeat(121)}), "/slug"),
        (json!({"slug": 1}), "/slug"),
        (json!({"excerpt": "x".repeat(1_001)}), "/excerpt"),
        (json!({"excerpt": "a\u{0}"}), "/excerpt"),
        (json!({"excerpt": 1.5}), "/excerpt"),
        (json!({"status": "Draft"}), "/status"),
        (json!({"status": ["draft"]}), "/status"),
        (json!({"content_format": "HTML"}), "/content_format"),
        (json!({"author": ""}), "/author"),
        (json!({"author": "x".repeat(121)}), "/author"),
        (json!({"author": "a\nb"}), "/author"),
        (json!({"author": {}}), "/author"),
        (json!({"author": {"name": null}}), "/author"),
        (json!({"author": {"name": "A", "id": 1}}), "/author"),
        (
            json!({"author": {"name": "A", "avatar_url": "x.png"}}),
            "/author",
        ),
        (json!({"author": 5}), "/author"),
        (json!({"tags": "SQL"}), "/tags"),
        (json!({"tags": {"0": "a"}}), "/tags"),
        (json!({"tags": [null]}), "/tags/0"),
        (json!({"tags": ["a", " "]}), "/tags/1"),
        (json!({"tags": ["x".repeat(61)]}), "/tags/0"),
        (json!({"tags": ["a\u{0}b"]}), "/tags/0"),
        (
            json!({"tags": (0..21).map(|n| n.to_string()).collect::<Vec<_>>()}),
            "/tags",
        ),
        (json!({"tags": vec!["same"; 21]}), "/tags"),
        (json!({"image_url": ""}), "/image_url"),
        (json!({"image_url": "//a.example"}), "/image_url"),
        (
            json!({"image_url": "data:image/png;base64,AA"}),
            "/image_url",
        ),
        (json!({"image_url": "https://a b"}), "/image_url"),
        (json!({"image_url": url(2_001)}), "/image_url"),
        (
            json!({"meta_description": "x".repeat(321)}),
            "/meta_description",
        ),
        (json!({"meta_description": "a\nb"}), "/meta_description"),
        (
            json!({"published_at": "2026-02-30T00:00:00Z"}),
            "/published_at",
        ),
        (json!({"published_at": "2026-01-01"}), "/published_at"),
        (
            json!({"published_at": "2026-01-01T00:00:00"}),
            "/published_at",
        ),
        (
            json!({"published_at": "1969-12-31T23:59:59Z"}),
            "/published_at",
        ),
        (
            json!({"published_at": "10000-01-01T00:00:00Z"}),
            "/published_at",
        ),
        (json!({"published_at": "infinity"}), "/published_at"),
        (json!({"published_at": 1_700_000_000}), "/published_at"),
        (
            json!({"status": "published", "published_at": soon}),
            "/published_at",
        ),
        (json!({"status": "scheduled"}), "/published_at"),
        (
            json!({"status": "scheduled", "published_at": "2020-01-01T00:00:00Z"}),
            "/published_at",
        ),
        (json!({"revision": 1}), "/revision"),
        (json!({"": 1}), "/"),
        (json!({"\u{0}": 1}), "/\u{0}"),
    ];
    for (fields, pointer) in wrong {
        let mut body = json!({"title": "A", "content": "b"});
        body.as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let call = api.call("POST", "/api/v1/posts").key(&key).json(&body);
        assert_eq!(
            call.send().pointers(),
            [pointer],
            "{:.80}",
            fields.to_string()
        );
    }
}

#[test]
fn what_is_no_object_has_no_fields() {
    let api = Api::start();
    let key = api.key(Role::Author);
    for body in [
        json!(null),
        json!([]),
        json!("x"),
        json!(1),
        json!(true),
        json!([{}]),
    ] {
        let call = api.call("POST", "/api/v1/posts").key(&key).json(&body);
        assert_eq!(call.send().pointers(), [""]);
    }
}

#[test]
fn a_hundred_thousand_bad_fields_are_answered_at_once_and_briefly() {
    let api = Api::start();
    let key = api.key(Role::Author);
    let names: serde_json::Map<_, _> = (0..100_000).map(|n| (format!("f{n}"), json!(0))).collect();
    let tags: Vec<String> = (0..200_000).map(|n| n.to_string()).collect();
    for (body, faults) in [(Value::Object(names), 100), (json!({"tags": tags}), 3)] {
        let answer = api
            .call("POST", "/api/v1/posts")
            .key(&key)
            .json(&body)
            .send();
        assert!(answer.body.len() < 30_000);
        assert_eq!(answer.pointers().len(), faults);
    }
}
