//! Where the rows wait until all of them are there: unlogged tables in a schema of their own, filled by binary COPY.
//!
//! Each batch is a transaction with a note of how far the file was read. After a crash of the server, and on a replica that was
//! promoted, unlogged tables are empty, the note among them: then it begins again.

use std::pin::pin;

use jiff::Timestamp;
use tokio_postgres::{
    Transaction,
    binary_copy::BinaryCopyInWriter,
    types::{ToSql, Type},
};

use super::read::{Account, Batch, Post, Rows};
use crate::{error::Error, session::Session};

/// In which form the rows are staged. Another one can't be gone on with.
const FORM: &str = "1";

const CREATE: &str = "
    CREATE SCHEMA prepnexus_import;
    CREATE UNLOGGED TABLE prepnexus_import.state (
        source text NOT NULL,
        form text NOT NULL,
        began_at timestamptz NOT NULL,
        blogs_through bigint NOT NULL DEFAULT -9223372036854775808,
        users_through bigint NOT NULL DEFAULT -9223372036854775808,
        is_complete boolean NOT NULL DEFAULT false
    );
    CREATE UNLOGGED TABLE prepnexus_import.posts (
        row_id bigint NOT NULL,
        id bigint NOT NULL,
        slug text NOT NULL,
        adjustments text[] NOT NULL,
        title text NOT NULL,
        excerpt text NOT NULL,
        content text NOT NULL,
        html text NOT NULL,
        status text NOT NULL,
        author text NOT NULL,
        avatar_url text,
        tags text[] NOT NULL,
        image_url text,
        meta_description text,
        reading_time_minutes integer NOT NULL,
        view_count bigint NOT NULL,
        is_undated boolean NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        published_at timestamptz,
        hash bytea NOT NULL
    );
    CREATE UNLOGGED TABLE prepnexus_import.users (
        row_id bigint NOT NULL,
        email text NOT NULL,
        name text NOT NULL,
        created_at timestamptz NOT NULL,
        hash bytea NOT NULL
    )";

const COPY_POSTS: &str = "
    COPY prepnexus_import.posts (row_id, id, slug, adjustments, title, excerpt, content, html, status, author, avatar_url, tags,
        image_url, meta_description, reading_time_minutes, view_count, is_undated, created_at, updated_at, published_at, hash)
    FROM STDIN (FORMAT binary)";
const POST_TYPES: [Type; 21] = [
    Type::INT8,
    Type::INT8,
    Type::TEXT,
    Type::TEXT_ARRAY,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT_ARRAY,
    Type::TEXT,
    Type::TEXT,
    Type::INT4,
    Type::INT8,
    Type::BOOL,
    Type::TIMESTAMPTZ,
    Type::TIMESTAMPTZ,
    Type::TIMESTAMPTZ,
    Type::BYTEA,
];

const COPY_USERS: &str = "
    COPY prepnexus_import.users (row_id, email, name, created_at, hash) FROM STDIN (FORMAT binary)";
const USER_TYPES: [Type; 5] = [
    Type::INT8,
    Type::TEXT,
    Type::TEXT,
    Type::TIMESTAMPTZ,
    Type::BYTEA,
];

/// What publishing looks rows up by, made when they are all there.
const COMPLETE: &str = "
    CREATE INDEX posts_id_idx ON prepnexus_import.posts (id, row_id);
    CREATE INDEX posts_slug_idx ON prepnexus_import.posts (slug);
    ANALYZE prepnexus_import.posts;
    ANALYZE prepnexus_import.users;
    UPDATE prepnexus_import.state SET is_complete = true";

/// How far the file is staged: the number of the last row of each table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Through {
    pub(super) blogs: i64,
    pub(super) users: i64,
}

/// The staged rows of one file.
pub(super) struct Staging<'a> {
    session: &'a mut Session,
    /// The time of what has none: the same however often it is gone on with.
    pub(super) began_at: Timestamp,
    pub(super) through: Through,
    is_complete: bool,
}

