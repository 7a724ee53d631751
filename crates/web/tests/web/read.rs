//! One post.

use jiff::SignedDuration;
use prepnexus_domain::Role;
use serde_json::json;

use crate::harness::{Api, block_on, eventually};

#[test]
fn a_published_post_is_found_by_number_and_by_slug() {
    let api = Api::start();
    let post = api.post(&api.key(Role::Author), &json!({"status": "published"}));
    let by_id = api
        .get(&format!("/api/v1/posts/{}", post["id"]))
        .expect(200);
    let by_slug = api.get("/api/v1/posts/slug/a-post").expect(200);
    assert_eq!(by_id.json(), post);
    assert_eq!(by_slug.json(), post);
    assert_eq!(by_id.etag(), by_slug.etag());
    assert_eq!(
        by_id.header("cache-control"),
        Some("public, max-age=0, stale-while-revalidate=1, stale-if-error=86400")
    );
    assert_eq!(
        by_id.header("vary"),
        Some("Accept-Encoding, Authorization, Consistency-Token")
    );
    let revision = format!("\"{}-", post["revision"]);
    assert!(
        by_id.etag().starts_with(&revision),
        "strong, and names the revision"
    );
    let modified = by_id.header("last-modified").unwrap();
    assert!(modified.ends_with(" GMT"), "{modified}");
}

#[test]
fn a_post_that_did_not_change_is_answered_304() {
    let api = Api::start();
    let key = api.key(Role::Author);
    let post = api.post(&key, &json!({"status": "published"}));
    let target = format!("/api/v1/posts/{}", post["id"]);
    let etag = api.get(&target).etag().to_owned();
    let again = || {
        api.call("GET", &target)
            .header("if-none-match", &etag)
            .send()
    };
    let unchanged = again().expect(304);
    assert!(unchanged.body.is_empty());
    assert_eq!(unchanged.etag(), etag);
    assert!(unchanged.header("last-modified").is_some());
    let head = api.call("HEAD", &target).header("if-none-match", &etag);
    head.send().expect(304);
    // A view counted changes the bytes, not the revision.
    let view = "UPDATE post_views SET view_count = 1;
                INSERT INTO change_events (tags) VALUES ('{everything}')";
    block_on(api.db().psql(view));
    eventually("the change is known", || again().status == 200);
    let viewed = again();
    assert_ne!(viewed.etag(), etag);
    let patch = api.call("PATCH", &target).key(&key).if_match(&etag);
    patch.json(&json!({"title": "New"})).send().expect(200);
}

#[test]
fn what_is_not_published_is_there_for_holders_of_a_key_alone() {
    let api = Api::start();
    let author = api.key(Role::Author);
    let later = prepnexus_domain::Clock::now(&*api.clock) + SignedDuration::from_hours(1);
    for fields in [
        json!({"status": "draft"}),
        json!({"status": "archived"}),
        json!({"status": "scheduled", "published_at": later.to_string()}),
    ] {
        let post = api.post(&author, &fields);
        for target in [
            format!("/api/v1/posts/{}", post["id"]),
            format!("/api/v1/posts/slug/{}", post["slug"].as_str().unwrap()),
        ] {
            api.get(&target).problem(404, "not_found");
            for role in Role::ALL {
                let answer = api
                    .call("GET", &target)
                    .key(&api.key(role))
                    .send()
                    .expect(200);
                assert_eq!(answer.json(), post);
                assert_eq!(answer.header("cache-control"), Some("private, no-store"));
            }
        }
    }
}

#[test]
fn an_old_slug_of_a_draft_gives_nothing_away() {
    let api = Api::start();
    let key = api.key(Role::Author);
    let post = api.post(&key, &json!({"slug": "old"}));
    let call = api.call("PATCH", &format!("/api/v1/posts/{}", post["id"]));
    call.key(&key)
        .if_match("*")
        .json(&json!({"slug": "secret"}))
        .send()
        .expect(200);
    api.get("/api/v1/posts/slug/old").problem(404, "not_found");
    let moved = api.call("GET", "/api/v1/posts/slug/old").key(&key).send();
    assert_eq!(
        moved.expect(301).header("location"),
        Some("/api/v1/posts/slug/secret")
    );
}
