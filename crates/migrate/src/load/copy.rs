//! From memory to the tables: a binary COPY into a temporary table, and from there by sets.

use std::pin::pin;

use tokio_postgres::{
    Transaction,
    binary_copy::BinaryCopyInWriter,
    types::{ToSql, Type},
};

use super::PreparedPost;
use crate::error::Error;

/// Emptied by every commit; gone with the session.
pub(super) const CREATE_STAGING: &str = "
    CREATE TEMPORARY TABLE staging (
        id bigint NOT NULL DEFAULT nextval('public.posts_id_seq'),
        slug text NOT NULL,
        title text NOT NULL,
        excerpt text NOT NULL,
        content text NOT NULL,
        content_format text NOT NULL,
        html text NOT NULL,
        status text NOT NULL,
        author text NOT NULL,
        avatar_url text,
        tags text[] NOT NULL,
        image_url text,
        meta_description text,
        reading_time_minutes integer NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        published_at timestamptz
    ) ON COMMIT DELETE ROWS";

const COPY: &str = "
    COPY pg_temp.staging (slug, title, excerpt, content, content_format, html, status, author, avatar_url, tags,
        image_url, meta_description, reading_time_minutes, created_at, updated_at, published_at)
    FROM STDIN (FORMAT binary)";

const TYPES: [Type; 16] = [
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT_ARRAY,
    Type::TEXT,
    Type::TEXT,
    Type::INT4,
    Type::TIMESTAMPTZ,
    Type::TIMESTAMPTZ,
    Type::TIMESTAMPTZ,
];

/// What is done with the staged rows, and how that is called in an error.
const FROM_STAGING: [(&str, &str); 5] = [
    (
        "completing the authors",
        "UPDATE authors a SET avatar_url = s.avatar_url
         FROM (SELECT lower(author) AS name, min(avatar_url) AS avatar_url FROM pg_temp.staging
               WHERE avatar_url IS NOT NULL GROUP BY 1) s
         WHERE lower(a.name) = s.name AND a.avatar_url IS NULL",
    ),
    (
        "inserting posts",
        "INSERT INTO posts (id, slug, title, excerpt, content, content_format, html, status, author_id, image_url,
             meta_description, reading_time_minutes, created_at, updated_at, published_at)
         SELECT s.id, s.slug, s.title, s.excerpt, s.content, s.content_format, s.html, s.status, a.id, s.image_url,
             s.meta_description, s.reading_time_minutes, s.created_at, s.updated_at, s.published_at
         FROM pg_temp.staging s JOIN authors a ON lower(a.name) = lower(s.author)
         ORDER BY s.id",
    ),
    (
        "tagging the posts",
        "INSERT INTO post_tags (post_id, tag_id, position, listed_at)
         SELECT s.id, t.id, given.at - 1, p.listed_at
         FROM pg_temp.staging s
         JOIN posts p ON p.id = s.id
         CROSS JOIN LATERAL unnest(s.tags) WITH ORDINALITY AS given (name, at)
         JOIN tags t ON lower(t.name) = lower(given.name)
         ORDER BY s.id, given.at
         ON CONFLICT DO NOTHING",
    ),
    (
        "telling the caches",
        "INSERT INTO change_events (tags) VALUES ('{everything}')",
    ),
    ("emptying the staging table", "TRUNCATE pg_temp.staging"),
];

/// Inserts `posts`, whose authors and tags are there already.
pub(super) async fn insert(
    transaction: &Transaction<'_>,
    posts: &[&PreparedPost],
) -> Result<(), Error> {
    stage(transaction, posts)
        .await
        .map_err(|e| Error::query("copying posts", &e))?;
    for (doing, sql) in FROM_STAGING {
        let done = transaction.execute(sql, &[]).await;
        done.map_err(|e| Error::query(doing, &e))?;
    }
    Ok(())
}

async fn stage(
    transaction: &Transaction<'_>,
    posts: &[&PreparedPost],
) -> Result<(), tokio_postgres::Error> {
    let sink = transaction.copy_in(COPY).await?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &TYPES));
    for post in posts {
        let columns: [&(dyn ToSql + Sync); 16] = [
            &post.slug.as_str(),
            &post.title,
            &post.excerpt,
            &post.content,
            &post.content_format.as_str(),
            &post.html,
            &post.status.as_str(),
            &post.author,
            &post.author_avatar_url,
            &post.tags,
            &post.image_url,
            &post.meta_description,
            &post.reading_time_minutes,
            &post.created_at,
            &post.updated_at,
            &post.published_at,
        ];
        writer.as_mut().write(&columns).await?;
    }
    writer.as_mut().finish().await?;
    Ok(())
}
