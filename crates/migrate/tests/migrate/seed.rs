//! Seeds: idempotent, and all or nothing.

use prepnexus_domain::SystemClock;
use prepnexus_migrate::{Error, LoadReport, SeedOptions};
use prepnexus_testkit::TestDb;

use crate::migrator;

const FILE: &str = r##"{"title": "Binary search", "content": "# Why\n\nIt *halves*.", "slug": "binary-search", "status": "published", "published_at": "2025-03-01T10:00:00Z", "author": "Ada Lovelace", "tags": ["C", "c!", "SQL"], "excerpt": "Halving."}

{"title": "Größe & Maß", "content": "x", "author": {"name": "ada lovelace", "avatar_url": "/a.png"}, "tags": ["sql", "Rust"], "status": "published"}
{"title": "No author", "content": "<b>x</b>", "content_format": "html", "image_url": "/i.png", "meta_description": "m"}
{"title": "Later", "content": "x", "status": "scheduled", "published_at": "2125-01-01T00:00:00Z"}
"##;

async fn seed(db: &TestDb, file: &str) -> Result<LoadReport, Error> {
    let migrator = migrator(db);
    let options = SeedOptions::default();
    migrator
        .seed(file.as_bytes(), &options, &SystemClock, &mut |_| {})
        .await
}

#[tokio::test]
async fn a_second_run_inserts_nothing_and_changes_nothing() {
    let db = TestDb::new().await;
    let first = seed(&db, FILE).await.unwrap();
    assert_eq!(
        first,
        LoadReport {
            inserted: 4,
            unchanged: 0
        }
    );
    db.psql("UPDATE posts SET title = 'Edited', slug = 'edited' WHERE slug = 'binary-search'")
        .await;
    let all = "SELECT xmin, p.* FROM posts p ORDER BY id";
    let rest = "SELECT xmin, t::text FROM tags t UNION ALL SELECT xmin, a::text FROM authors a
                UNION ALL SELECT xmin, e::text FROM change_events e UNION ALL SELECT xmin, s::text FROM post_slugs s
                UNION ALL SELECT NULL, last_value::text FROM posts_id_seq";
    let before = (db.psql(all).await, db.psql(rest).await);
    let second = seed(&db, FILE).await.unwrap();
    assert_eq!(
        second,
        LoadReport {
            inserted: 0,
            unchanged: 4
        }
    );
    assert_eq!((db.psql(all).await, db.psql(rest).await), before);
}

#[tokio::test]
async fn posts_get_what_the_file_leaves_open() {
    let db = TestDb::new().await;
    seed(&db, FILE).await.unwrap();
    let posts = "SELECT p.slug, p.status, p.excerpt, p.html, a.slug, a.avatar_url, p.created_at = p.published_at,
                        ARRAY(SELECT t.slug::text FROM post_tags pt JOIN tags t ON t.id = pt.tag_id
                              WHERE pt.post_id = p.id ORDER BY position)
                 FROM posts p JOIN authors a ON a.id = p.author_id ORDER BY p.id";
    insta::assert_snapshot!(db.psql(posts).await, @r"
    binary-search|published|Halving.|<h1>Why</h1>
    <p>It <em>halves</em>.</p>
    |ada-lovelace|/a.png|t|{c,c-2,sql}
    grosse-and-mass|published|x|<p>x</p>
    |ada-lovelace|/a.png|t|{sql,rust}
    no-author|draft|x|<b>x</b>|prepnexus|||{}
    later|scheduled|x|<p>x</p>
    |prepnexus||f|{}
    ");
    assert_eq!(
        db.psql("SELECT name FROM tags ORDER BY lower(name)").await,
        "C\nc!\nRust\nSQL"
    );
    assert_eq!(
        db.psql("SELECT tags FROM change_events").await,
        "{everything}"
    );
    assert_eq!(db.psql("SELECT count(*) FROM post_views").await, "4");
    assert_eq!(
        db.psql("SELECT count(*) FROM posts WHERE created_at > now()")
            .await,
        "0"
    );
}

#[tokio::test]
async fn a_bad_line_writes_nothing() {
    let db = TestDb::new().await;
    let bad = format!("{FILE}{{\"title\": \"\", \"content\": 7, \"colour\": \"red\"}}\n");
    let error = seed(&db, &bad).await.unwrap_err();
    assert_eq!(
        error.chain(),
        "line 6: /title must not be empty; /content must be a string; /colour is not a field that can be set"
    );
    let rows = "SELECT (SELECT count(*) FROM posts), (SELECT count(*) FROM tags), (SELECT count(*) FROM authors),
                       (SELECT count(*) FROM change_events)";
    assert_eq!(db.psql(rows).await, "0|0|0|0");
}

#[tokio::test]
async fn two_seeds_at_once_insert_each_post_once() {
    let db = TestDb::new().await;
    let (one, other) = tokio::join!(seed(&db, FILE), seed(&db, FILE));
    assert_eq!(one.unwrap().inserted + other.unwrap().inserted, 4);
}
