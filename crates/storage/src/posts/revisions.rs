//! What posts were: the schema's triggers keep what an edit or a deletion replaces, for good.

use prepnexus_domain::{AuthorRef, Revision, RevisionSummary};

use super::{content_format, status};
use crate::{error::Error, read::ReadConn, row::Row};

/// Whose a post is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The key it was made with.
    pub created_by: Option<i64>,
}

macro_rules! select_revision {
    ($name:literal, $more:literal, $which:literal) => {
        concat!(
            "-- ",
            $name,
            "\nSELECT r.revision, r.slug, r.title, r.excerpt, r.status, r.written_at, r.replaced_at, r.deleted,
       a.id AS author_id, a.slug AS author_slug, a.name AS author_name, a.avatar_url AS author_avatar_url, ",
            $more,
            $crate::seen!(),
            "\nFROM post_revisions r LEFT JOIN authors a ON a.id = r.author_id
WHERE r.post_id = $1 AND ",
            $which
        )
    };
}

/// Whose the post of that number is; `None` where there is no such post, or none any more.
///
/// # Errors
/// As [`ReadConn::query_one`].
pub async fn find_owner(conn: &ReadConn, id: i64) -> Result<Option<Owner>, Error> {
    const SQL: &str = concat!(
        "-- posts.find_owner\nSELECT p.id, p.created_by, ",
        crate::proof!(),
        " FROM (SELECT) always LEFT JOIN posts p ON p.id = $1"
    );
    let row = conn.query_one(SQL, &[&id]).await?;
    let found: Option<i64> = row.get("id")?;
    let created_by = row.get("created_by")?;
    Ok(found.map(|_| Owner { created_by }))
}

/// What a post was before its last edits, the last first: at most `limit` of those before the revision `before`.
///
/// # Errors
/// As [`ReadConn::query`].
pub async fn list_revisions(
    conn: &ReadConn,
    post_id: i64,
    before: i32,
    limit: u16,
) -> Result<Vec<RevisionSummary>, Error> {
    const SQL: &str = select_revision!(
        "post_revisions.list",
        "",
        "r.revision < $2 ORDER BY r.revision DESC LIMIT $3"
    );
    let limit = i64::from(limit);
    let rows = conn.query(SQL, &[&post_id, &before, &limit]).await?;
    rows.iter().map(summary).collect()
}

/// What a post was at that revision, if it is at another now.
///
/// # Errors
/// As [`ReadConn::query_opt`].
pub async fn find_revision(
    conn: &ReadConn,
    post_id: i64,
    revision: i32,
) -> Result<Option<Revision>, Error> {
    const SQL: &str = select_revision!(
        "post_revisions.find",
        "r.content, r.content_format, r.tags, r.image_url, r.meta_description, r.published_at,\n       ",
        "r.revision = $2"
    );
    let row = conn.query_opt(SQL, &[&post_id, &revision]).await?;
    row.as_ref().map(whole).transpose()
}

fn summary(row: &Row) -> Result<RevisionSummary, Error> {
    Ok(RevisionSummary {
        revision: row.get("revision")?,
        slug: row.get("slug")?,
        title: row.get("title")?,
        excerpt: row.get("excerpt")?,
        status: status(row)?,
        author: author(row)?,
        written_at: row.get("written_at")?,
        replaced_at: row.get("replaced_at")?,
        deleted: row.get("deleted")?,
    })
}

fn whole(row: &Row) -> Result<Revision, Error> {
    let RevisionSummary {
        revision,
        slug,
        title,
        excerpt,
        status,
        author,
        written_at,
        replaced_at,
        deleted,
    } = summary(row)?;
    Ok(Revision {
        revision,
        slug,
        title,
        excerpt,
        content: row.get("content")?,
        content_format: content_format(row)?,
        status,
        author,
        tags: row.get("tags")?,
        image_url: row.get("image_url")?,
        meta_description: row.get("meta_description")?,
        published_at: row.get("published_at")?,
        written_at,
        replaced_at,
        deleted,
    })
}

fn author(row: &Row) -> Result<Option<AuthorRef>, Error> {
    let found: Option<i64> = row.get("author_id")?;
    found.map(|_| super::author(row)).transpose()
}
