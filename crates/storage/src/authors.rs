//! Authors: an author is a name, compared without case.

use jiff::Timestamp;
use prepnexus_domain::{Author, Slug};

use crate::{error::Error, read::ReadConn, tx::Tx};

/// All authors readers can find posts of, by name.
///
/// # Errors
/// As [`ReadConn::query`].
pub async fn list(conn: &ReadConn, now: Timestamp) -> Result<Vec<Author>, Error> {
    const SQL: &str = concat!(
        "-- authors.list
SELECT a.id, a.slug, a.name, a.avatar_url, c.post_count,
       ",
        crate::seen!(),
        "
FROM (SELECT author_id, count(*) AS post_count FROM posts WHERE listed_at <= $1 GROUP BY author_id) c
JOIN authors a ON a.id = c.author_id
ORDER BY lower(a.name), a.id"
    );
    let rows = conn.query(SQL, &[&now]).await?;
    rows.iter()
        .map(|row| {
            Ok(Author {
                id: row.get("id")?,
                slug: row.get("slug")?,
                name: row.get("name")?,
                avatar_url: row.get("avatar_url")?,
                post_count: row.get("post_count")?,
            })
        })
        .collect()
}

/// An author who was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundAuthor {
    /// The author's number.
    pub id: i64,
    /// Whether there is another picture now, on all of the author's posts.
    pub has_new_picture: bool,
}

/// The author of that name, made if need be. A picture that is given is a new
/// author's; it takes the place of another only if it `may_replace` that.
///
/// # Errors
/// As [`ReadConn::query_opt`].
pub async fn find_or_insert(
    tx: &Tx,
    name: &str,
    avatar_url: Option<&str>,
    may_replace: bool,
) -> Result<FoundAuthor, Error> {
    const FIND: &str = "-- authors.find_by_name
SELECT id, avatar_url FROM authors WHERE lower(name) = lower($1)";
    const INSERT: &str = "-- authors.insert
INSERT INTO authors (slug, name, avatar_url) VALUES ($1::text, $2, $3) ON CONFLICT DO NOTHING";
    const SET_AVATAR: &str =
        "-- authors.set_avatar\nUPDATE authors SET avatar_url = $2 WHERE id = $1";
    let base = Slug::from_title(name, "author");
    let mut number = 1;
    loop {
        if let Some(row) = tx.query_opt(FIND, &[&name]).await? {
            let id: i64 = row.get("id")?;
            let known: Option<String> = row.get("avatar_url")?;
            let has_new_picture =
                may_replace && avatar_url.is_some() && known.as_deref() != avatar_url;
            if has_new_picture {
                tx.execute(SET_AVATAR, &[&id, &avatar_url]).await?;
            }
            return Ok(FoundAuthor {
                id,
                has_new_picture,
            });
        }
        // Nothing inserted: another has the slug, or has just made the author.
        let slug = base.numbered(number).into_string();
        tx.execute(INSERT, &[&slug, &name, &avatar_url]).await?;
        number += 1;
    }
}
