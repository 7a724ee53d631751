//! What a list shows, and in which order.

use jiff::SignedDuration;
use prepnexus_domain::Role;
use serde_json::{Value, json};

use crate::harness::Api;

fn slugs(list: &Value) -> Vec<&str> {
    let posts = list["data"].as_array().unwrap().iter();
    posts.map(|post| post["slug"].as_str().unwrap()).collect()
}

/// Three published posts, an hour apart, and a draft.
fn filled() -> Api {
    let api = Api::start();
    let (ada, alan) = (
        api.key_named(Role::Author, "Ada").0,
        api.key_named(Role::Author, "Alan").0,
    );
    for (key, title, content, tags) in [
        (
            &ada,
            "Banana",
            "Trees are graphs.",
            json!(["SQL", "Basics"]),
        ),
        (&alan, "apple", "Hashing is fast.", json!(["SQL"])),
        (&ada, "Cherry", "Sorting a tree of words.", json!([])),
    ] {
        let fields =
            json!({"title": title, "content": content, "tags": tags, "status": "published"});
        api.post(key, &fields);
        api.clock.advance(SignedDuration::from_hours(1));
    }
    api.post(&ada, &json!({"title": "Draft", "tags": ["SQL", "Secret"]}));
    api
}

#[test]
fn published_posts_are_listed_newest_first_without_their_content() {
    let api = filled();
    let answer = api.get("/api/v1/posts").expect(200);
    let list = answer.json();
    assert_eq!(slugs(&list), ["cherry", "apple", "banana"]);
    let page = json!({"limit": 20, "next_cursor": null, "prev_cursor": null});
    assert_eq!(list["page"], page);
    for post in list["data"].as_array().unwrap() {
        assert!(post.get("content").is_none() && post.get("html").is_none());
    }
    assert_eq!(
        answer.header("cache-control"),
        Some("public, max-age=0, stale-while-revalidate=1, stale-if-error=86400")
    );
    assert_eq!(
        answer.header("vary"),
        Some("Accept-Encoding, Authorization, Consistency-Token")
    );
    assert_eq!(answer.header("link"), None);
    let with_key = api.call("GET", "/api/v1/posts").key(&api.key(Role::Admin));
    assert_eq!(
        with_key.send().expect(200).json(),
        list,
        "drafts are in no list"
    );
}

#[test]
fn every_order_and_filter_of_the_contract() {
    let api = filled();
    let views = "UPDATE post_views SET view_count = CASE post_id WHEN
                 (SELECT id FROM posts WHERE slug = 'apple') THEN 9 ELSE 0 END";
    crate::harness::block_on(api.db().psql(views));
    for (query, expected) in [
        ("sort=-published_at", vec!["cherry", "apple", "banana"]),
        ("sort=published_at", vec!["banana", "apple", "cherry"]),
        ("sort=-view_count", vec!["apple", "cherry", "banana"]),
        ("sort=title", vec!["apple", "banana", "cherry"]),
        ("tag=sql", vec!["apple", "banana"]),
        ("tag=secret", vec![]),
        ("tag=unknown", vec![]),
        ("author=ada", vec!["cherry", "banana"]),
        ("author=nobody", vec![]),
        ("tag=sql&author=ada", vec!["banana"]),
        ("q=tree", vec!["cherry", "banana"]),
        ("q=tree+-graph", vec!["cherry"]),
        ("q=%22sorting+a+tree%22", vec!["cherry"]),
        ("q=", vec!["cherry", "apple", "banana"]),
        ("q=+", vec!["cherry", "apple", "banana"]),
        ("q=%26%7C!%3A*()%27%22", vec![]),
        ("q=tree&sort=title&tag=sql", vec!["banana"]),
        ("limit=1", vec!["cherry"]),
        ("limit=100", vec!["cherry", "apple", "banana"]),
        ("", vec!["cherry", "apple", "banana"]),
        ("&&", vec!["cherry", "apple", "banana"]),
    ] {
        let list = api
            .get(&format!("/api/v1/posts?{query}"))
            .expect(200)
            .json();
        assert_eq!(slugs(&list), expected, "{query}");
    }
}

