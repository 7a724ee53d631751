//! Changing, replacing and deleting posts.

use jiff::SignedDuration;
use prepnexus_domain::Role;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Call},
    harness::{Api, block_on},
};

struct Setting {
    api: Api,
    key: String,
    post: Value,
    target: String,
}

fn setting(fields: &Value) -> Setting {
    let api = Api::start();
    let key = api.key(Role::Author);
    let post = api.post(&key, fields);
    let target = format!("/api/v1/posts/{}", post["id"]);
    api.clock.advance(SignedDuration::from_mins(1));
    Setting {
        api,
        key,
        post,
        target,
    }
}

impl Setting {
    fn call(&self, method: &str) -> Call<'_> {
        self.api.call(method, &self.target).key(&self.key)
    }

    fn patch(&self, body: &Value) -> Answer {
        self.call("PATCH").if_match("*").json(body).send()
    }

    fn put(&self, body: &Value) -> Answer {
        self.call("PUT").if_match("*").json(body).send()
    }
}

#[test]
fn a_patch_changes_what_it_names_and_nothing_else() {
    let s = setting(&json!({"status": "published", "tags": ["A", "B"], "excerpt": "Mine."}));
    let answer = s.patch(&json!({"content": "New *words*."})).expect(200);
    let mut expected = s.post.clone();
    expected["content"] = json!("New *words*.");
    expected["html"] = json!("<p>New <em>words</em>.</p>\n");
    expected["revision"] = json!(2);
    let mut after = answer.json();
    assert!(after["updated_at"].as_str() > s.post["updated_at"].as_str());
    expected["updated_at"].take();
    after["updated_at"].take();
    assert_eq!(after, expected);
    assert_eq!(s.call("GET").send().etag(), answer.etag());
    let kept = "SELECT content, revision FROM post_revisions";
    assert_eq!(block_on(s.api.db().psql(kept)), "Some content.|1");
}

#[test]
fn null_clears_what_may_be_empty_and_is_refused_elsewhere() {
    let s = setting(&json!({
        "slug": "own", "excerpt": "Mine.", "image_url": "/x", "meta_description": "m",
        "published_at": "2020-01-01T00:00:00Z",
    }));
    let cleared = json!({
        "slug": null, "excerpt": null, "image_url": null, "meta_description": null, "published_at": null,
    });
    let after = s.patch(&cleared).expect(200).json();
    assert_eq!(after["slug"], "a-post");
    assert_eq!(after["excerpt"], "Some content.");
    for name in ["image_url", "meta_description", "published_at"] {
        assert_eq!(after[name], Value::Null, "{name}");
    }
    let names = [
        "author",
        "content",
        "content_format",
        "status",
        "tags",
        "title",
    ];
    let nulls: Value = names
        .map(|name| (name.to_owned(), Value::Null))
        .into_iter()
        .collect::<serde_json::Map<_, _>>()
        .into();
    assert_eq!(
        s.patch(&nulls).pointers(),
        names.map(|name| format!("/{name}"))
    );
}

#[test]
fn a_patch_that_changes_nothing_makes_no_revision() {
    let s = setting(&json!({"tags": ["A"]}));
    for body in [
        json!({}),
        json!({"title": "A post"}),
        json!({"tags": ["a"], "status": "draft"}),
    ] {
        assert_eq!(s.patch(&body).expect(200).json(), s.post);
    }
}

