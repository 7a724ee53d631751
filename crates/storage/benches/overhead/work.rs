//! The operations, each twice: through the crate, and on the driver's own pool with nothing in between.

use std::hint::black_box;

use anyhow::{Context as _, Result};
use deadpool_postgres::Pool;
use jiff::Timestamp;
use prepnexus_storage::{Cluster, Error, Freshness, Token, seen};
use tokio_postgres::types::PgLsn;

/// How many articles there are.
pub(crate) const ARTICLES: i64 = 1_000;

const FIND: &str = concat!(
    "-- articles.find\nSELECT id, slug, title, excerpt, body, views, tags, created_at, updated_at, ",
    seen!(),
    " FROM articles WHERE id = $1"
);
const VISIT: &str = "-- articles.visit\nUPDATE articles SET views = views + 1 WHERE id = $1";

/// What is done to one article.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Read it by its key, and the token of what was seen.
    Read,
    /// Count a visit, in a transaction.
    Write,
}

/// How it is done.
#[derive(Clone)]
pub(crate) enum Target {
    Storage(Cluster, Operation),
    Bare(Pool, Operation),
}

impl Target {
    pub(crate) async fn run(&self, id: i64) -> Result<()> {
        match self {
            Self::Storage(cluster, Operation::Read) => read(cluster, id).await,
            Self::Storage(cluster, Operation::Write) => write(cluster, id).await,
            Self::Bare(pool, Operation::Read) => bare_read(pool, id).await,
            Self::Bare(pool, Operation::Write) => bare_write(pool, id).await,
        }
    }
}

#[expect(dead_code, reason = "what a service would make of the row")]
struct Article {
    id: i64,
    slug: String,
    title: String,
    excerpt: String,
    body: String,
    views: i64,
    tags: Vec<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

async fn read(cluster: &Cluster, id: i64) -> Result<()> {
    let deadline = cluster.deadline();
    let reading = cluster.read_with(Freshness::Any, deadline, |conn| async move {
        let row = conn.query_one(FIND, &[&id]).await?;
        let article = Article {
            id: row.get("id")?,
            slug: row.get("slug")?,
            title: row.get("title")?,
            excerpt: row.get("excerpt")?,
            body: row.get("body")?,
            views: row.get("views")?,
            tags: row.get("tags")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        };
        Ok::<(Article, Token), Error>((article, conn.token().await?))
    });
    black_box(reading.await?);
    Ok(())
}

async fn bare_read(pool: &Pool, id: i64) -> Result<()> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(FIND).await?;
    let row = client.query_one(&statement, &[&id]).await?;
    let article = Article {
        id: row.try_get("id")?,
        slug: row.try_get("slug")?,
        title: row.try_get("title")?,
        excerpt: row.try_get("excerpt")?,
        body: row.try_get("body")?,
        views: row.try_get("views")?,
        tags: row.try_get("tags")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    };
    let seen: PgLsn = row.try_get("seen")?;
    black_box((article, seen));
    Ok(())
}

async fn write(cluster: &Cluster, id: i64) -> Result<()> {
    let deadline = cluster.deadline();
    let writing = cluster.write("articles.visit", deadline, |tx| async move {
        tx.execute(VISIT, &[&id]).await
    });
    let committed = writing.await?;
    black_box(committed.token.context("a write has a token")?);
    Ok(())
}

async fn bare_write(pool: &Pool, id: i64) -> Result<()> {
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    let statement = transaction.prepare_cached(VISIT).await?;
    black_box(transaction.execute(&statement, &[&id]).await?);
    transaction.commit().await?;
    Ok(())
}
