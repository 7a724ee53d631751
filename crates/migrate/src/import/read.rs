//! From the old file to batches of rows that are ready to be stored, on a thread of its own: SQLite is not asynchronous, and
//! rendering takes a core.

use std::ops::ControlFlow;

use jiff::Timestamp;
use prepnexus_domain::{
    ContentFormat,
    render::{Rendered, render},
};
use tokio::sync::mpsc::Sender;

use super::{
    hash::{PostRow, RowHash, UserRow},
    legacy::{Blog, Examined, Handler, Refusal, Source, SourceError, User},
    reject::{RejectFile, Rejected},
    staging::Through,
};
use crate::error::Error;

/// Rows of a batch, at most: its commit is cheap beside them.
const BATCH_ROWS: usize = 5_000;
/// Bytes of text of a batch, about: with what waits to be stored, a few of these are in memory.
const BATCH_BYTES: usize = 8 << 20;

/// Rows in the order of the file, none of which was staged before.
pub(super) struct Batch {
    pub(super) rows: Rows,
    /// The number of the last one.
    pub(super) through: i64,
    /// Rows that were read up to it, of all tables, with those that were not taken.
    pub(super) read: u64,
    /// Rows that will have been read in the end.
    pub(super) total: u64,
}

/// Of one table.
pub(super) enum Rows {
    Posts(Vec<Post>),
    Users(Vec<Account>),
}

/// A post with all its columns.
pub(super) struct Post {
    pub(super) row_id: i64,
    pub(super) blog: Blog,
    pub(super) rendered: Rendered,
    pub(super) hash: RowHash,
}

/// An author with an e-mail address.
pub(super) struct Account {
    pub(super) row_id: i64,
    pub(super) user: User,
    pub(super) hash: RowHash,
}

/// Reads all of the file, and gives what lies behind `through`. What is not taken is written to `rejects`, from the first row on.
pub(super) fn read(
    source: &Source,
    now: Timestamp,
    through: Through,
    batches: Sender<Batch>,
    mut rejects: RejectFile,
) -> Result<(Examined, RejectFile), Error> {
    let mut reader = Reader {
        through,
        batches,
        rejects: &mut rejects,
        failed: Ok(()),
        posts: Vec::new(),
        users: Vec::new(),
        bytes: 0,
        read: 0,
        total: 0,
    };
    let examined = source.examine(now, &mut reader);
    // What the handler failed of comes before the ending that it asked for.
    std::mem::replace(&mut reader.failed, Ok(()))?;
    let examined = examined?;
    if reader.send().is_break() {
        return Err(SourceError::Ended.into());
    }
    drop(reader);
    Ok((examined, rejects))
}

struct Reader<'a> {
    through: Through,
    batches: Sender<Batch>,
    rejects: &'a mut RejectFile,
    failed: Result<(), Error>,
    posts: Vec<Post>,
    users: Vec<Account>,
    bytes: usize,
    read: u64,
    total: u64,
}

impl Reader<'_> {
    /// Sends what there is; breaks where nobody takes it any more.
    fn send(&mut self) -> ControlFlow<()> {
        self.bytes = 0;
        let (posts, users) = (
            std::mem::take(&mut self.posts),
            std::mem::take(&mut self.users),
        );
        let posts = posts
            .last()
            .map(|post| post.row_id)
            .map(|last| (last, Rows::Posts(posts)));
        let users = users
            .last()
            .map(|user| user.row_id)
            .map(|last| (last, Rows::Users(users)));
        for (through, rows) in posts.into_iter().chain(users) {
            let batch = Batch {
                rows,
                through,
                read: self.read,
                total: self.total,
            };
            if self.batches.blocking_send(batch).is_err() {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn added(&mut self, bytes: usize) -> ControlFlow<()> {
        self.bytes += bytes;
        let is_full =
            self.posts.len() + self.users.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES;
        if is_full {
            self.send()
        } else {
            ControlFlow::Continue(())
        }
    }
}

impl Handler for Reader<'_> {
    fn begin(&mut self, rows: u64) {
        self.total = rows;
    }

    fn blog(&mut self, row_id: i64, blog: Blog) -> ControlFlow<()> {
        self.read += 1;
        if row_id <= self.through.blogs {
            return ControlFlow::Continue(());
        }
        let rendered = render(&blog.content, ContentFormat::Html);
        let bytes = blog.content.len() + rendered.html.len() + rendered.excerpt.len();
        let hash = post_hash(&blog);
        self.posts.push(Post {
            row_id,
            blog,
            rendered,
            hash,
        });
        self.added(bytes)
    }

    fn user(&mut self, row_id: i64, user: User) -> ControlFlow<()> {
        self.read += 1;
        if row_id <= self.through.users {
            return ControlFlow::Continue(());
        }
        let hash = UserRow {
            email: &user.email,
            name: &user.name,
        }
        .hash();
        self.users.push(Account { row_id, user, hash });
        self.added(0)
    }

    fn refused(&mut self, table: &'static str, row_id: i64, refusal: Refusal) -> ControlFlow<()> {
        self.read += 1;
        let Refusal {
            column,
            reason,
            value,
        } = &refusal;
        let rejected = Rejected::new(table, row_id, column, reason.as_str(), value);
        self.failed = self.rejects.add(&rejected);
        if self.failed.is_err() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

fn post_hash(blog: &Blog) -> RowHash {
    PostRow {
        id: blog.id,
        slug: blog.slug.as_str(),
        title: &blog.title,
        author: &blog.author,
        content: &blog.content,
        content_format: ContentFormat::Html.as_str(),
        tags: &blog.tags,
        status: blog.status.as_str(),
        view_count: blog.view_count,
        image_url: blog.image_url.as_deref(),
        meta_description: blog.meta_description.as_deref(),
        created_at: blog.created_at,
        updated_at: blog.updated_at,
        published_at: blog.published_at,
    }
    .hash()
}
