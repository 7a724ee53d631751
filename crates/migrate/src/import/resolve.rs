//! What a row alone can't tell: whether its number and its address come twice in the file, or are taken in the database.
//!
//! - A number that comes twice is the first row's. One that the database has, or had, is refused, unless the very same post is
//!   there: that was imported before, and is left alone. What has no date got the time of that import.
//! - An address that several rows have is that of the row that brought it itself and has the lowest number; the others, in the
//!   same order, get `-2`, `-3` and so on at its end. Who meets an address that is there already tries again behind the others.
//!   One that the database has, or had, is taken.
//! - An e-mail address belongs to one author.
//!
//! All of it is asked of the database, in sets: memory does not grow with the file. The answers are in temporary tables of the
//! transaction that publishes.

use std::collections::BTreeMap;

use tokio_postgres::Transaction;

use super::{legacy, reject::RejectFile, reject::Rejected};
use crate::error::Error;

/// More rounds than this mean that something else is wrong.
const ROUNDS: u32 = 1_000;

const TABLES: &str = "
    CREATE TEMPORARY TABLE refused (
        of_table text NOT NULL, row_id bigint NOT NULL, in_column text NOT NULL, reason text NOT NULL, value text NOT NULL,
        PRIMARY KEY (of_table, row_id)
    ) ON COMMIT DROP;
    CREATE TEMPORARY TABLE present (id bigint PRIMARY KEY, is_renamed boolean NOT NULL) ON COMMIT DROP;
    CREATE TEMPORARY TABLE renamed (
        id bigint PRIMARY KEY, base text NOT NULL, is_own boolean NOT NULL, tried integer NOT NULL DEFAULT 0, slug text UNIQUE
    ) ON COMMIT DROP;
    CREATE TEMPORARY VIEW importable AS
        SELECT * FROM prepnexus_import.posts s
        WHERE NOT EXISTS (SELECT FROM refused r WHERE r.of_table = 'blogs' AND r.row_id = s.row_id);
    CREATE TEMPORARY VIEW fresh AS
        SELECT * FROM importable s WHERE NOT EXISTS (SELECT FROM present p WHERE p.id = s.id);
    CREATE TEMPORARY VIEW accounts AS
        SELECT * FROM prepnexus_import.users u
        WHERE NOT EXISTS (SELECT FROM refused r WHERE r.of_table = 'users' AND r.row_id = u.row_id)";

/// In this order, each with what it is called in an error.
const RULES: [(&str, &str); 6] = [
    (
        "looking for numbers that come twice",
        "INSERT INTO refused
         SELECT 'blogs', row_id, 'id', 'duplicate_id', id::text
         FROM (SELECT row_id, id, lag(id) OVER (ORDER BY id, row_id) AS before FROM prepnexus_import.posts) s
         WHERE before = id",
    ),
    (
        "looking for posts that were imported before",
        "INSERT INTO present
         SELECT s.id, p.slug <> s.slug
         FROM importable s JOIN posts p ON p.id = s.id JOIN authors a ON a.id = p.author_id
         WHERE p.title = s.title AND p.content = s.content AND p.content_format = 'html' AND p.status = s.status
           AND lower(a.name) = lower(s.author)
           AND p.image_url IS NOT DISTINCT FROM s.image_url
           AND p.meta_description IS NOT DISTINCT FROM s.meta_description
           AND CASE WHEN s.is_undated THEN p.revision = 1
                    ELSE p.created_at = s.created_at AND p.updated_at = s.updated_at
                         AND p.published_at IS NOT DISTINCT FROM s.published_at END",
    ),
    (
        "looking for numbers that are taken",
        "INSERT INTO refused
         SELECT 'blogs', s.row_id, 'id', 'id_taken', s.id::text
         FROM fresh s
         WHERE EXISTS (SELECT FROM posts p WHERE p.id = s.id)
            OR EXISTS (SELECT FROM post_revisions p WHERE p.post_id = s.id)",
    ),
    (
        "looking for addresses that come twice, or are taken",
        "INSERT INTO renamed (id, base, is_own)
         SELECT id, slug, is_own
         FROM (SELECT id, slug, adjustments = '{}' AS is_own,
                      row_number() OVER (PARTITION BY slug ORDER BY adjustments = '{}' DESC, id) AS place
               FROM fresh) s
         WHERE place > 1 OR EXISTS (SELECT FROM post_slugs p WHERE p.slug = s.slug)",
    ),
    (
        "looking for e-mail addresses that are another's",
        "INSERT INTO refused
         SELECT 'users', u.row_id, 'email', 'email_taken', u.email
         FROM (SELECT row_id, email, lower(name) AS name,
                      first_value(lower(name)) OVER (PARTITION BY email ORDER BY row_id) AS first_name
               FROM prepnexus_import.users) u
         LEFT JOIN author_emails e ON e.email = u.email
         LEFT JOIN authors a ON a.id = e.author_id
         WHERE coalesce(lower(a.name), first_name) <> u.name",
    ),
    (
        "counting what was resolved",
        "ANALYZE refused, present, renamed",
    ),
];

