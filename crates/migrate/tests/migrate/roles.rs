//! What the API's role may do, and may not.

use prepnexus_testkit::TestDb;

use crate::{connect, refusal};

const REFUSED: &str = "42501";

#[tokio::test]
async fn the_api_can_not_change_the_schema_the_history_or_the_addresses() {
    let db = TestDb::new().await;
    let api = connect(&db.config()).await;
    for sql in [
        "CREATE TABLE t ()",
        "CREATE SCHEMA s",
        "ALTER TABLE posts ADD COLUMN x int",
        "DROP TABLE posts",
        "TRUNCATE posts",
        "ALTER TABLE posts DISABLE TRIGGER posts_keep_revision",
        "CREATE INDEX ON posts (slug)",
        "INSERT INTO post_slugs VALUES ('a', 1)",
        "UPDATE post_slugs SET post_id = 1",
        "DELETE FROM post_slugs",
        "INSERT INTO post_views VALUES (1, 1)",
        "DELETE FROM post_views",
        "INSERT INTO post_revisions DEFAULT VALUES",
        "UPDATE post_revisions SET title = 'x'",
        "DELETE FROM post_revisions",
        "DELETE FROM authors",
        "DELETE FROM tags",
        "DELETE FROM api_keys",
        "UPDATE signing_keys SET secret = secret",
        "UPDATE change_events SET tags = tags",
        "UPDATE schema_migrations SET version = 9",
        "SELECT email FROM author_emails",
        "SELECT pg_read_file('/etc/passwd')",
    ] {
        assert_eq!(refusal(&api, sql).await, REFUSED, "{sql}");
    }
}

#[tokio::test]
async fn the_api_can_do_its_work() {
    let db = TestDb::new().await;
    let api = connect(&db.config()).await;
    let work = "
        INSERT INTO authors (slug, name) VALUES ('ada', 'Ada');
        INSERT INTO tags (slug, name) VALUES ('sql', 'SQL');
        INSERT INTO api_keys (name, role, hash) VALUES ('k', 'author', sha256('k'));
        INSERT INTO posts (slug, title, excerpt, content, html, author_id, reading_time_minutes, created_by)
            SELECT 'a', 'A', '', 'x', 'x', a.id, 1, k.id FROM authors a, api_keys k;
        INSERT INTO post_tags SELECT p.id, t.id, 0, p.listed_at FROM posts p, tags t;
        INSERT INTO change_events (tags) VALUES ('{posts}');
        INSERT INTO idempotency_records (api_key_id, key, request_hash, response)
            SELECT id, 'once', sha256('r'), '{}' FROM api_keys;
        UPDATE post_views SET view_count = view_count + 1;
        UPDATE posts SET slug = 'b';
        SELECT title, secret FROM post_slugs, post_revisions r, signing_keys WHERE r.post_id = post_slugs.post_id;
        SELECT slug FROM post_slugs;
        DELETE FROM post_tags;
        DELETE FROM posts;
        DELETE FROM idempotency_records;
        DELETE FROM change_events;
        UPDATE api_keys SET revoked_at = now();";
    api.client().batch_execute(work).await.unwrap();
}

#[tokio::test]
async fn others_can_not_connect() {
    let db = TestDb::new().await;
    db.psql("DROP ROLE IF EXISTS prepnexus_test_nobody; CREATE ROLE prepnexus_test_nobody")
        .await;
    let sql = format!(
        "SELECT has_database_privilege('prepnexus_test_nobody', '{}', 'CONNECT')",
        db.database()
    );
    assert_eq!(db.psql(&sql).await, "f");
    db.psql("DROP ROLE prepnexus_test_nobody").await;
}