#[test]
fn a_total_is_counted_where_it_is_asked_for() {
    let api = filled();
    for (query, total) in [
        ("include_total=true", json!(3)),
        ("include_total=true&tag=sql&limit=1", json!(2)),
        ("include_total=true&q=tree", json!(2)),
        ("include_total=true&author=ada&sort=-view_count", json!(2)),
        ("include_total=false", Value::Null),
    ] {
        let list = api
            .get(&format!("/api/v1/posts?{query}"))
            .expect(200)
            .json();
        assert_eq!(list["page"]["total"], total, "{query}");
    }
}

#[test]
fn only_the_fields_that_are_asked_for_are_sent() {
    let api = filled();
    let list = api
        .get("/api/v1/posts?fields=title,id&limit=1")
        .expect(200)
        .json();
    let names: Vec<_> = list["data"][0].as_object().unwrap().keys().collect();
    assert_eq!(names, ["id", "title"]);
    let refused = api.get("/api/v1/posts?fields=id,content").pointers();
    assert_eq!(refused, ["/fields"]);
}

#[test]
fn a_list_that_did_not_change_is_answered_304() {
    let api = filled();
    for target in ["/api/v1/posts", "/api/v1/tags", "/api/v1/authors"] {
        let etag = api.get(target).expect(200).etag().to_owned();
        let again = |etag: &str| api.call("GET", target).header("if-none-match", etag).send();
        let unchanged = again(&etag).expect(304);
        assert!(unchanged.body.is_empty());
        assert_eq!(unchanged.etag(), etag);
        again(&format!("\"x\", W/{etag}")).expect(304);
        again("\"x\"").expect(200);
    }
    let etag = api.get("/api/v1/posts").etag().to_owned();
    api.post(&api.key(Role::Author), &json!({"status": "published"}));
    let call = api
        .call("GET", "/api/v1/posts")
        .header("if-none-match", etag);
    call.send().expect(200);
}

#[test]
fn tags_and_authors_are_counted_by_what_readers_see() {
    let api = filled();
    let tags = api.get("/api/v1/tags").expect(200).json();
    let expected = json!({"data": [
        {"slug": "sql", "name": "SQL", "post_count": 2},
        {"slug": "basics", "name": "Basics", "post_count": 1},
    ]});
    assert_eq!(tags, expected);
    let authors = api.get("/api/v1/authors").expect(200).json();
    let counts: Vec<_> = authors["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|author| (author["slug"].clone(), author["post_count"].clone()))
        .collect();
    assert_eq!(
        counts,
        [(json!("ada"), json!(2)), (json!("alan"), json!(1))]
    );
}

#[test]
fn a_scheduled_post_appears_by_itself_when_its_time_comes() {
    let api = Api::start();
    let key = api.key(Role::Author);
    let time = prepnexus_domain::Clock::now(&*api.clock) + SignedDuration::from_mins(5);
    let fields = json!({"status": "scheduled", "published_at": time.to_string(), "tags": ["Soon"]});
    let post = api.post(&key, &fields);
    assert_eq!(post["status"], "scheduled");
    let target = format!("/api/v1/posts/{}", post["id"]);
    let by_slug = "/api/v1/posts/slug/a-post";
    let shown = || {
        api.get("/api/v1/posts").json()["data"]
            .as_array()
            .unwrap()
            .len()
    };

    api.clock.advance(SignedDuration::from_secs(299));
    assert_eq!(shown(), 0);
    api.get(&target).problem(404, "not_found");
    api.get(by_slug).problem(404, "not_found");
    api.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(shown(), 1);
    assert_eq!(
        api.get("/api/v1/posts").json()["data"][0]["status"],
        "published"
    );
    assert_eq!(api.get(&target).expect(200).json()["status"], "published");
    api.get(by_slug).expect(200);
    assert_eq!(api.get("/api/v1/tags").json()["data"][0]["slug"], "soon");
}
