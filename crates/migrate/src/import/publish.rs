//! One transaction that brings the staged rows into the tables that readers see, and reads each back before it ends.
//!
//! Statement by statement over ranges of numbers: what a statement's triggers keep aside stays small, and it can be told
//! how far it is. The constraints and triggers of the schema stay in force.

use std::collections::BTreeMap;

use tokio_postgres::{Transaction, error::SqlState};

use super::{
    legacy::{BLOGS, Examined},
    reject::RejectFile,
    report::{self, Outcome, TableReport},
    resolve::{resolve, write_refused},
    run::{ImportOptions, Phase},
    staging::{commit, transaction},
    verify::{self, Compared},
};
use crate::{
    error::{Error, said},
    load::Names,
    progress::{OnProgress, Progress},
    session::Session,
};

/// Posts of one statement.
const CHUNK: i64 = 10_000;
/// Names of one question.
const NAMES: i32 = 5_000;

/// Longer than what the table of words keeps aside by default, so that it is sorted in less often.
const SETTINGS: &str = "SET LOCAL gin_pending_list_limit = '64MB'; SET LOCAL work_mem = '64MB'";

const CHUNK_END: &str = "
    SELECT max(id) FROM (SELECT id FROM prepnexus_import.posts WHERE id > $1 ORDER BY id LIMIT $2) s";

/// The names of authors in the order of the rows that have them first, those of posts before those of accounts.
const AUTHORS: &str = "
    SELECT name FROM (
        SELECT author AS name, 0 AS source, min(row_id) AS place FROM fresh GROUP BY author
        UNION ALL
        SELECT name, 1, min(row_id) FROM accounts GROUP BY name
    ) s ORDER BY source, place";
const TAGS: &str = "
    SELECT name FROM (
        SELECT name, min(s.row_id) AS place FROM fresh s CROSS JOIN LATERAL unnest(s.tags) AS name GROUP BY name
    ) s ORDER BY place";

/// What is done with a range of posts.
const POSTS: [(&str, &str); 3] = [
    (
        "inserting posts",
        "INSERT INTO posts (id, slug, title, excerpt, content, content_format, html, status, author_id, image_url,
             meta_description, reading_time_minutes, created_at, updated_at, published_at)
         SELECT s.id, coalesce(r.slug, s.slug), s.title, s.excerpt, s.content, 'html', s.html, s.status, a.id, s.image_url,
             s.meta_description, s.reading_time_minutes, s.created_at, s.updated_at, s.published_at
         FROM fresh s JOIN authors a ON lower(a.name) = lower(s.author) LEFT JOIN renamed r ON r.id = s.id
         WHERE s.id > $1 AND s.id <= $2
         ORDER BY s.id",
    ),
    (
        "tagging the posts",
        "INSERT INTO post_tags (post_id, tag_id, position, listed_at)
         SELECT s.id, t.id, given.at - 1, p.listed_at
         FROM fresh s
         JOIN posts p ON p.id = s.id
         CROSS JOIN LATERAL unnest(s.tags) WITH ORDINALITY AS given (name, at)
         JOIN tags t ON lower(t.name) = lower(given.name)
         WHERE s.id > $1 AND s.id <= $2
         ORDER BY s.id, given.at
         ON CONFLICT DO NOTHING",
    ),
    (
        "counting the views",
        "UPDATE post_views v SET view_count = s.view_count
         FROM fresh s
         WHERE s.id > $1 AND s.id <= $2 AND v.post_id = s.id AND s.view_count > 0",
    ),
];

/// What concerns authors.
const AUTHORS_DETAILS: [(&str, &str); 3] = [
    (
        "completing the authors",
        "UPDATE authors a SET avatar_url = s.avatar_url
         FROM (SELECT DISTINCT ON (lower(author)) lower(author) AS name, avatar_url FROM fresh
               WHERE avatar_url IS NOT NULL ORDER BY lower(author), row_id) s
         WHERE lower(a.name) = s.name AND a.avatar_url IS NULL",
    ),
    (
        "dating the authors",
        "UPDATE authors a SET created_at = s.created_at
         FROM (SELECT lower(name) AS name, min(created_at) AS created_at FROM accounts GROUP BY 1) s
         WHERE lower(a.name) = s.name AND a.created_at > s.created_at",
    ),
    (
        "keeping the e-mail addresses",
        "INSERT INTO author_emails (email, author_id, created_at)
         SELECT DISTINCT ON (u.email) u.email, a.id, u.created_at
         FROM accounts u JOIN authors a ON lower(a.name) = lower(u.name)
         WHERE NOT EXISTS (SELECT FROM author_emails e WHERE e.email = u.email)
         ORDER BY u.email, u.row_id",
    ),
];

/// The next post of the service comes behind the last that was imported.
const MOVE_SEQUENCE: &str = "
    SELECT setval('posts_id_seq', greatest(max(s.id), nextval('posts_id_seq'))) FROM fresh s HAVING max(s.id) IS NOT NULL";

/// With the rows, what the planner has to know of them: without, the first readers wait for plans made for empty tables, until
/// the server comes to look by itself.
const STATISTICS: &str = "ANALYZE posts, post_views, post_tags, tags, authors, author_emails";

/// How publishing ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) outcome: Outcome,
    pub(super) tables: BTreeMap<String, TableReport>,
    pub(super) compared: Compared,
    /// Rows that were inserted or changed, or would have been.
    pub(super) written: u64,
}

