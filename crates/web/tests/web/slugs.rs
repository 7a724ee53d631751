//! Addresses: made, chosen, changed, and for ever redirecting.

use prepnexus_domain::Role;
use serde_json::{Value, json};

use crate::{client::Answer, harness::Api};

struct Author {
    api: Api,
    key: String,
}

fn author() -> Author {
    let api = Api::start();
    let key = api.key(Role::Author);
    Author { api, key }
}

impl Author {
    fn publish(&self, fields: Value) -> Value {
        let mut fields = fields;
        fields["status"] = json!("published");
        self.api.post(&self.key, &fields)
    }

    fn patch(&self, post: &Value, body: &Value) -> Answer {
        let call = self
            .api
            .call("PATCH", &format!("/api/v1/posts/{}", post["id"]));
        call.key(&self.key).if_match("*").json(body).send()
    }

    /// Where the slug leads: to itself, elsewhere, or nowhere.
    #[track_caller]
    fn leads(&self, slug: &str) -> String {
        let answer = self.api.get(&format!("/api/v1/posts/slug/{slug}"));
        match answer.status {
            200 => answer.json()["slug"].as_str().unwrap().to_owned(),
            301 => {
                assert_eq!(
                    answer.header("cache-control"),
                    Some("public, max-age=0, stale-while-revalidate=1, stale-if-error=86400")
                );
                let location = answer.header("location").unwrap();
                location
                    .strip_prefix("/api/v1/posts/slug/")
                    .unwrap()
                    .to_owned()
            }
            404 => "nowhere".to_owned(),
            other => panic!("{slug}: {other}"),
        }
    }
}

#[test]
fn equal_titles_get_numbered_addresses() {
    let a = author();
    let slugs: Vec<_> = (0..3)
        .map(|_| a.publish(json!({}))["slug"].clone())
        .collect();
    assert_eq!(slugs, ["a-post", "a-post-2", "a-post-3"]);
}

#[test]
fn a_new_title_takes_the_address_along_and_the_old_one_redirects() {
    let a = author();
    let post = a.publish(json!({"title": "One"}));
    for (title, slug) in [("Two", "two"), ("Three!", "three"), ("THREE", "three")] {
        assert_eq!(
            a.patch(&post, &json!({"title": title})).expect(200).json()["slug"],
            slug
        );
    }
    for old in ["one", "two"] {
        assert_eq!(
            a.leads(old),
            "three",
            "at once, however many there were between"
        );
    }
    assert_eq!(
        a.patch(&post, &json!({"title": "One"})).json()["slug"],
        "one"
    );
    assert_eq!(a.leads("one"), "one");
    assert_eq!(a.leads("three"), "one");
}

#[test]
fn a_chosen_address_stays_until_another_is_chosen() {
    let a = author();
    let post = a.publish(json!({"slug": "chosen"}));
    assert_eq!(
        a.patch(&post, &json!({"title": "New"})).json()["slug"],
        "chosen"
    );
    assert_eq!(
        a.patch(&post, &json!({"slug": "better"})).json()["slug"],
        "better"
    );
    assert_eq!(a.leads("chosen"), "better");
    assert_eq!(a.patch(&post, &json!({"slug": null})).json()["slug"], "new");
    assert_eq!(a.leads("better"), "new");
    let head = a
        .api
        .call("HEAD", "/api/v1/posts/slug/chosen")
        .send()
        .expect(301);
    assert_eq!(head.header("location"), Some("/api/v1/posts/slug/new"));
}

#[test]
fn an_address_that_another_post_has_or_had_is_taken() {
    let a = author();
    let post = a.publish(json!({"slug": "old"}));
    a.patch(&post, &json!({"slug": "new"})).expect(200);
    let other = a.publish(json!({"title": "Old"}));
    assert_eq!(other["slug"], "old-2", "what is made goes round it");
    for slug in ["old", "new"] {
        let body = json!({"title": "A", "content": "b", "slug": slug});
        let create = a.api.call("POST", "/api/v1/posts").key(&a.key).json(&body);
        create.send().problem(409, "slug_taken");
        a.patch(&other, &json!({"slug": slug}))
            .problem(409, "slug_taken");
        let put = a.api.call("PUT", &format!("/api/v1/posts/{}", other["id"]));
        put.key(&a.key)
            .if_match("*")
            .json(&body)
            .send()
            .problem(409, "slug_taken");
    }
    assert_eq!(a.leads("old"), "new");
    assert_eq!(
        a.patch(&post, &json!({"slug": "old"})).expect(200).json()["slug"],
        "old"
    );
}

#[test]
fn titles_without_a_letter_have_an_address_too() {
    let a = author();
    for (title, slug) in [
        ("???", "post"),
        ("面试", "mian-shi"),
        ("🦀", "crab"),
        ("\u{feff}", "post-2"),
    ] {
        assert_eq!(a.publish(json!({"title": title}))["slug"], slug, "{title}");
    }
}
