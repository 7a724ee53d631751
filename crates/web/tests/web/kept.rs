//! Answers that are kept: where they come from, in which encoding, and that none outlives what it says.

use jiff::SignedDuration;
use prepnexus_domain::Role;
use serde_json::{Value, json};

use crate::{
    client::Answer,
    harness::{Api, block_on, eventually},
};

const MEMORY: &str = "prepnexus; hit; detail=memory";
const LISTS: [&str; 3] = ["/api/v1/posts", "/api/v1/tags", "/api/v1/authors"];

fn status(answer: &Answer) -> &str {
    answer.header("cache-status").unwrap()
}

fn one(post: &Value) -> String {
    format!("/api/v1/posts/{}", post["id"])
}

/// Asks until the answer is known to be kept: the feed begins to be followed with the process.
fn warm(api: &Api, target: &str) -> Answer {
    eventually("a hit", || status(&api.get(target)) == MEMORY);
    api.get(target)
}

#[test]
fn an_answer_is_read_once_and_then_kept() {
    let api = Api::start();
    let post = api.post(&api.key(Role::Author), &json!({"status": "published"}));
    let by_slug = "/api/v1/posts/slug/a-post";
    for target in [one(&post).as_str(), by_slug].into_iter().chain(LISTS) {
        let first = api.get(target);
        assert_eq!(status(&first), "prepnexus; fwd=miss; detail=primary");
        let kept = warm(&api, target);
        assert_eq!((kept.etag(), &kept.body), (first.etag(), &first.body));
        let again = api.call("GET", target).header("if-none-match", kept.etag());
        assert_eq!(status(&again.send().expect(304)), MEMORY);
    }
    // What there is not is kept too.
    let missing = "/api/v1/posts/999999";
    api.get(missing).problem(404, "not_found");
    eventually("a hit", || {
        api.get(missing).header("cache-status") == Some(MEMORY)
    });
}

#[test]
fn what_is_not_kept_takes_no_statement_but_those_that_find_it() {
    let api = Api::start();
    let post = api.post(
        &api.key(Role::Author),
        &json!({"status": "published", "tags": ["A"]}),
    );
    let psql = |sql: &str| block_on(api.db().psql(sql));
    psql("CREATE EXTENSION pg_stat_statements");
    let statements = || {
        let calls = psql(
            "SELECT string_agg(split_part(query, E'\\n', 1) || ' ' || calls, ', ' ORDER BY query COLLATE \"C\")
             FROM pg_stat_statements JOIN pg_database d ON d.oid = dbid
             WHERE datname = current_database() AND query ~ '^-- (posts|tags|authors|proof|token)[.]'",
        );
        psql(
            "SELECT pg_stat_statements_reset(0, oid, 0) FROM pg_database WHERE datname = current_database()",
        );
        calls
    };
    // The first list of a process learns how cursors are signed.
    api.get("/api/v1/posts?limit=1");
    statements();
    for (target, expected) in [
        (one(&post).as_str(), "-- posts.find_by_id 1"),
        ("/api/v1/posts/999999", "-- posts.find_by_id 1"),
        ("/api/v1/posts/slug/a-post", "-- posts.find_by_slug 1"),
        ("/api/v1/posts/slug/none", "-- posts.find_by_slug 1"),
        ("/api/v1/posts", "-- posts.list 1, -- posts.next_listed 1"),
        // An empty list has no row that could tell how much it has seen.
        (
            "/api/v1/posts?tag=none",
            "-- posts.list 1, -- posts.next_listed 1, -- token.seen 1",
        ),
        ("/api/v1/tags", "-- posts.next_listed 1, -- tags.list 1"),
        (
            "/api/v1/authors",
            "-- authors.list 1, -- posts.next_listed 1",
        ),
    ] {
        api.call_unchecked("GET", target);
        assert_eq!(statements(), expected, "{target}");
    }
}

#[test]
fn who_has_a_key_is_answered_from_the_database() {
    let api = Api::start();
    let key = api.key(Role::Editor);
    let post = api.post(&key, &json!({"status": "published"}));
    for target in [one(&post).as_str()].into_iter().chain(LISTS) {
        warm(&api, target);
        let answer = api.call("GET", target).key(&key).send().expect(200);
        assert_eq!(status(&answer), "prepnexus; fwd=bypass; detail=primary");
        assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    }
}

