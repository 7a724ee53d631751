//! Changing posts. The schema's triggers record addresses, views and former revisions.

use jiff::Timestamp;
use prepnexus_domain::{ContentFormat, Slug, Status};

use super::{StoredPost, find_by_id};
use crate::{error::Error, tx::Tx};

/// How many numbered addresses are looked at in one query.
const CANDIDATES: u32 = 32;

/// A post as it is stored: all columns a writer decides on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostRecord {
    /// Its address.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// A few sentences for lists.
    pub excerpt: String,
    /// What the author wrote.
    pub content: String,
    /// What it is written in.
    pub content_format: ContentFormat,
    /// The content as safe HTML.
    pub html: String,
    /// Who can see it.
    pub status: Status,
    /// The author's number.
    pub author_id: i64,
    /// A picture.
    pub image_url: Option<String>,
    /// The description for search engines.
    pub meta_description: Option<String>,
    /// How long reading it takes.
    pub reading_time_minutes: i32,
    /// When readers can first see it.
    pub published_at: Option<Timestamp>,
}

/// The post of that number, locked until the transaction ends.
///
/// Two statements: the second sees what whoever held the lock before has committed, its author and
/// tags as well, of which a single statement would still see the old ones.
///
/// # Errors
/// As [`Tx::query_opt`](crate::ReadConn::query_opt).
pub async fn find_for_update(tx: &Tx, id: i64) -> Result<Option<StoredPost>, Error> {
    const LOCK: &str = "-- posts.lock\nSELECT id FROM posts WHERE id = $1 FOR UPDATE";
    match tx.query_opt(LOCK, &[&id]).await? {
        Some(_) => find_by_id(tx, id).await,
        None => Ok(None),
    }
}

/// The first of `base`, `base-2`, `base-3`… that no other post has or had.
///
/// # Errors
/// As [`ReadConn::query`](crate::ReadConn::query).
pub async fn free_slug(tx: &Tx, base: &Slug, post_id: Option<i64>) -> Result<Slug, Error> {
    const SQL: &str = "-- post_slugs.list_taken
SELECT slug::text AS slug FROM post_slugs WHERE slug = ANY($1) AND post_id IS DISTINCT FROM $2";
    let mut first = 1;
    loop {
        let candidates: Vec<Slug> = (first..first + CANDIDATES)
            .map(|n| base.numbered(n))
            .collect();
        let texts: Vec<String> = candidates.iter().map(ToString::to_string).collect();
        let rows = tx.query(SQL, &[&texts, &post_id]).await?;
        let taken = rows
            .iter()
            .map(|row| row.get("slug"))
            .collect::<Result<Vec<String>, _>>()?;
        let free = candidates
            .into_iter()
            .find(|slug| !taken.iter().any(|t| t == slug.as_str()));
        match free {
            Some(slug) => return Ok(slug),
            None => first += CANDIDATES,
        }
    }
}

/// Inserts a post; its number.
///
/// # Errors
/// As [`ReadConn::query_one`](crate::ReadConn::query_one); a unique violation of [`SLUG_CONSTRAINT`](super::SLUG_CONSTRAINT) when
/// another post has the address.
pub async fn insert(
    tx: &Tx,
    post: &PostRecord,
    created_by: Option<i64>,
    now: Timestamp,
) -> Result<i64, Error> {
    const SQL: &str = "-- posts.insert
INSERT INTO posts (slug, title, excerpt, content, content_format, html, status, author_id,
                   image_url, meta_description, reading_time_minutes, published_at, created_by,
                   created_at, updated_at)
VALUES ($1::text, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14) RETURNING id";
    let params: &crate::Params<'_> = &[
        &post.slug,
        &post.title,
        &post.excerpt,
        &post.content,
        &post.content_format.as_str(),
        &post.html,
        &post.status.as_str(),
        &post.author_id,
        &post.image_url,
        &post.meta_description,
        &post.reading_time_minutes,
        &post.published_at,
        &created_by,
        &now,
    ];
    tx.query_one(SQL, params).await?.get("id")
}

/// Replaces a post; the schema counts its revision and keeps the former one.
///
/// # Errors
/// As [`insert`].
pub async fn update(tx: &Tx, id: i64, post: &PostRecord, now: Timestamp) -> Result<(), Error> {
    const SQL: &str = "-- posts.update
UPDATE posts SET slug = $2::text, title = $3, excerpt = $4, content = $5, content_format = $6,
                 html = $7, status = $8, author_id = $9, image_url = $10, meta_description = $11,
                 reading_time_minutes = $12, published_at = $13,
                 updated_at = greatest($14, updated_at)
WHERE id = $1";
    let params: &crate::Params<'_> = &[
        &id,
        &post.slug,
        &post.title,
        &post.excerpt,
        &post.content,
        &post.content_format.as_str(),
        &post.html,
        &post.status.as_str(),
        &post.author_id,
        &post.image_url,
        &post.meta_description,
        &post.reading_time_minutes,
        &post.published_at,
        &now,
    ];
    tx.execute(SQL, params).await?;
    Ok(())
}

/// Gives a post exactly these tags, in this order; a tag named twice has its first place.
///
/// # Errors
/// As [`Tx::execute`].
pub async fn set_tags(tx: &Tx, id: i64, tag_ids: &[i64]) -> Result<(), Error> {
    tx.execute(
        "-- post_tags.delete\nDELETE FROM post_tags WHERE post_id = $1",
        &[&id],
    )
    .await?;
    const SQL: &str = "-- post_tags.insert
INSERT INTO post_tags (post_id, tag_id, position, listed_at)
SELECT p.id, t.id, t.position - 1, p.listed_at
FROM posts p, unnest($2::bigint[]) WITH ORDINALITY AS t (id, position)
WHERE p.id = $1
ON CONFLICT (post_id, tag_id) DO NOTHING";
    if !tag_ids.is_empty() {
        tx.execute(SQL, &[&id, &tag_ids]).await?;
    }
    Ok(())
}

/// Deletes a post; the schema keeps its last revision.
///
/// # Errors
/// As [`Tx::execute`].
pub async fn delete(tx: &Tx, id: i64) -> Result<(), Error> {
    tx.execute("-- posts.delete\nDELETE FROM posts WHERE id = $1", &[&id])
        .await?;
    Ok(())
}
