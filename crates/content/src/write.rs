//! Writing posts: each use case is one transaction that checks, changes, and records the change.

mod create;
mod update;

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use prepnexus_domain::{
    ContentFormat, Post,
    render::{Rendered, render},
};
use prepnexus_storage::{
    Tx,
    feed::Change,
    idempotency::{self, Claim},
    keys::ApiKey,
    posts, record_change,
};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::{
    access::{Precondition, check_may_change, check_revision},
    change_tags,
    error::ContentError,
    gate::Class,
    service::Content,
    session::Session,
};

/// The longest that the answer to a repeated request is held back until what it did is known here.
const REPLAY_WAIT: Duration = Duration::from_secs(1);

/// A committed write.
#[derive(Debug, Clone, PartialEq)]
pub struct Written<T> {
    /// What there is now.
    pub value: T,
    /// Whether this is the answer to an earlier request with the same idempotency key.
    pub replayed: bool,
}

/// The name of one request, with a digest of what it asks: the same again is the same request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    key: String,
    request_hash: [u8; 32],
}

impl IdempotencyKey {
    /// The longest key, in bytes.
    pub const MAX_LEN: usize = 255;

    /// The key `key` of a request that is made of these bytes.
    #[must_use]
    pub fn new(key: impl Into<String>, request: &[u8]) -> Self {
        Self {
            key: key.into(),
            request_hash: Sha256::digest(request).into(),
        }
    }

    /// A key of our own, for a client that sent none: 128 random bits.
    ///
    /// # Errors
    /// [`ContentError::Abandoned`] when the system has no random bits.
    pub fn random(request: &[u8]) -> Result<Self, ContentError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| ContentError::Abandoned)?;
        Ok(Self::new(URL_SAFE_NO_PAD.encode(bytes), request))
    }

    /// The key's text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.key
    }
}

/// Whose request it is, and which.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    /// The key it came with.
    pub key: &'a ApiKey,
    /// Its name.
    pub idempotency: &'a IdempotencyKey,
    /// Its deadline, and what its client has seen.
    pub session: &'a Session,
}

impl Content {
    /// Deletes a post; its last revision is kept.
    ///
    /// # Errors
    /// [`ContentError::NotFound`], [`ContentError::Forbidden`], [`ContentError::RevisionMismatch`],
    /// [`ContentError::IdempotencyKeyReused`], [`ContentError::Storage`].
    pub async fn delete_post(
        &self,
        writer: Writer<'_>,
        id: i64,
        condition: Precondition,
    ) -> Result<Written<()>, ContentError> {
        let (key, condition) = (writer.key, &condition);
        let delete = async |tx: &Tx| {
            let stored = posts::find_for_update(tx, id)
                .await?
                .ok_or(ContentError::NotFound)?;
            check_may_change(key, stored.created_by)?;
            check_revision(condition, &stored)?;
            let change =
                record_change(tx, &change_tags::of_change(Some(&stored.post), None)).await?;
            posts::delete(tx, id).await?;
            Ok(((), change))
        };
        self.write_once("posts.delete", writer, delete).await
    }

    /// Runs `work` in a transaction, at most once for the request's name: a repeat changes nothing and
    /// gives the first answer. So a commit of unknown outcome can be resolved by running it again.
    ///
    /// From when this has returned, no reader here is shown what was changed as it was before.
    async fn write_once<T: Serialize + DeserializeOwned>(
        &self,
        name: &'static str,
        writer: Writer<'_>,
        work: impl AsyncFn(&Tx) -> Result<(T, Option<Change>), ContentError>,
    ) -> Result<Written<T>, ContentError> {
        let Writer {
            key,
            idempotency,
            session,
        } = writer;
        session.check_token(self.cluster()).await?;
        let (work, now) = (&work, self.clock().now());
        let once = |tx: Tx| async move {
            let IdempotencyKey {
                key: name,
                request_hash,
            } = idempotency;
            match idempotency::claim(&tx, key.id, name, request_hash, now).await? {
                Claim::First => {}
                Claim::Repeat(answer) => return Ok((serde_json::from_value(answer)?, None, true)),
                Claim::Reused => return Err(ContentError::IdempotencyKeyReused),
            }
            let (value, change) = work(&tx).await?;
            let answer = serde_json::to_value(&value)?;
            idempotency::store(&tx, key.id, name, answer).await?;
            Ok((value, change, false))
        };
        let permit = self
            .gate()
            .enter(Class::Write, session.client(), name)
            .await?;
        let writing = self.cluster().write_once(name, session.deadline(), once);
        let committed = writing.await;
        permit.ended(&committed);
        let committed = committed?;
        let (value, change, replayed) = committed.value;
        if let Some(token) = committed.token {
            session.note(token);
            self.own_writes().note(token, Instant::now());
            if let Some(change) = change {
                self.apply(&change, token);
            }
        }
        if replayed {
            // It was committed a moment ago, perhaps, and is not known here. Without a feed nothing is called fresh.
            let _known = timeout(REPLAY_WAIT, self.feed().next_poll()).await;
        }
        Ok(Written { value, replayed })
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