/// The next number for each that has no address yet: those that share a base count on together. The longest address has 120
/// characters.
const NEXT_ROUND: &str = "
    WITH pending AS (
        SELECT id, base, tried, row_number() OVER same AS place, count(*) OVER (PARTITION BY base) AS together
        FROM renamed WHERE slug IS NULL WINDOW same AS (PARTITION BY base ORDER BY is_own DESC, id)
    ), numbered AS (
        SELECT id, base, tried + together AS tried, '-' || (tried + place + 1) AS suffix FROM pending
    ), candidate AS (
        SELECT id, tried, rtrim(left(base, 120 - length(suffix)), '-') || suffix AS slug FROM numbered
    ), free AS (
        SELECT DISTINCT ON (slug) id, slug FROM candidate c
        WHERE NOT EXISTS (SELECT FROM prepnexus_import.posts s WHERE s.slug = c.slug)
          AND NOT EXISTS (SELECT FROM post_slugs p WHERE p.slug = c.slug)
          AND NOT EXISTS (SELECT FROM renamed r WHERE r.slug = c.slug)
        ORDER BY slug, id
    )
    UPDATE renamed r SET tried = c.tried, slug = f.slug
    FROM candidate c LEFT JOIN free f ON f.id = c.id WHERE r.id = c.id";

/// What became of the rows that were staged, by table of the old file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Resolved {
    /// Rows that are to be there in the end.
    pub(super) imported: BTreeMap<&'static str, u64>,
    /// Posts of them that are changed on the way.
    pub(super) adjusted: u64,
    /// How often each reason to change a post.
    pub(super) adjustments: Vec<(String, u64)>,
    /// How often each reason to refuse a staged row, with its table.
    pub(super) refusals: Vec<(String, String, u64)>,
}

/// Answers all of it for the staged rows.
pub(super) async fn resolve(transaction: &Transaction<'_>) -> Result<Resolved, Error> {
    let made = transaction.batch_execute(TABLES).await;
    made.map_err(|e| Error::query("making the tables of answers", &e))?;
    for (doing, sql) in RULES {
        let done = transaction.execute(sql, &[]).await;
        done.map_err(|e| Error::query(doing, &e))?;
    }
    find_addresses(transaction).await?;
    count(transaction)
        .await
        .map_err(|e| Error::query("counting what was resolved", &e))
}

async fn find_addresses(transaction: &Transaction<'_>) -> Result<(), Error> {
    const PENDING: &str = "SELECT base FROM renamed WHERE slug IS NULL LIMIT 1";
    let finding = |e: tokio_postgres::Error| Error::query("finding free addresses", &e);
    for _round in 0..ROUNDS {
        if transaction
            .query_opt(PENDING, &[])
            .await
            .map_err(finding)?
            .is_none()
        {
            return Ok(());
        }
        transaction
            .execute(NEXT_ROUND, &[])
            .await
            .map_err(finding)?;
    }
    let row = transaction.query_opt(PENDING, &[]).await.map_err(finding)?;
    row.map_or(Ok(()), |row| Err(Error::NoFreeSlug(row.get(0))))
}

async fn count(transaction: &Transaction<'_>) -> Result<Resolved, tokio_postgres::Error> {
    const IMPORTED: &str = "SELECT (SELECT count(*) FROM importable) AS blogs, (SELECT count(*) FROM accounts) AS users";
    const ADJUSTED: &str = "
        SELECT code, count(*) AS rows
        FROM importable s LEFT JOIN renamed r ON r.id = s.id LEFT JOIN present p ON p.id = s.id,
             LATERAL unnest(CASE WHEN s.adjustments <> '{}' THEN s.adjustments
                                 WHEN r.id IS NOT NULL OR p.is_renamed THEN '{slug_suffixed}' END) AS code
        GROUP BY code ORDER BY code";
    const ADJUSTED_ROWS: &str = "
        SELECT count(*) FROM importable s
        WHERE s.adjustments <> '{}' OR EXISTS (SELECT FROM renamed r WHERE r.id = s.id)
           OR EXISTS (SELECT FROM present p WHERE p.id = s.id AND p.is_renamed)";
    const REFUSED: &str =
        "SELECT of_table, reason, count(*) AS rows FROM refused GROUP BY 1, 2 ORDER BY 1, 2";
    let number = |value: i64| u64::try_from(value).unwrap_or(0);
    let imported = transaction.query_one(IMPORTED, &[]).await?;
    let adjusted = transaction.query_one(ADJUSTED_ROWS, &[]).await?;
    let adjustments = transaction.query(ADJUSTED, &[]).await?;
    let refusals = transaction.query(REFUSED, &[]).await?;
    Ok(Resolved {
        imported: BTreeMap::from([
            (legacy::BLOGS, number(imported.get("blogs"))),
            (legacy::USERS, number(imported.get("users"))),
        ]),
        adjusted: number(adjusted.get(0)),
        adjustments: adjustments
            .iter()
            .map(|row| (row.get("code"), number(row.get("rows"))))
            .collect(),
        refusals: refusals
            .iter()
            .map(|row| {
                (
                    row.get("of_table"),
                    row.get("reason"),
                    number(row.get("rows")),
                )
            })
            .collect(),
    })
}

/// Writes what was refused here to the reject file.
pub(super) async fn write_refused(
    transaction: &Transaction<'_>,
    rejects: &mut RejectFile,
) -> Result<(), Error> {
    const PAGE: i32 = 5_000;
    const SQL: &str =
        "SELECT of_table, row_id, in_column, reason, value FROM refused ORDER BY of_table, row_id";
    let reading = |e: tokio_postgres::Error| Error::query("reading what was refused", &e);
    let portal = transaction.bind(SQL, &[]).await.map_err(reading)?;
    loop {
        let rows = transaction
            .query_portal(&portal, PAGE)
            .await
            .map_err(reading)?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in rows {
            let value: &str = row.get("value");
            rejects.add(&Rejected::new(
                row.get("of_table"),
                row.get("row_id"),
                row.get("in_column"),
                row.get("reason"),
                value.as_bytes(),
            ))?;
        }
    }
}