#[test]
fn each_encoding_has_its_own_validator() {
    let api = Api::start();
    let long = "All that is said here is said again. ".repeat(200);
    let post = api.post(
        &api.key(Role::Author),
        &json!({"status": "published", "content": long}),
    );
    let target = one(&post);
    let get = |encodings: &str| {
        let call = api
            .call("GET", &target)
            .header("accept-encoding", encodings);
        call.send_unchecked().expect(200)
    };
    let plain = get("identity");
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(plain.json(), post);
    let mut tags = vec![plain.etag().to_owned()];
    for (accepted, chosen) in [("gzip, deflate", "gzip"), ("gzip, br, zstd", "zstd")] {
        let call = api.call("GET", &target).header("accept-encoding", accepted);
        let answer = call.send_unchecked();
        assert_eq!(answer.header("content-encoding"), Some(chosen));
        assert!(answer.body.len() * 5 < plain.body.len());
        tags.push(answer.etag().to_owned());
    }
    for tag in &tags {
        assert!(tag.starts_with("\"1-"), "{tag}");
        let call = api.call("GET", &target).header("if-none-match", tag);
        let known = call.header("accept-encoding", "gzip").send_unchecked();
        let expected = if tag.ends_with("-gzip\"") { 304 } else { 200 };
        assert_eq!(known.status, expected, "{tag}");
    }
    tags.dedup();
    assert_eq!(tags.len(), 3);
}

#[test]
fn a_change_is_seen_at_once_where_it_was_made_and_nothing_else_is_read_again() {
    let api = Api::start();
    let key = api.key(Role::Editor);
    let publish = |title: &str, tag: &str| {
        api.post(
            &key,
            &json!({"status": "published", "title": title, "tags": [tag]}),
        )
    };
    let (changed, other) = (publish("One", "x"), publish("Two", "y"));
    let touched = [
        one(&changed),
        "/api/v1/posts/slug/one".into(),
        "/api/v1/posts".into(),
        "/api/v1/posts?tag=x".into(),
    ];
    let untouched = [
        one(&other),
        "/api/v1/posts?tag=y".into(),
        "/api/v1/tags".into(),
        "/api/v1/authors".into(),
    ];
    for target in touched.iter().chain(&untouched) {
        warm(&api, target);
    }
    for n in 0..3 {
        let call = api.call("PATCH", &one(&changed)).key(&key).if_match("*");
        let edit = json!({"title": format!("One, edition {n}"), "slug": "one"});
        let edited = call.json(&edit).send().expect(200).json();
        for target in &touched {
            let answer = api.get(target).expect(200);
            assert_ne!(status(&answer), MEMORY, "{target}");
            assert!(answer.text().contains(edited["title"].as_str().unwrap()));
            warm(&api, target);
        }
        for target in &untouched {
            assert_eq!(status(&api.get(target)), MEMORY, "{target}");
        }
    }
    let delete = api.call("DELETE", &one(&changed)).key(&key).if_match("*");
    delete.send().expect(204);
    api.get(&one(&changed)).problem(404, "not_found");
    let left = api.get("/api/v1/posts").json();
    assert_eq!(left["data"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_not_there_is_seen_once_it_is() {
    let api = Api::start();
    let key = api.key(Role::Author);
    let by_slug = "/api/v1/posts/slug/a-post";
    let missing = |target: &str| {
        eventually("a hit", || {
            let answer = api.get(target);
            answer.status == 404 && status(&answer) == MEMORY
        });
    };
    missing(by_slug);
    let draft = api.post(&key, &json!({}));
    missing(by_slug);
    missing(&one(&draft));
    let publish = api.call("PATCH", &one(&draft)).key(&key).if_match("*");
    publish
        .json(&json!({"status": "published"}))
        .send()
        .expect(200);
    api.get(by_slug).expect(200);
    api.get(&one(&draft)).expect(200);
}

#[test]
fn the_moment_of_a_scheduled_post_ends_the_lists_without_it() {
    let api = Api::start();
    let key = api.key(Role::Author);
    for target in LISTS {
        warm(&api, target);
    }
    let time = prepnexus_domain::Clock::now(&*api.clock) + SignedDuration::from_mins(1);
    let fields = json!({"status": "scheduled", "published_at": time.to_string(), "tags": ["Soon"]});
    let post = api.post(&key, &fields);
    api.get(&one(&post)).problem(404, "not_found");
    for target in LISTS {
        assert!(!warm(&api, target).text().contains("oon"), "{target}");
    }
    api.clock.advance(SignedDuration::from_mins(1));
    api.get(&one(&post)).expect(200);
    for target in LISTS {
        let answer = api.get(target).expect(200);
        assert_ne!(answer.json()["data"], json!([]), "{target}");
    }
}
