//! Views: counted apart from reads, and written by and by.

use prepnexus_domain::Role;
use serde_json::json;

use crate::harness::{Api, block_on};

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

#[test]
fn views_of_readers_are_counted_and_change_no_validator() {
    let api = Api::start();
    let key = api.key(Role::Editor);
    let post = api.post(&key, &json!({"status": "published"}));
    let draft = api.post(&key, &json!({"title": "Draft"}));
    let one = format!("/api/v1/posts/{}", post["id"]);
    let by = |method: &str, target: &str, agent: &str| {
        let call = api.call(method, target).header("user-agent", agent);
        call.send()
    };
    let etag = by("GET", &one, BROWSER).expect(200).etag().to_owned();
    by("GET", "/api/v1/posts/slug/a-post", BROWSER).expect(200);
    let call = api.call("GET", &one).header("user-agent", BROWSER);
    call.header("if-none-match", &etag).send().expect(304);
    // None of these is a reader's.
    by("HEAD", &one, BROWSER).expect(200);
    by("GET", &one, "Googlebot/2.1").expect(200);
    by("GET", "/api/v1/posts", BROWSER).expect(200);
    let prefetch = api.call("GET", &one).header("user-agent", BROWSER);
    prefetch
        .header("sec-purpose", "prefetch")
        .send()
        .expect(200);
    let own = api.call("GET", &one).header("user-agent", BROWSER);
    own.key(&key).send().expect(200);
    by("GET", &format!("/api/v1/posts/{}", draft["id"]), BROWSER).expect(404);

    assert_eq!(block_on(api.content.flush_views()).unwrap(), 1);
    assert_eq!(block_on(api.content.flush_views()).unwrap(), 0);
    let views = "SELECT string_agg(view_count::text, ' ' ORDER BY post_id) FROM post_views";
    assert_eq!(block_on(api.db().psql(views)), "3 0");
    // Who asks the database sees them.
    assert_eq!(api.read(&key, &post["id"]).json()["view_count"], 3);
}

#[test]
fn what_can_not_be_written_is_written_later() {
    let api = Api::start();
    let key = api.key(Role::Editor);
    let post = api.post(&key, &json!({"status": "published"}));
    let id = post["id"].as_i64().unwrap();
    for id in [id, id, 999_999] {
        api.content.count_view(id);
    }
    let refuse = "ALTER TABLE post_views ADD CONSTRAINT full_up CHECK (view_count < 1) NOT VALID";
    block_on(api.db().psql(refuse));
    block_on(api.content.flush_views()).unwrap_err();
    let allow = "ALTER TABLE post_views DROP CONSTRAINT full_up";
    block_on(api.db().psql(allow));
    api.content.count_view(id);
    assert_eq!(block_on(api.content.flush_views()).unwrap(), 2);
    let views = format!("SELECT view_count FROM post_views WHERE post_id = {id}");
    assert_eq!(block_on(api.db().psql(&views)), "3");
}
