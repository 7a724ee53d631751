//! Many posts at once, by SQL: over HTTP, a hundred thousand would take longer than what is measured on them.

use crate::{error::Error, rig::Rig};

/// The tag that all of them carry.
pub(crate) const COMMON: &str = "common";
/// The tag that the last [`RARE_POSTS`] carry, and no other.
pub(crate) const RARE: &str = "rare";
/// How many those are.
pub(crate) const RARE_POSTS: usize = 20;

/// Publishes posts 1 to `count`, the first the newest, each at version 1.
pub(crate) async fn posts(rig: &Rig, count: usize) -> Result<(), Error> {
    let rare_from = count - RARE_POSTS;
    let sql = format!(
        "BEGIN;
         INSERT INTO authors (id, slug, name) VALUES (1, 'ann', 'Ann');
         INSERT INTO tags (id, slug, name) VALUES (1, '{COMMON}', 'Common'), (2, '{RARE}', 'Rare');
         INSERT INTO posts (id, slug, title, excerpt, content, html, status, author_id, reading_time_minutes, published_at)
         SELECT n, 'post-' || n, 'v1', 'One of many', repeat(md5(n::text) || ' ', 30),
                '<p>' || repeat(md5(n::text) || ' ', 30) || '</p>', 'published', 1, 1, now() - make_interval(secs => n)
         FROM generate_series(1, {count}) AS n;
         INSERT INTO post_tags (post_id, tag_id, position, listed_at) SELECT id, 1, 0, listed_at FROM posts;
         INSERT INTO post_tags (post_id, tag_id, position, listed_at)
         SELECT id, 2, 1, listed_at FROM posts WHERE id > {rare_from};
         INSERT INTO change_events (tags) VALUES (ARRAY['everything']);
         COMMIT;
         ANALYZE;"
    );
    rig.psql(0, sql).await?;
    rig.all_caught_up(0).await
}