/// Publishes what is staged: all, or nothing.
///
/// What only the database refuses is written to `rejects`.
pub(super) async fn publish(
    session: &mut Session,
    examined: &Examined,
    options: &ImportOptions,
    rejects: &mut RejectFile,
    progress: OnProgress<'_>,
) -> Result<Published, Error> {
    let transaction = transaction(session).await?;
    let set = transaction.batch_execute(SETTINGS).await;
    set.map_err(|e| Error::query("setting up", &e))?;
    progress(Progress::Import {
        phase: Phase::Resolving,
        done: 0,
        total: 0,
    });
    let resolved = resolve(&transaction).await?;
    let tables = report::tables(examined, &resolved)?;
    let mut published = Published {
        outcome: Outcome::TooManyRejected,
        compared: Compared::default(),
        written: 0,
        tables,
    };
    let rejected: u64 = published.tables.values().map(|table| table.rejected).sum();
    if rejected <= options.allow_rejects {
        published.bring_in(&transaction, options, progress).await?;
    }
    // Only now: what others write meanwhile can make all of this begin again.
    write_refused(&transaction, rejects).await?;
    // No row is visible before it is on the disk which ones are not.
    rejects.finish()?;
    if published.outcome == Outcome::Published {
        commit(transaction).await?;
    }
    Ok(published)
}

impl Published {
    /// All but the end of the transaction.
    async fn bring_in(
        &mut self,
        transaction: &Transaction<'_>,
        options: &ImportOptions,
        progress: OnProgress<'_>,
    ) -> Result<(), Error> {
        if !options.dry_run {
            let moved = transaction.query(MOVE_SEQUENCE, &[]).await;
            moved.map_err(|e| Error::query("moving the numbers on", &e))?;
        }
        self.names(transaction).await?;
        self.posts(transaction, progress).await?;
        for (doing, sql) in AUTHORS_DETAILS {
            let done = transaction.execute(sql, &[]).await;
            self.written += done.map_err(|e| conflict_or(doing, &e))?;
        }
        self.compared.add(verify::users(transaction).await?);
        if self.written > 0 {
            let event = "INSERT INTO change_events (tags) VALUES ('{everything}')";
            let told = transaction.execute(event, &[]).await;
            told.map_err(|e| Error::query("telling the caches", &e))?;
        }
        // Half of what it writes would stay after a dry run.
        if self.written > 0 && !options.dry_run {
            let gathered = transaction.batch_execute(STATISTICS).await;
            gathered.map_err(|e| Error::query("gathering statistics", &e))?;
        }
        // A row that was not even looked at is none that is equal.
        let imported = self.tables.values().map(|table| table.imported).sum();
        self.compared.missing_of(imported);
        self.outcome = match (self.compared.different, options.dry_run) {
            (0, false) => Outcome::Published,
            (0, true) => Outcome::DryRun,
            _ => Outcome::Mismatch,
        };
        Ok(())
    }

    /// Makes sure that each author and each tag is there.
    async fn names(&mut self, transaction: &Transaction<'_>) -> Result<(), Error> {
        let reading = |e: tokio_postgres::Error| Error::query("reading names", &e);
        for (sql, mut names) in [(AUTHORS, Names::authors()), (TAGS, Names::tags())] {
            let portal = transaction.bind(sql, &[]).await.map_err(reading)?;
            loop {
                let rows = transaction
                    .query_portal(&portal, NAMES)
                    .await
                    .map_err(reading)?;
                if rows.is_empty() {
                    break;
                }
                let given = rows.iter().map(|row| row.get::<_, &str>(0));
                self.written += names.ensure(transaction, given).await?;
            }
        }
        Ok(())
    }

    /// Range by range, each read back at once.
    async fn posts(
        &mut self,
        transaction: &Transaction<'_>,
        progress: OnProgress<'_>,
    ) -> Result<(), Error> {
        let total = self.tables.get(BLOGS).map_or(0, |table| table.imported);
        let mut from = 0;
        while let Some(to) = chunk_end(transaction, from).await? {
            // Planned anew each time: the tables grow from nothing, and a plan for small ones would read all of them.
            for (doing, sql) in POSTS {
                let done = transaction.execute(sql, &[&from, &to]).await;
                self.written += done.map_err(|e| conflict_or(doing, &e))?;
            }
            check_deferred(transaction).await?;
            self.compared
                .add(verify::posts(transaction, from, to).await?);
            from = to;
            progress(Progress::Import {
                phase: Phase::Publishing,
                done: self.compared.equal + self.compared.different,
                total,
            });
        }
        Ok(())
    }
}

async fn chunk_end(transaction: &Transaction<'_>, from: i64) -> Result<Option<i64>, Error> {
    let row = transaction.query_one(CHUNK_END, &[&from, &CHUNK]).await;
    row.map(|row| row.get(0))
        .map_err(|e| Error::query("looking for the next posts", &e))
}

/// What is checked at the end of a transaction is checked now, so that the list of it stays short.
async fn check_deferred(transaction: &Transaction<'_>) -> Result<(), Error> {
    let sql = "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED";
    let checked = transaction.batch_execute(sql).await;
    checked.map_err(|e| Error::query("checking the addresses", &e))
}

/// What violates a unique index was written by somebody else since it was looked for.
fn conflict_or(doing: &'static str, error: &tokio_postgres::Error) -> Error {
    if error.code() == Some(&SqlState::UNIQUE_VIOLATION) {
        return Error::Conflict {
            doing,
            source: said(error).into(),
        };
    }
    Error::query(doing, error)
}
