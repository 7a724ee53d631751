//! Making posts.

use prepnexus_domain::Role;
use serde_json::json;

use crate::harness::{Api, block_on};

#[test]
fn a_title_and_content_are_enough_and_the_rest_has_defaults() {
    let api = Api::start();
    let key = api.key_named(Role::Author, "Ada L").0;
    let body = json!({"title": "Hash tables", "content": "# Why\n\nThey are *fast*."});
    let answer = api
        .call("POST", "/api/v1/posts")
        .key(&key)
        .json(&body)
        .send()
        .expect(201);
    let mut post = answer.json();
    let location = format!("/api/v1/posts/{}", post["id"]);
    assert_eq!(answer.header("location"), Some(&*location));
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    assert_eq!(answer.header("idempotency-replayed"), None);
    let read = api.call("GET", &location).key(&key).send().expect(200);
    assert_eq!(read.json(), post);
    assert_eq!(read.etag(), answer.etag());
    assert_eq!(post["created_at"], post["updated_at"]);
    for time in ["created_at", "updated_at"] {
        assert!(post[time].take().as_str().unwrap().ends_with('Z'));
    }
    assert!(post["id"].take().is_i64() && post["author"]["id"].take().is_i64());
    insta::assert_snapshot!(format!("{post:#}"), @r##"
    {
      "author": {
        "avatar_url": null,
        "id": null,
        "name": "Ada L",
        "slug": "ada-l"
      },
      "content": "# Why\n\nThey are *fast*.",
      "content_format": "markdown",
      "created_at": null,
      "excerpt": "Why They are fast.",
      "html": "<h1>Why</h1>\n<p>They are <em>fast</em>.</p>\n",
      "id": null,
      "image_url": null,
      "meta_description": null,
      "published_at": null,
      "reading_time_minutes": 1,
      "revision": 1,
      "slug": "hash-tables",
      "status": "draft",
      "tags": [],
      "title": "Hash tables",
      "updated_at": null,
      "view_count": 0
    }
    "##);
}

#[test]
fn everything_that_can_be_set_is_kept() {
    let api = Api::start();
    let fields = json!({
        "title": "  C++ & Größe  ", "content": "<p onclick=x>Hi <script>x</script><b>you</b>",
        "content_format": "html", "slug": "my-own", "excerpt": "Short.\nAnd plain.",
        "status": "published", "published_at": "2020-02-29T12:00:00.123456789+02:00",
        "author": {"name": " Ada   Lovelace ", "avatar_url": "https://a.example/ada.png"},
        "tags": ["System Design", "SQL", "system  design", "C++"],
        "image_url": "/static/x.png", "meta_description": "For search engines.",
    });
    let mut post = api.post(&api.key(Role::Author), &fields);
    for name in ["id", "created_at", "updated_at"] {
        post[name].take();
    }
    post["author"]["id"].take();
    insta::assert_snapshot!(format!("{post:#}"), @r##"
    {
      "author": {
        "avatar_url": "https://a.example/ada.png",
        "id": null,
        "name": "Ada Lovelace",
        "slug": "ada-lovelace"
      },
      "content": "<p onclick=x>Hi <script>x</script><b>you</b>",
      "content_format": "html",
      "created_at": null,
      "excerpt": "Short.\nAnd plain.",
      "html": "<p>Hi <b>you</b></p>",
      "id": null,
      "image_url": "/static/x.png",
      "meta_description": "For search engines.",
      "published_at": "2020-02-29T10:00:00.123456Z",
      "reading_time_minutes": 1,
      "revision": 1,
      "slug": "my-own",
      "status": "published",
      "tags": [
        {
          "name": "System Design",
          "slug": "system-design"
        },
        {
          "name": "SQL",
          "slug": "sql"
        },
        {
          "name": "C++",
          "slug": "c-plus-plus"
        }
      ],
      "title": "C++ & Größe",
      "updated_at": null,
      "view_count": 0
    }
    "##);
}

#[test]
fn null_is_as_good_as_absent_for_what_may_be_left_out() {
    let api = Api::start();
    let key = api.key(Role::Author);
    let mut nulls = json!({});
    for name in [
        "slug",
        "excerpt",
        "content_format",
        "status",
        "author",
        "tags",
        "image_url",
        "meta_description",
        "published_at",
    ] {
        nulls[name] = json!(null);
    }
    let mut with = api.post(&key, &nulls);
    let mut without = api.post(&key, &json!({}));
    for name in ["id", "slug"] {
        with[name].take();
        without[name].take();
    }
    assert_eq!(with, without);
}

#[test]
fn publishing_without_a_time_is_publishing_now() {
    let api = Api::start();
    let key = api.key(Role::Author);
    let post = api.post(&key, &json!({"status": "published"}));
    assert_eq!(post["published_at"], post["created_at"]);
    let draft = api.post(&key, &json!({}));
    assert_eq!(draft["published_at"], json!(null));
}

#[test]
fn the_longest_values_fit() {
    let api = Api::start();
    let tags: Vec<String> = (0..20).map(|n| format!("{n:0>60}")).collect();
    let url = format!("https://a.example/{}", "x".repeat(1_982));
    let post = api.post(&api.key(Role::Author), &json!({
        "title": "\u{10348}".repeat(300), "content": "\u{10348} ".repeat(250_000), "slug": "a".repeat(120),
        "excerpt": "ß".repeat(1_000), "meta_description": "ß".repeat(320), "tags": tags,
        "author": {"name": "é".repeat(120), "avatar_url": url}, "image_url": url, "status": "published",
    }));
    assert_eq!(post["tags"].as_array().unwrap().len(), 20);
    assert_eq!(post["image_url"].as_str().unwrap().len(), 2_000);
    api.get("/api/v1/posts?sort=title").expect(200);
}

#[test]
fn names_that_are_one_to_the_database_are_one_tag() {
    let api = Api::start();
    let key = api.key(Role::Author);
    let names = [
        "ΑΣ", "ας", "ασ", "Straße", "STRASSE", "İ", "i̇", "I", "ı", "ǅ", "ǆ",
    ];
    let post = api.post(&key, &json!({"tags": names}));
    let reversed: Vec<_> = names.into_iter().rev().collect();
    let target = format!("/api/v1/posts/{}", post["id"]);
    let call = api.call("PATCH", &target).key(&key).if_match("*");
    call.json(&json!({"tags": reversed})).send().expect(200);
}

#[test]
fn many_posts_of_one_title_at_one_moment_all_get_an_address() {
    let api = Api::start();
    let key = api.key(Role::Author);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let create = || {
            let body = json!({"title": "The same", "content": "x", "author": "The Author"});
            api.call("POST", "/api/v1/posts")
                .key(&key)
                .json(&body)
                .send()
                .status
        };
        let running: Vec<_> = (0..16).map(|_| scope.spawn(create)).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(statuses, [201; 16]);
    let slugs = block_on(
        api.db()
            .psql("SELECT slug FROM posts ORDER BY length(slug), slug"),
    );
    let expected: Vec<String> = (2..=16).map(|n| format!("the-same-{n}")).collect();
    assert_eq!(slugs, format!("the-same\n{}", expected.join("\n")));
}

#[test]
fn markup_made_to_take_long_does_not() {
    let api = Api::start();
    let key = api.key(Role::Author);
    for content in ["<div>".repeat(60_000), ">".repeat(300_000)] {
        api.post(&key, &json!({"content": content}));
    }
}