impl<'a> Staging<'a> {
    /// Goes on with what is staged of this file, or begins.
    pub(super) async fn begin(
        session: &'a mut Session,
        source: &str,
        now: Timestamp,
    ) -> Result<Self, Error> {
        const LOOK: &str = "
            SELECT began_at, blogs_through, users_through, is_complete FROM prepnexus_import.state
            WHERE source = $1 AND form = $2";
        const IS_THERE: &str = "SELECT to_regclass('prepnexus_import.state') IS NOT NULL";
        const BEGIN: &str =
            "INSERT INTO prepnexus_import.state (source, form, began_at) VALUES ($1, $2, $3)";
        let looking = |e: tokio_postgres::Error| Error::query("looking at what is staged", &e);
        let client = session.client();
        let is_there: bool = client
            .query_one(IS_THERE, &[])
            .await
            .map_err(looking)?
            .get(0);
        let found = if is_there {
            let found = client.query_opt(LOOK, &[&source, &FORM]).await;
            found.map_err(looking)?
        } else {
            None
        };
        let Some(row) = found else {
            let transaction = transaction(session).await?;
            drop_in(&transaction).await?;
            let made = transaction.batch_execute(CREATE).await;
            made.map_err(|e| Error::query("making the staging tables", &e))?;
            let begun = transaction.execute(BEGIN, &[&source, &FORM, &now]).await;
            begun.map_err(|e| Error::query("beginning", &e))?;
            commit(transaction).await?;
            return Ok(Self {
                session,
                began_at: now,
                through: Through {
                    blogs: i64::MIN,
                    users: i64::MIN,
                },
                is_complete: false,
            });
        };
        Ok(Self {
            session,
            began_at: row.get("began_at"),
            through: Through {
                blogs: row.get("blogs_through"),
                users: row.get("users_through"),
            },
            is_complete: row.get("is_complete"),
        })
    }

    /// Stores a batch, and how far the file was read.
    pub(super) async fn store(&mut self, batch: &Batch) -> Result<(), Error> {
        let note = match batch.rows {
            Rows::Posts(_) => "UPDATE prepnexus_import.state SET blogs_through = $1",
            Rows::Users(_) => "UPDATE prepnexus_import.state SET users_through = $1",
        };
        let transaction = transaction(self.session).await?;
        let copied = match &batch.rows {
            Rows::Posts(posts) => copy_posts(&transaction, posts).await,
            Rows::Users(users) => copy_users(&transaction, users).await,
        };
        copied.map_err(|e| Error::query("staging rows", &e))?;
        let noted = transaction.execute(note, &[&batch.through]).await;
        noted.map_err(|e| Error::query("noting how far the file was read", &e))?;
        commit(transaction).await
    }

    /// All rows are there.
    pub(super) async fn complete(self) -> Result<&'a mut Session, Error> {
        if !self.is_complete {
            let transaction = transaction(self.session).await?;
            let done = transaction.batch_execute(COMPLETE).await;
            done.map_err(|e| Error::query("indexing the staged rows", &e))?;
            commit(transaction).await?;
        }
        Ok(self.session)
    }
}

/// Takes the staging tables away.
pub(super) async fn clear(session: &mut Session) -> Result<(), Error> {
    let transaction = transaction(session).await?;
    drop_in(&transaction).await?;
    commit(transaction).await
}

async fn drop_in(transaction: &Transaction<'_>) -> Result<(), Error> {
    let dropped = transaction.batch_execute("DROP SCHEMA IF EXISTS prepnexus_import CASCADE");
    let dropped = dropped.await;
    dropped.map_err(|e| Error::query("dropping the staging tables", &e))
}

pub(super) async fn transaction(session: &mut Session) -> Result<Transaction<'_>, Error> {
    let begun = session.client_mut().transaction().await;
    begun.map_err(|e| Error::query("beginning a transaction", &e))
}

pub(super) async fn commit(transaction: Transaction<'_>) -> Result<(), Error> {
    let committed = transaction.commit().await;
    committed.map_err(|e| Error::query("committing", &e))
}

async fn copy_posts(
    transaction: &Transaction<'_>,
    posts: &[Post],
) -> Result<(), tokio_postgres::Error> {
    let sink = transaction.copy_in(COPY_POSTS).await?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &POST_TYPES));
    for Post {
        row_id,
        blog,
        rendered,
        hash,
    } in posts
    {
        let adjustments: Vec<&str> = blog.adjustments.iter().map(|a| a.as_str()).collect();
        let columns: [&(dyn ToSql + Sync); 21] = [
            row_id,
            &blog.id,
            &blog.slug.as_str(),
            &adjustments,
            &blog.title,
            &rendered.excerpt,
            &blog.content,
            &rendered.html,
            &blog.status.as_str(),
            &blog.author,
            &blog.avatar_url,
            &blog.tags,
            &blog.image_url,
            &blog.meta_description,
            &rendered.reading_time_minutes,
            &blog.view_count,
            &blog.is_undated,
            &blog.created_at,
            &blog.updated_at,
            &blog.published_at,
            &hash.as_slice(),
        ];
        writer.as_mut().write(&columns).await?;
    }
    writer.as_mut().finish().await?;
    Ok(())
}

async fn copy_users(
    transaction: &Transaction<'_>,
    users: &[Account],
) -> Result<(), tokio_postgres::Error> {
    let sink = transaction.copy_in(COPY_USERS).await?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &USER_TYPES));
    for Account { row_id, user, hash } in users {
        let columns: [&(dyn ToSql + Sync); 5] = [
            row_id,
            &user.email,
            &user.name,
            &user.created_at,
            &hash.as_slice(),
        ];
        writer.as_mut().write(&columns).await?;
    }
    writer.as_mut().finish().await?;
    Ok(())
}
