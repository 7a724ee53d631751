//! Pages of posts by keyset: page 5,000 costs what page 1 costs.
//!
//! Each order has an index that yields the numbers of one page's posts in order, and only those
//! are joined with what a list shows. The SQL of each combination is made once.

use std::{
    collections::HashMap,
    fmt::Write,
    sync::{LazyLock, PoisonError, RwLock},
};

use jiff::Timestamp;
use prepnexus_domain::{Cursor, CursorKey, Direction, ListQuery, Page, PostSummary, SortOrder};

use super::{author, content_format, status, tags};
use crate::{
    error::Error,
    param::{Param, Params},
    read::ReadConn,
    row::Row,
};

/// What makes the SQL of one list differ from another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Shape {
    sort: SortOrder,
    /// From a cursor, and which way.
    direction: Option<Direction>,
    tag: bool,
    author: bool,
    text: bool,
    count: bool,
}

/// One row more than the largest page. The server's planner takes a parameter after LIMIT for a
/// tenth of all rows, and would join them with whole tables; a number it believes.
const LARGEST: u16 = ListQuery::MAX_LIMIT + 1;

const SEEN: &str = crate::seen!();

static SQL: LazyLock<RwLock<HashMap<Shape, &'static str>>> = LazyLock::new(RwLock::default);

/// A page of the posts that readers can see at `now`.
///
/// # Errors
/// As [`ReadConn::query`].
pub async fn list(
    conn: &ReadConn,
    query: &ListQuery,
    now: Timestamp,
) -> Result<Page<PostSummary>, Error> {
    let shape = Shape::of(query, false);
    let one_more = i64::from(query.limit) + 1;
    let filters = filters(query);
    let mut params: Vec<&dyn Param> = vec![&now, &one_more];
    params.extend(filters.iter().map(|filter| *filter as &dyn Param));
    if let Some(cursor) = &query.cursor {
        params.push(match &cursor.key {
            CursorKey::Time(time) => time,
            CursorKey::Count(count) => count,
            CursorKey::Text(text) => text,
        });
        params.push(&cursor.id);
    }
    let rows = conn.query(shape.sql(), &params).await?;
    if rows.is_empty() && shape.direction == Some(Direction::Backward) {
        // What was before is gone: the page that is first now.
        let first = ListQuery {
            cursor: None,
            ..query.clone()
        };
        return Box::pin(list(conn, &first, now)).await;
    }
    let total = if query.include_total {
        Some(count(conn, query, now).await?)
    } else {
        None
    };
    page(query, rows, now, total)
}

/// How many posts all pages of the list have together.
///
/// # Errors
/// As [`ReadConn::query_one`].
pub async fn count(conn: &ReadConn, query: &ListQuery, now: Timestamp) -> Result<i64, Error> {
    let filters = filters(query);
    let mut params: Vec<&dyn Param> = vec![&now];
    params.extend(filters.iter().map(|filter| *filter as &dyn Param));
    let params: &Params<'_> = &params;
    conn.query_one(Shape::of(query, true).sql(), params)
        .await?
        .get("total")
}

/// When lists of posts change next, by themselves: the moment of the next scheduled post.
///
/// # Errors
/// As [`ReadConn::query_one`].
pub async fn next_listed(conn: &ReadConn, now: Timestamp) -> Result<Option<Timestamp>, Error> {
    const SQL: &str = concat!(
        "-- posts.next_listed
SELECT min(listed_at) AS listed_at, ",
        crate::proof!(),
        " FROM posts WHERE listed_at > $1 AND listed_at < 'infinity'"
    );
    conn.query_one(SQL, &[&now]).await?.get("listed_at")
}

/// The filters' values, in the order of the SQL.
fn filters(query: &ListQuery) -> Vec<&String> {
    [&query.tag, &query.author, &query.text]
        .into_iter()
        .flatten()
        .collect()
}

fn page(
    query: &ListQuery,
    mut rows: Vec<Row>,
    now: Timestamp,
    total: Option<i64>,
) -> Result<Page<PostSummary>, Error> {
    let limit = usize::from(query.limit);
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let direction = query.cursor.as_ref().map(|cursor| cursor.direction);
    if direction == Some(Direction::Backward) {
        rows.reverse();
    }
    let at = |row: Option<&Row>, direction| {
        row.map(|row| cursor_at(row, query.sort, direction))
            .transpose()
    };
    let (has_next, has_prev) = match direction {
        None => (has_more, false),
        Some(Direction::Forward) => (has_more, true),
        Some(Direction::Backward) => (true, has_more),
    };
    let next = at(rows.last().filter(|_| has_next), Direction::Forward)?;
    let prev = at(rows.first().filter(|_| has_prev), Direction::Backward)?;
    let items = rows
        .iter()
        .map(|row| summary(row, now))
        .collect::<Result<_, _>>()?;
    Ok(Page {
        items,
        next,
        prev,
        total,
    })
}

fn cursor_at(row: &Row, sort: SortOrder, direction: Direction) -> Result<Cursor, Error> {
    let key = match sort {
        SortOrder::Newest | SortOrder::Oldest => CursorKey::Time(row.get("sort_key")?),
        SortOrder::MostViewed => CursorKey::Count(row.get("sort_key")?),
        SortOrder::Title => CursorKey::Text(row.get("sort_key")?),
    };
    Ok(Cursor {
        direction,
        key,
        id: row.get("id")?,
    })
}