#[test]
fn a_merge_patch_has_a_media_type_of_its_own() {
    let s = setting(&json!({}));
    let call = s.call("PATCH").if_match("*");
    let call = call.header(
        "content-type",
        "application/merge-patch+json; charset=utf-8",
    );
    call.bytes(r#"{"title":"B"}"#).send().expect(200);
    let call = s.call("PUT").if_match("*");
    let call = call.header("content-type", "application/merge-patch+json");
    call.bytes("{}")
        .send()
        .problem(415, "unsupported_media_type");
}

#[test]
fn a_change_needs_the_etag_of_the_present_revision() {
    let s = setting(&json!({}));
    let old = s.call("GET").send().etag().to_owned();
    let whole = json!({"title": "New", "content": "x"});
    let changed = s
        .call("PATCH")
        .if_match(&old)
        .json(&json!({"title": "New"}))
        .send();
    let new = changed.expect(200).etag().to_owned();
    for method in ["PATCH", "PUT", "DELETE"] {
        let send = |etag: Option<&str>| {
            let mut call = s.call(method);
            if let Some(etag) = etag {
                call = call.if_match(etag);
            }
            if method == "DELETE" {
                call.send()
            } else {
                call.json(&whole).send()
            }
        };
        send(None).problem(428, "precondition_required");
        send(Some("")).problem(428, "precondition_required");
        for stale in [old.as_str(), "\"1-0\", \"7-0\"", "nonsense", "\"\"", "2"] {
            send(Some(stale)).problem(412, "revision_mismatch");
        }
    }
    let all = format!("{old}, W/{new}");
    s.call("PUT").if_match(&all).json(&whole).send().expect(200);
    s.call("DELETE").if_match("*").send().expect(204);
}

#[test]
fn put_takes_what_is_left_out_back_to_its_default() {
    let s = setting(&json!({
        "slug": "own", "status": "published", "excerpt": "Mine.", "tags": ["A"], "image_url": "/x",
        "meta_description": "m", "content_format": "html", "author": "Ada",
    }));
    let after = s.put(&json!({"title": "B", "content": "*b*", "status": "published"}));
    let after = after.expect(200).json();
    assert_eq!(
        after["published_at"], s.post["published_at"],
        "it was published then"
    );
    assert_eq!(after["excerpt"], "b");
    assert_eq!(after["html"], "<p><em>b</em></p>\n");
    assert_eq!(after["tags"], json!([]));
    assert_eq!(after["slug"], "own", "an address that was chosen stays");
    assert_eq!(after["author"], s.post["author"]);
    for name in ["image_url", "meta_description"] {
        assert_eq!(after[name], Value::Null, "{name}");
    }
    let draft = s
        .put(&json!({"title": "B", "content": "*b*"}))
        .expect(200)
        .json();
    assert_eq!(
        (&draft["status"], &draft["published_at"]),
        (&json!("draft"), &Value::Null)
    );
    assert_eq!(s.put(&json!({})).pointers(), ["/content", "/title"]);
}

#[test]
fn what_readers_have_seen_can_not_be_scheduled() {
    let s = setting(&json!({}));
    let now = prepnexus_domain::Clock::now(&*s.api.clock);
    let (soon, later) = (
        now + SignedDuration::from_mins(1),
        now + SignedDuration::from_hours(9),
    );
    let schedule = |time: jiff::Timestamp| {
        s.patch(&json!({"status": "scheduled", "published_at": time.to_string()}))
    };
    schedule(later).expect(200);
    schedule(soon).expect(200);
    s.api.clock.advance(SignedDuration::from_mins(2));
    let seen = s.call("GET").send().json();
    assert_eq!(seen["status"], "published");
    assert_eq!(schedule(later).pointers(), ["/status"]);
    // It is a published post in every other way too.
    let same = s.patch(&json!({"status": "published"})).expect(200).json();
    assert_eq!(same, seen);
    let moved = s
        .patch(&json!({"published_at": "2020-01-01T00:00:00Z"}))
        .expect(200)
        .json();
    assert_eq!(
        (&moved["status"], &moved["published_at"]),
        (&json!("published"), &json!("2020-01-01T00:00:00Z"))
    );
    s.patch(&json!({"status": "draft"})).expect(200);
    schedule(later).expect(200);
    let now = prepnexus_domain::Clock::now(&*s.api.clock).to_string();
    let published = s.patch(&json!({"status": "published"})).expect(200).json();
    assert_eq!(published["published_at"], now, "early");
}

#[test]
fn a_deleted_post_is_gone_and_its_slug_free() {
    let s = setting(&json!({"status": "published", "slug": "first"}));
    s.patch(&json!({"slug": "second"})).expect(200);
    assert!(
        s.call("DELETE")
            .if_match("*")
            .send()
            .expect(204)
            .body
            .is_empty()
    );
    s.call("GET").send().problem(404, "not_found");
    s.call("DELETE")
        .if_match("*")
        .send()
        .problem(404, "not_found");
    s.patch(&json!({})).problem(404, "not_found");
    s.put(&json!({"title": "A", "content": "b"}))
        .problem(404, "not_found");
    for slug in ["first", "second"] {
        s.api
            .get(&format!("/api/v1/posts/slug/{slug}"))
            .problem(404, "not_found");
        let post = s.api.post(&s.key, &json!({"slug": slug}));
        assert_ne!(post["id"], s.post["id"]);
    }
    let kept = "SELECT slug, deleted FROM post_revisions ORDER BY revision";
    assert_eq!(block_on(s.api.db().psql(kept)), "first|f\nsecond|t");
}

#[test]
fn of_two_changes_of_one_revision_one_wins() {
    let s = setting(&json!({}));
    let etag = s.call("GET").send().etag().to_owned();
    let mut statuses: Vec<u16> = std::thread::scope(|scope| {
        let change = |n: usize| {
            let call = s.call("PATCH").if_match(&etag);
            call.json(&json!({"title": format!("T{n}")})).send().status
        };
        let running: Vec<_> = (0..6).map(|n| scope.spawn(move || change(n))).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412]);
}
