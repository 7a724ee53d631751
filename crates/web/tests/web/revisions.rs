//! What a post was before each edit, and going back to it.

use jiff::SignedDuration;
use prepnexus_domain::Role;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Call},
    harness::Api,
};

/// A post that was edited.
struct Setting {
    api: Api,
    key: String,
    target: String,
}

fn setting(fields: &Value, edits: &[Value]) -> Setting {
    let api = Api::start();
    let key = api.key(Role::Author);
    let post = api.post(&key, fields);
    let target = format!("/api/v1/posts/{}", post["id"]);
    let setting = Setting { api, key, target };
    for edit in edits {
        setting.api.clock.advance(SignedDuration::from_mins(1));
        let call = setting.call("PATCH", "").if_match("*");
        call.json(edit).send().expect(200);
    }
    setting
}

impl Setting {
    fn call(&self, method: &str, below: &str) -> Call<'_> {
        let target = format!("{}{below}", self.target);
        self.api.call(method, &target).key(&self.key)
    }

    fn post(&self) -> Value {
        self.call("GET", "").send().expect(200).json()
    }

    fn history(&self, query: &str) -> Answer {
        self.call("GET", &format!("/revisions{query}"))
            .send()
            .expect(200)
    }

    fn restore(&self, revision: i32) -> Call<'_> {
        self.call("POST", &format!("/revisions/{revision}/restore"))
    }
}

/// The values of a field of all items.
fn each(list: &Value, field: &str) -> Vec<Value> {
    let items = list["data"].as_array().unwrap().iter();
    items.map(|item| item[field].clone()).collect()
}

#[test]
fn each_edit_leaves_what_was_before_it() {
    let first =
        json!({"title": "First", "content": "One.", "tags": ["B", "A"], "image_url": "/a.png"});
    let s = setting(
        &first,
        &[
            json!({"title": "Second", "content": "Two.", "tags": ["C"], "image_url": null}),
            json!({"status": "published"}),
            json!({"content": "Three."}),
        ],
    );
    let list = s.history("").json();
    assert_eq!(each(&list, "revision"), [3, 2, 1]);
    assert_eq!(each(&list, "title"), ["Second", "Second", "First"]);
    assert_eq!(each(&list, "status"), ["published", "draft", "draft"]);
    assert_eq!(each(&list, "deleted"), [false, false, false]);
    assert_eq!(list["page"], json!({"limit": 20, "next_before": null}));
    assert_eq!(list["data"][0].get("content"), None);
    let written = each(&list, "written_at");
    assert!(
        written.iter().map(Value::as_str).is_sorted_by(|a, b| a > b),
        "{written:?}"
    );

    let one = s.call("GET", "/revisions/1").send().expect(200);
    assert_eq!(one.header("cache-control"), Some("private, no-store"));
    let one = one.json();
    for (field, value) in first.as_object().unwrap() {
        assert_eq!(one[field], *value, "{field}");
    }
    assert_eq!(one["slug"], "first");
    assert_eq!(one["author"]["name"], s.post()["author"]["name"]);
    let present = s.call("GET", "/revisions/4").send();
    present.problem(404, "not_found");
}

#[test]
fn a_long_history_comes_in_pages() {
    let edits: Vec<Value> = (1..=4).map(|n| json!({"content": n.to_string()})).collect();
    let s = setting(&json!({}), &edits);
    let first = s.history("?limit=3");
    assert_eq!(each(&first.json(), "revision"), [4, 3, 2]);
    assert_eq!(first.json()["page"], json!({"limit": 3, "next_before": 2}));
    let next = format!("<{}/revisions?limit=3&before=2>; rel=\"next\"", s.target);
    assert_eq!(first.header("link"), Some(next.as_str()));
    let last = s.history("?limit=3&before=2");
    assert_eq!(each(&last.json(), "revision"), [1]);
    assert_eq!(last.json()["page"]["next_before"], Value::Null);
    assert_eq!(last.header("link"), None);
    assert_eq!(
        each(&s.history("?before=1").json(), "revision"),
        Vec::<Value>::new()
    );
}

