//! Reads back what was imported, as the new schema gives it, and compares each row's hash with that of the old file's row.
//!
//! Where the import had a choice, its choice is checked here and the row's own word put in: names are the same that the
//! server takes for the same, and an address is the one that was chosen. Of a post that was there before, views may have grown,
//! and times that the file does not say are those of then.

use std::pin::pin;

use futures_util::TryStreamExt;
use tokio_postgres::{Row, Transaction, types::ToSql};

use super::hash::{PostRow, UserRow};
use crate::error::Error;

const POSTS: &str = "
    WITH given AS (
        SELECT s.id, array_agg(g.name ORDER BY t.position, g.at) AS names, count(DISTINCT t.tag_id) AS number
        FROM importable s CROSS JOIN LATERAL unnest(s.tags) WITH ORDINALITY AS g (name, at)
        JOIN tags ON lower(tags.name) = lower(g.name)
        JOIN post_tags t ON t.post_id = s.id AND t.tag_id = tags.id
        WHERE s.id > $1 AND s.id <= $2 GROUP BY s.id
    ), tagged AS (
        SELECT post_id AS id, count(*) AS number FROM post_tags WHERE post_id > $1 AND post_id <= $2 GROUP BY post_id
    )
    SELECT s.hash, p.id,
        CASE WHEN present.id IS NOT NULL OR p.slug = r.slug THEN s.slug ELSE p.slug::text END AS slug,
        p.title,
        CASE WHEN lower(a.name) = lower(s.author) THEN s.author ELSE a.name END AS author,
        p.content, p.content_format,
        CASE WHEN coalesce(given.number, 0) = coalesce(tagged.number, 0) THEN coalesce(given.names, '{}') END AS tags,
        p.status,
        CASE WHEN present.id IS NOT NULL THEN least(v.view_count, s.view_count) ELSE v.view_count END AS view_count,
        p.image_url, p.meta_description,
        CASE WHEN present.id IS NOT NULL AND s.is_undated THEN s.created_at ELSE p.created_at END AS created_at,
        CASE WHEN present.id IS NOT NULL AND s.is_undated THEN s.updated_at ELSE p.updated_at END AS updated_at,
        CASE WHEN present.id IS NOT NULL AND s.is_undated THEN s.published_at ELSE p.published_at END AS published_at
    FROM importable s
    LEFT JOIN posts p ON p.id = s.id
    LEFT JOIN authors a ON a.id = p.author_id
    LEFT JOIN post_views v ON v.post_id = s.id
    LEFT JOIN renamed r ON r.id = s.id
    LEFT JOIN present ON present.id = s.id
    LEFT JOIN given ON given.id = s.id
    LEFT JOIN tagged ON tagged.id = s.id
    WHERE s.id > $1 AND s.id <= $2";

const USERS: &str = "
    SELECT u.hash, e.email, CASE WHEN lower(a.name) = lower(u.name) THEN u.name ELSE a.name END AS name
    FROM accounts u
    LEFT JOIN author_emails e ON e.email = u.email
    LEFT JOIN authors a ON a.id = e.author_id";

/// How the hashes compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Compared {
    pub(super) equal: u64,
    pub(super) different: u64,
}

impl Compared {
    fn note(&mut self, is_equal: bool) {
        *if is_equal {
            &mut self.equal
        } else {
            &mut self.different
        } += 1;
    }

    pub(super) fn add(&mut self, other: Self) {
        self.equal += other.equal;
        self.different += other.different;
    }

    /// Counts what was not compared of so many rows as different.
    pub(super) fn missing_of(&mut self, rows: u64) {
        self.different += rows.saturating_sub(self.equal + self.different);
    }
}

/// Reads posts back: those with numbers above `from`, up to `to`.
pub(super) async fn posts(
    transaction: &Transaction<'_>,
    from: i64,
    to: i64,
) -> Result<Compared, Error> {
    let numbers: [&(dyn ToSql + Sync); 2] = [&from, &to];
    let rows = transaction.query_raw(POSTS, numbers).await;
    let mut rows = pin!(rows.map_err(|e| reading_back(&e))?);
    let mut compared = Compared::default();
    while let Some(row) = rows.try_next().await.map_err(|e| reading_back(&e))? {
        compared.note(is_equal_post(&row).map_err(|e| reading_back(&e))?);
    }
    Ok(compared)
}

/// Reads all accounts back.
pub(super) async fn users(transaction: &Transaction<'_>) -> Result<Compared, Error> {
    let none: [&(dyn ToSql + Sync); 0] = [];
    let rows = transaction.query_raw(USERS, none).await;
    let mut rows = pin!(rows.map_err(|e| reading_back(&e))?);
    let mut compared = Compared::default();
    while let Some(row) = rows.try_next().await.map_err(|e| reading_back(&e))? {
        compared.note(is_equal_user(&row).map_err(|e| reading_back(&e))?);
    }
    Ok(compared)
}

fn is_equal_post(row: &Row) -> Result<bool, tokio_postgres::Error> {
    let Some(id) = row.try_get("id")? else {
        return Ok(false);
    };
    let (Some(author), Some(tags), Some(view_count)) = (
        row.try_get("author")?,
        row.try_get::<_, Option<Vec<String>>>("tags")?,
        row.try_get("view_count")?,
    ) else {
        return Ok(false);
    };
    let read_back = PostRow {
        id,
        slug: row.try_get("slug")?,
        title: row.try_get("title")?,
        author,
        content: row.try_get("content")?,
        content_format: row.try_get("content_format")?,
        tags: &tags,
        status: row.try_get("status")?,
        view_count,
        image_url: row.try_get("image_url")?,
        meta_description: row.try_get("meta_description")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        published_at: row.try_get("published_at")?,
    };
    Ok(row.try_get::<_, &[u8]>("hash")? == read_back.hash())
}

fn is_equal_user(row: &Row) -> Result<bool, tokio_postgres::Error> {
    let (Some(email), Some(name)) = (row.try_get("email")?, row.try_get("name")?) else {
        return Ok(false);
    };
    let read_back = UserRow { email, name };
    Ok(row.try_get::<_, &[u8]>("hash")? == read_back.hash())
}

fn reading_back(error: &tokio_postgres::Error) -> Error {
    Error::query("reading back what was imported", error)
}
