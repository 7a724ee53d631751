//! Tags: a tag is its name, compared without case.

use std::collections::HashMap;

use jiff::Timestamp;
use prepnexus_domain::{Slug, Tag};

use crate::{error::Error, read::ReadConn, tx::Tx};

/// All tags that readers can find posts under, the fullest first.
///
/// # Errors
/// As [`ReadConn::query`].
pub async fn list(conn: &ReadConn, now: Timestamp) -> Result<Vec<Tag>, Error> {
    const SQL: &str = concat!(
        "-- tags.list
SELECT t.slug, t.name, c.post_count,
       ",
        crate::seen!(),
        "
FROM (SELECT tag_id, count(*) AS post_count FROM post_tags WHERE listed_at <= $1 GROUP BY tag_id) c
JOIN tags t ON t.id = c.tag_id
ORDER BY c.post_count DESC, t.slug"
    );
    let rows = conn.query(SQL, &[&now]).await?;
    rows.iter()
        .map(|row| {
            Ok(Tag {
                slug: row.get("slug")?,
                name: row.get("name")?,
                post_count: row.get("post_count")?,
            })
        })
        .collect()
}

/// The numbers of the tags of these names, in their order; tags that are not there yet are made.
///
/// # Errors
/// As [`ReadConn::query`].
pub async fn find_or_insert(tx: &Tx, names: &[String]) -> Result<Vec<i64>, Error> {
    const FIND: &str = "-- tags.find_by_names
SELECT wanted.name AS wanted, t.id FROM unnest($1::text[]) AS wanted (name)
JOIN tags t ON lower(t.name) = lower(wanted.name)";
    const INSERT: &str = "-- tags.insert
INSERT INTO tags (slug, name) VALUES ($1::text, $2) ON CONFLICT DO NOTHING";
    let mut number = 1;
    loop {
        let rows = tx.query(FIND, &[&names]).await?;
        let known = rows
            .iter()
            .map(|row| Ok((row.get("wanted")?, row.get("id")?)))
            .collect::<Result<HashMap<String, i64>, Error>>()?;
        let ids: Option<Vec<i64>> = names.iter().map(|name| known.get(name).copied()).collect();
        if let Some(ids) = ids {
            return Ok(ids);
        }
        // In one order everywhere, whatever the case, so that two writers of the same new tags
        // don't deadlock. A slug that another name has is tried again with a number.
        let missing = names.iter().filter(|name| !known.contains_key(*name));
        let mut missing: Vec<(String, String, &String)> = missing
            .map(|name| {
                let slug = Slug::from_title(name, "tag").numbered(number);
                (slug.into_string(), name.to_lowercase(), name)
            })
            .collect();
        missing.sort_unstable();
        for (slug, _, name) in &missing {
            tx.execute(INSERT, &[slug, *name]).await?;
        }
        number += 1;
    }
}
