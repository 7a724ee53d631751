//! Writing posts: each use case is one transaction that checks, changes, and records the change.

mod create;
mod update;

use prepnexus_domain::{
    ContentFormat, Post,
    render::{Rendered, render},
};
use prepnexus_storage::{Deadline, Token, Tx, keys::ApiKey, posts, record_change};
use sha2::{Digest, Sha256};

use crate::{
    access::{Precondition, check_may_change, check_revision},
    change_tags,
    error::ContentError,
    service::Content,
};

/// A committed write.
#[derive(Debug, Clone, PartialEq)]
pub struct Written<T> {
    /// What there is now.
    pub value: T,
    /// Names the write to later reads.
    pub token: Option<Token>,
    /// Whether this is the answer to an earlier request with the same idempotency key.
    pub replayed: bool,
}

/// The client's name for one request, with a digest of what it asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    key: String,
    request_hash: [u8; 32],
}

impl IdempotencyKey {
    /// The longest key, in bytes.
    pub const MAX_LEN: usize = 255;

    /// The key `key` of a request with this body.
    #[must_use]
    pub fn new(key: impl Into<String>, body: &[u8]) -> Self {
        Self {
            key: key.into(),
            request_hash: Sha256::digest(body).into(),
        }
    }
}

impl Content {
    /// Deletes a post; its last revision is kept.
    ///
    /// # Errors
    /// [`ContentError::NotFound`], [`ContentError::Forbidden`], [`ContentError::RevisionMismatch`],
    /// [`ContentError::Storage`].
    pub async fn delete_post(
        &self,
        key: &ApiKey,
        id: i64,
        condition: Precondition,
        deadline: Deadline,
    ) -> Result<Written<()>, ContentError> {
        let (key, condition) = (key, &condition);
        let delete = |tx: Tx| async move {
            let stored = posts::find_for_update(&tx, id)
                .await?
                .ok_or(ContentError::NotFound)?;
            check_may_change(key, &stored)?;
            check_revision(condition, &stored)?;
            record_change(&tx, &change_tags::of_change(Some(&stored.post), None)).await?;
            Ok::<_, ContentError>(posts::delete(&tx, id).await?)
        };
        let committed = self
            .cluster()
            .write("posts.delete", deadline, delete)
            .await?;
        Ok(Written {
            value: committed.value,
            token: committed.token,
            replayed: false,
        })
    }
}

/// Renders away from the threads that serve requests: a long text takes milliseconds.
async fn render_apart(
    content: String,
    format: ContentFormat,
) -> Result<(String, Rendered), ContentError> {
    let rendering = tokio::task::spawn_blocking(move || {
        let rendered = render(&content, format);
        (content, rendered)
    });
    rendering.await.map_err(|_| ContentError::Abandoned)
}

/// Whether a made address was taken between being chosen and being stored.
fn lost_slug_race(error: &ContentError) -> bool {
    matches!(error, ContentError::Storage(error) if error.violated_unique() == Some(posts::SLUG_CONSTRAINT))
}

/// The post as it is in the transaction.
async fn read_back(tx: &Tx, id: i64, now: jiff::Timestamp) -> Result<Post, ContentError> {
    let stored = posts::find_by_id(tx, id)
        .await?
        .ok_or(ContentError::NotFound)?;
    Ok(stored.seen_at(now))
}
