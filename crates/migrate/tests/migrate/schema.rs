//! The constraints and triggers: bad states are impossible, whoever writes.

use prepnexus_storage::driver::Connected;
use prepnexus_testkit::TestDb;

use crate::{connect, refusal};

/// A database with an author and two tags, and the API's connection to it.
async fn content() -> (TestDb, Connected) {
    let db = TestDb::new().await;
    db.psql(
        "INSERT INTO authors (id, slug, name) VALUES (1, 'ada', 'Ada');
         INSERT INTO tags (id, slug, name) VALUES (1, 'sql', 'SQL'), (2, 'rust', 'Rust')",
    )
    .await;
    let api = connect(&db.config()).await;
    (db, api)
}

/// An INSERT of a post; `columns` and `values` replace nothing, they are added.
fn insert(id: u32, slug: &str, columns: &str, values: &str) -> String {
    format!(
        "INSERT INTO posts (id, slug, title, excerpt, content, html, author_id, reading_time_minutes{columns})
         VALUES ({id}, '{slug}', 'A title', 'An excerpt', 'The content', '<p>The content</p>', 1, 1{values})"
    )
}

fn published(id: u32, slug: &str) -> String {
    insert(
        id,
        slug,
        ", status, published_at",
        ", 'published', '2025-01-01Z'",
    )
}

async fn run(api: &Connected, sql: &str) {
    if let Err(error) = api.client().batch_execute(sql).await {
        panic!("{sql}: {:?}", error.as_db_error());
    }
}

#[tokio::test]
async fn bad_posts_are_refused_by_name() {
    let (_db, api) = content().await;
    for slug in [
        "",
        "A",
        "a--b",
        "-a",
        "a-",
        "a b",
        "ä",
        "a\nb",
        &"a".repeat(121),
    ] {
        assert_eq!(
            refusal(&api, &insert(1, slug, "", "")).await,
            "23514 slug_check",
            "{slug:?}"
        );
    }
    for (columns, values, refused) in [
        (", status", ", 'live'", "23514 posts_status_check"),
        (
            ", published_at",
            ", 'infinity'",
            "23514 posts_published_at_check",
        ),
        (
            ", created_at, updated_at",
            ", '2025-01-02Z', '2025-01-01Z'",
            "23514 posts_updated_after_created",
        ),
        (
            ", content_format",
            ", 'rtf'",
            "23514 posts_content_format_check",
        ),
        (
            ", meta_description",
            ", repeat('x', 321)",
            "23514 posts_meta_description_check",
        ),
        (", listed_at", ", now()", "428C9"),
    ] {
        assert_eq!(
            refusal(&api, &insert(1, "a", columns, values)).await,
            refused,
            "{columns}"
        );
    }
    for visible in [", 'published'", ", 'scheduled'"] {
        let refused = refusal(&api, &insert(1, "a", ", status", visible)).await;
        assert!(
            refused.starts_with("23"),
            "{visible} without a time: {refused}"
        );
    }
    let title = insert(1, "a", "", "").replace("'A title'", "' A title'");
    assert_eq!(refusal(&api, &title).await, "23514 posts_title_check");
}

#[tokio::test]
async fn a_tags_copy_of_the_time_follows_the_post() {
    let (db, api) = content().await;
    run(&api, &insert(1, "a", "", "")).await;
    let copy = "SELECT pt.listed_at = p.listed_at, pt.listed_at = 'infinity' FROM post_tags pt JOIN posts p ON p.id = pt.post_id";
    let wrong = "INSERT INTO post_tags VALUES (1, 1, 0, now())";
    assert_eq!(refusal(&api, wrong).await, "23503 post_tags_post_fkey");
    run(
        &api,
        "INSERT INTO post_tags SELECT id, 1, 0, listed_at FROM posts",
    )
    .await;
    assert_eq!(db.psql(copy).await, "t|t");
    run(
        &api,
        "UPDATE posts SET status = 'published', published_at = '2025-01-01Z'",
    )
    .await;
    assert_eq!(db.psql(copy).await, "t|f");
    run(&api, "UPDATE posts SET status = 'draft'").await;
    assert_eq!(db.psql(copy).await, "t|t");
}

