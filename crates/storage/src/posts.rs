//! Posts: one, a page of them, and changing them.

mod list;
mod revisions;
mod views;
mod write;

use jiff::Timestamp;
use prepnexus_domain::{AuthorRef, ContentFormat, Post, Status, TagRef};

pub use list::{count, list, next_listed};
pub use revisions::{Owner, find_owner, find_revision, list_revisions};
pub use views::add_views;
pub use write::{PostRecord, delete, find_for_update, free_slug, insert, set_tags, update};

use crate::{error::Error, read::ReadConn, row::Row};

/// The unique constraint that two posts wanting one address violate.
pub const SLUG_CONSTRAINT: &str = "post_slugs_pkey";

/// A post with what only writers need to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPost {
    /// The post, its status as stored: [`Status::as_seen_at`] tells what readers are told.
    pub post: Post,
    /// The key it was made with.
    pub created_by: Option<i64>,
}

impl StoredPost {
    /// Whether readers without a key can see it.
    #[must_use]
    pub fn is_visible_at(&self, now: Timestamp) -> bool {
        let seen = self.post.status.as_seen_at(now, self.post.published_at);
        seen == Status::Published && self.post.published_at.is_some_and(|time| time <= now)
    }

    /// When readers can see it, of one that they can't see at `now` and that is to appear by itself.
    #[must_use]
    pub fn appears_after(&self, now: Timestamp) -> Option<Timestamp> {
        let is_scheduled = matches!(self.post.status, Status::Scheduled | Status::Published);
        self.post
            .published_at
            .filter(|time| is_scheduled && *time > now)
    }

    /// The post as readers see it.
    #[must_use]
    pub fn seen_at(mut self, now: Timestamp) -> Post {
        self.post.status = self.post.status.as_seen_at(now, self.post.published_at);
        self.post
    }
}

// One row always, so that what is not there has its proof as well.
macro_rules! select_post {
    ($name:literal, $from:literal, $on:literal) => {
        concat!(
            "-- ",
            $name,
            "\nSELECT p.id, p.slug, p.title, p.excerpt, p.content, p.content_format, p.html, p.status,
       p.image_url, p.meta_description, p.reading_time_minutes, p.revision, p.created_by,
       p.created_at, p.updated_at, p.published_at, v.view_count,
       a.id AS author_id, a.slug AS author_slug, a.name AS author_name,
       a.avatar_url AS author_avatar_url,
       -- A slug holds no space.
       ARRAY(SELECT t.slug || ' ' || t.name FROM post_tags pt JOIN tags t ON t.id = pt.tag_id
             WHERE pt.post_id = p.id ORDER BY pt.position) AS tags,
       ",
            $crate::proof!(),
            "\nFROM (SELECT) always LEFT JOIN (",
            $from,
            ") ON ",
            $on
        )
    };
}

/// The post of that number.
///
/// # Errors
/// As [`ReadConn::query_one`].
pub async fn find_by_id(conn: &ReadConn, id: i64) -> Result<Option<StoredPost>, Error> {
    const SQL: &str = select_post!(
        "posts.find_by_id",
        "posts p JOIN authors a ON a.id = p.author_id JOIN post_views v ON v.post_id = p.id",
        "p.id = $1"
    );
    stored_post(&conn.query_one(SQL, &[&id]).await?)
}

/// The post that has, or had, that address: compare its slug to tell which.
///
/// # Errors
/// As [`ReadConn::query_one`].
pub async fn find_by_slug(conn: &ReadConn, slug: &str) -> Result<Option<StoredPost>, Error> {
    const SQL: &str = select_post!(
        "posts.find_by_slug",
        "post_slugs s JOIN posts p ON p.id = s.post_id JOIN authors a ON a.id = p.author_id
     JOIN post_views v ON v.post_id = p.id",
        "s.slug = $1"
    );
    stored_post(&conn.query_one(SQL, &[&slug]).await?)
}

fn stored_post(row: &Row) -> Result<Option<StoredPost>, Error> {
    let Some(id) = row.get("id")? else {
        return Ok(None);
    };
    Ok(Some(StoredPost {
        created_by: row.get("created_by")?,
        post: Post {
            id,
            slug: row.get("slug")?,
            title: row.get("title")?,
            excerpt: row.get("excerpt")?,
            content: row.get("content")?,
            content_format: content_format(row)?,
            html: row.get("html")?,
            status: status(row)?,
            author: author(row)?,
            tags: tags(row)?,
            image_url: row.get("image_url")?,
            meta_description: row.get("meta_description")?,
            reading_time_minutes: row.get("reading_time_minutes")?,
            view_count: row.get("view_count")?,
            revision: row.get("revision")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
            published_at: row.get("published_at")?,
        },
    }))
}

fn author(row: &Row) -> Result<AuthorRef, Error> {
    Ok(AuthorRef {
        id: row.get("author_id")?,
        slug: row.get("author_slug")?,
        name: row.get("author_name")?,
        avatar_url: row.get("author_avatar_url")?,
    })
}

fn tags(row: &Row) -> Result<Vec<TagRef>, Error> {
    let pairs: Vec<String> = row.get("tags")?;
    let split = |pair: String| {
        let (slug, name) = pair.split_once(' ').unwrap_or((&pair, &pair));
        TagRef {
            slug: slug.to_owned(),
            name: name.to_owned(),
        }
    };
    Ok(pairs.into_iter().map(split).collect())
}

fn status(row: &Row) -> Result<Status, Error> {
    let name = row.text("status")?;
    name.parse().map_err(|_| unknown("status", name))
}

fn content_format(row: &Row) -> Result<ContentFormat, Error> {
    let name = row.text("content_format")?;
    ContentFormat::from_name(name).ok_or_else(|| unknown("content_format", name))
}

/// A value the schema's constraints allow and this version doesn't know.
fn unknown(column: &str, value: &str) -> Error {
    Error::Row {
        query: "posts".into(),
        source: format!("{column} {value:?} is not known").into(),
    }
}