#[test]
fn going_back_is_an_edit_that_brings_back_what_was_said() {
    let s = setting(
        &json!({"title": "First", "content": "One.", "tags": ["A"], "status": "published", "meta_description": "About."}),
        &[
            json!({"title": "Second", "content": "Two.", "tags": ["B"], "excerpt": "Mine.", "meta_description": null, "author": "Another"}),
        ],
    );
    let (before, etag) = {
        let answer = s.call("GET", "").send();
        (answer.json(), answer.etag().to_owned())
    };
    s.api.clock.advance(SignedDuration::from_mins(1));
    let restored = s.restore(1).if_match(&etag).send().expect(200);
    let now = restored.json();
    for (field, value) in [
        ("title", json!("First")),
        ("content", json!("One.")),
        ("html", json!("<p>One.</p>\n")),
        ("excerpt", json!("One.")),
        ("meta_description", json!("About.")),
        // It was made from the title.
        ("slug", json!("first")),
        ("revision", json!(3)),
    ] {
        assert_eq!(now[field], value, "{field}");
    }
    assert_eq!(now["tags"][0]["name"], "A");
    for field in ["status", "author", "published_at", "created_at"] {
        assert_eq!(now[field], before[field], "{field}");
    }
    let read = s.call("GET", "").send();
    assert_eq!((read.json(), read.etag()), (now, restored.etag()));
    // A reader sees it at once, under the address that it has again.
    assert_eq!(s.api.get(&s.target).expect(200).json()["content"], "One.");
    s.api.get("/api/v1/posts/slug/first").expect(200);
    let undone = s.call("GET", "/revisions/2").send().expect(200).json();
    assert_eq!(undone["content"], "Two.");
    // To what it says already is no edit.
    let again = s.restore(1).if_match("*").send().expect(200);
    assert_eq!(again.json()["revision"], 3);
}

#[test]
fn going_back_needs_the_present_revision_and_is_done_once_for_a_name() {
    let s = setting(&json!({"content": "One."}), &[json!({"content": "Two."})]);
    s.restore(1).send().problem(428, "precondition_required");
    let late = s.restore(1).if_match("\"1-0\"").send();
    late.problem(412, "revision_mismatch");
    for revision in [2, 9] {
        let never = s.restore(revision).if_match("*").send();
        never.problem(404, "not_found");
    }
    let named = |revision| {
        s.restore(revision)
            .header("idempotency-key", "back")
            .if_match("*")
    };
    let first = named(1).send().expect(200);
    let again = named(1).send().expect(200);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.json(), first.json());
    assert_eq!(s.post()["revision"], 3);
    named(2).send().problem(422, "idempotency_key_reused");
}

#[test]
fn who_may_change_a_post_may_see_what_it_was_and_of_a_deleted_one_editors_may() {
    let s = setting(&json!({"content": "One."}), &[json!({"content": "Two."})]);
    let list = format!("{}/revisions", s.target);
    let (one, back) = (format!("{list}/1"), format!("{list}/1/restore"));
    let statuses = |key: &str| {
        let status = |method, target: &str| {
            s.api
                .call(method, target)
                .key(key)
                .if_match("*")
                .send()
                .status
        };
        [
            status("GET", &list),
            status("GET", &one),
            status("POST", &back),
        ]
    };
    for target in [&list, &one] {
        s.api.get(target).problem(401, "unauthorized");
    }
    let other = s.api.key_named(Role::Author, "Somebody else").0;
    assert_eq!(statuses(&s.api.key(Role::Reader)), [403; 3]);
    assert_eq!(statuses(&other), [403; 3]);
    assert_eq!(statuses(&s.key), [200; 3]);
    let editor = s.api.key(Role::Editor);
    assert_eq!(statuses(&editor), [200; 3]);

    s.call("DELETE", "").if_match("*").send().expect(204);
    assert_eq!(statuses(&s.key), [404; 3]);
    assert_eq!(statuses(&editor), [200, 200, 404]);
    let history = s.api.call("GET", &list).key(&editor).send().json();
    assert_eq!(history["data"][0]["deleted"], true);
    let never = "/api/v1/posts/999999/revisions";
    s.api
        .call("GET", never)
        .key(&editor)
        .send()
        .problem(404, "not_found");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let s = setting(&json!({}), &[]);
    assert_eq!(s.history("").json()["data"], json!([]));
    for query in [
        "limit=0",
        "limit=101",
        "before=0",
        "before=+1",
        "before=x",
        "other=1",
    ] {
        let answer = s.call("GET", &format!("/revisions?{query}")).send();
        let problem = answer.problem(422, "invalid_fields");
        let name = query.split('=').next().unwrap();
        assert_eq!(problem["errors"][0]["pointer"], format!("/{name}"));
    }
    for revision in ["0", "-1", "+1", "x", "2147483648"] {
        let answer = s.call("GET", &format!("/revisions/{revision}")).send();
        let problem = answer.problem(404, "not_found");
        assert_eq!(problem["errors"][0]["pointer"], "/revision");
    }
}