#[tokio::test]
async fn an_edit_keeps_what_was_there_with_its_tags() {
    let (db, api) = content().await;
    run(&api, &published(1, "a")).await;
    run(
        &api,
        "INSERT INTO post_tags SELECT id, 2, 0, listed_at FROM posts",
    )
    .await;
    run(
        &api,
        "INSERT INTO post_tags SELECT id, 1, 1, listed_at FROM posts",
    )
    .await;
    run(
        &api,
        "BEGIN;
         UPDATE posts SET title = 'Another title', slug = 'b', status = 'draft', revision = 77;
         DELETE FROM post_tags WHERE tag_id = 2;
         COMMIT",
    )
    .await;
    assert_eq!(
        db.psql("SELECT revision, title FROM posts").await,
        "2|Another title"
    );
    let kept = "SELECT revision, slug, title, content, status, tags, published_at = '2025-01-01Z', deleted FROM post_revisions ORDER BY revision";
    assert_eq!(
        db.psql(kept).await,
        "1|a|A title|The content|published|{Rust,SQL}|t|f"
    );
    run(&api, "DELETE FROM posts").await;
    let last = "SELECT revision, slug, title, tags, deleted FROM post_revisions ORDER BY revision DESC LIMIT 1";
    assert_eq!(db.psql(last).await, "2|b|Another title|{SQL}|t");
    let left = "SELECT (SELECT count(*) FROM post_slugs), (SELECT count(*) FROM post_tags), (SELECT count(*) FROM post_views)";
    assert_eq!(db.psql(left).await, "0|0|0");
}

#[tokio::test]
async fn an_address_stays_with_its_post() {
    let (db, api) = content().await;
    run(&api, &published(1, "a")).await;
    run(&api, "UPDATE posts SET slug = 'b' WHERE id = 1").await;
    let taken = "23505 post_slugs_pkey";
    assert_eq!(
        refusal(&api, &insert(2, "a", "", "")).await,
        taken,
        "a former one"
    );
    assert_eq!(
        refusal(&api, &insert(2, "b", "", "")).await,
        taken,
        "a present one"
    );
    run(&api, &insert(2, "c", "", "")).await;
    assert_eq!(
        refusal(&api, "UPDATE posts SET slug = 'a' WHERE id = 2").await,
        taken
    );
    run(&api, "UPDATE posts SET slug = 'a' WHERE id = 1").await;
    let slugs = "SELECT slug, post_id FROM post_slugs ORDER BY slug";
    assert_eq!(db.psql(slugs).await, "a|1\nb|1\nc|2");
    run(&api, "DELETE FROM posts WHERE id = 1").await;
    run(&api, "UPDATE posts SET slug = 'b' WHERE id = 2").await;
    assert_eq!(db.psql(slugs).await, "b|2\nc|2", "free with its post");
}

#[tokio::test]
async fn each_new_post_has_its_address_and_its_counter() {
    let (db, api) = content().await;
    let both = format!(
        "{}, (2, 'b', 'B', '', 'x', 'x', 1, 1)",
        insert(1, "a", "", "")
    );
    run(&api, &both).await;
    let sql = "SELECT s.slug, v.view_count FROM post_slugs s JOIN post_views v USING (post_id) ORDER BY 1";
    assert_eq!(db.psql(sql).await, "a|0\nb|0");
}

#[tokio::test]
async fn names_are_unique_without_regard_to_case() {
    let (_db, api) = content().await;
    assert_eq!(
        refusal(
            &api,
            "INSERT INTO tags (id, slug, name) VALUES (9, 's', 'sql')"
        )
        .await,
        "23505 tags_name_key"
    );
    assert_eq!(
        refusal(
            &api,
            "INSERT INTO authors (id, slug, name) VALUES (9, 's', 'ADA')"
        )
        .await,
        "23505 authors_name_key"
    );
}

#[tokio::test]
async fn a_word_is_found_without_its_accents_and_in_other_forms() {
    let (db, api) = content().await;
    run(&api, &published(1, "a").replace("A title", "Résumés")).await;
    for word in ["resume", "Résumé", "titles", "CONTENT"] {
        let sql = format!(
            "SELECT count(*) FROM posts WHERE search @@ plainto_tsquery('public.content', '{word}')"
        );
        let expected = if word == "titles" { "0" } else { "1" };
        assert_eq!(db.psql(&sql).await, expected, "{word}");
    }
}