fn summary(row: &Row, now: Timestamp) -> Result<PostSummary, Error> {
    let published_at = row.get("published_at")?;
    Ok(PostSummary {
        id: row.get("id")?,
        slug: row.get("slug")?,
        title: row.get("title")?,
        excerpt: row.get("excerpt")?,
        content_format: content_format(row)?,
        status: status(row)?.as_seen_at(now, published_at),
        author: author(row)?,
        tags: tags(row)?,
        image_url: row.get("image_url")?,
        meta_description: row.get("meta_description")?,
        reading_time_minutes: row.get("reading_time_minutes")?,
        view_count: row.get("view_count")?,
        revision: row.get("revision")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
        published_at,
    })
}

impl Shape {
    fn of(query: &ListQuery, count: bool) -> Self {
        let direction = query.cursor.as_ref().map(|cursor| cursor.direction);
        Self {
            sort: if count { SortOrder::Newest } else { query.sort },
            direction: if count { None } else { direction },
            tag: query.tag.is_some(),
            author: query.author.is_some(),
            text: query.text.is_some(),
            count,
        }
    }

    /// Prepared statements are kept by their text, which lives as long as the program: there are
    /// fewer than 120 shapes.
    fn sql(self) -> &'static str {
        let known = SQL
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&self)
            .copied();
        known.unwrap_or_else(|| {
            let mut all = SQL.write().unwrap_or_else(PoisonError::into_inner);
            *all.entry(self).or_insert_with(|| self.build().leak())
        })
    }

    fn build(self) -> String {
        let (key, id) = match (self.sort, self.tag) {
            (SortOrder::Newest | SortOrder::Oldest, true) => ("ft.listed_at", "ft.post_id"),
            (SortOrder::Newest | SortOrder::Oldest, false) => ("p.listed_at", "p.id"),
            (SortOrder::MostViewed, _) => ("fv.view_count", "fv.post_id"),
            (SortOrder::Title, _) => ("lower(p.title)", "p.id"),
        };
        let by_views = self.sort == SortOrder::MostViewed && !self.count;
        let by_tag_alone = self.tag && !self.author && !self.text && id == "ft.post_id";
        let mut from = match (by_tag_alone, by_views) {
            (true, _) => String::from("post_tags ft"),
            (false, true) => String::from("post_views fv JOIN posts p ON p.id = fv.post_id"),
            (false, false) => String::from("posts p"),
        };
        if self.tag && !by_tag_alone {
            from.push_str(" JOIN post_tags ft ON ft.post_id = p.id");
        }
        let listed = if self.tag {
            "ft.listed_at"
        } else {
            "p.listed_at"
        };
        let mut filter = format!("{listed} <= $1");
        let mut next = if self.count { 2 } else { 3 };
        let mut placeholder = || {
            next += 1;
            next - 1
        };
        if self.tag {
            let n = placeholder();
            push(
                &mut filter,
                format_args!(" AND ft.tag_id = (SELECT id FROM tags WHERE slug = ${n})"),
            );
        }
        if self.author {
            let n = placeholder();
            push(
                &mut filter,
                format_args!(" AND p.author_id = (SELECT id FROM authors WHERE slug = ${n})"),
            );
        }
        if self.text {
            let n = placeholder();
            push(
                &mut filter,
                format_args!(" AND p.search @@ websearch_to_tsquery('public.content', ${n})"),
            );
        }
        if self.count {
            return format!(
                "-- posts.count\nSELECT count(*) AS total, {SEEN} FROM {from} WHERE {filter}"
            );
        }
        let descending = matches!(self.sort, SortOrder::Newest | SortOrder::MostViewed);
        let backward = self.direction == Some(Direction::Backward);
        let (order, beyond) = if descending == backward {
            ("ASC", ">")
        } else {
            ("DESC", "<")
        };
        if self.direction.is_some() {
            let (key_n, id_n) = (placeholder(), placeholder());
            push(
                &mut filter,
                format_args!(" AND ({key}, {id}) {beyond} (${key_n}, ${id_n})"),
            );
        }
        format!(
            "-- posts.list
SELECT p.id, p.slug, p.title, p.excerpt, p.content_format, p.status, p.image_url,
       p.meta_description, p.reading_time_minutes, p.revision, p.created_at, p.updated_at,
       p.published_at, v.view_count, a.id AS author_id, a.slug AS author_slug,
       a.name AS author_name, a.avatar_url AS author_avatar_url, page.sort_key,
       ARRAY(SELECT t.slug || ' ' || t.name FROM post_tags pt JOIN tags t ON t.id = pt.tag_id
             WHERE pt.post_id = p.id ORDER BY pt.position) AS tags,
       {SEEN}
FROM (SELECT id, sort_key
      FROM (SELECT {id} AS id, {key} AS sort_key FROM {from}
            WHERE {filter} ORDER BY {key} {order}, {id} {order} LIMIT {LARGEST}) largest
      ORDER BY sort_key {order}, id {order} LIMIT $2) page
JOIN posts p ON p.id = page.id
JOIN authors a ON a.id = p.author_id
JOIN post_views v ON v.post_id = p.id
ORDER BY page.sort_key {order}, page.id {order}"
        )
    }
}

fn push(text: &mut String, piece: std::fmt::Arguments<'_>) {
    text.write_fmt(piece)
        .expect("writing to a String never fails");
}
