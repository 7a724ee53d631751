//! One load: the question put to a replica, and to the primary where a replica's answer can't be shown to be right.

use jiff::Timestamp;
use prepnexus_cache::Fill;
use prepnexus_storage::{
    Error as StorageError, Freshness, Role, Token,
    feed::{Proof, Tag, Verdict},
};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    answer::Kind,
    note::Note,
    question::{Asking, Draft, Outcome, Question, Representation},
};
use crate::{error::ContentError, gate::Client, service::Content};

/// A load that may be begun. It runs apart from who asks, under a deadline of its own.
pub(super) struct Loading<Q, R> {
    pub(super) content: Content,
    pub(super) question: Q,
    pub(super) render: R,
    /// How fresh it is to be.
    pub(super) freshness: Freshness,
    /// Whether the reader named what it has seen: then nothing older does instead.
    pub(super) has_token: bool,
    pub(super) sees_drafts: bool,
    /// Whose turn it takes.
    pub(super) client: Client,
}

/// What one node said.
struct Look<F> {
    draft: Draft<F>,
    proof: Proof,
    role: Role,
    seen: Token,
}

impl<Q, R> Loading<Q, R>
where
    Q: Question,
    R: Fn(&Q::Found) -> Result<Representation, ContentError> + Send + Sync,
{
    pub(super) async fn run(self) -> Result<Fill, ContentError> {
        let (class, kind) = (self.question.class(), self.question.kind());
        let permit = self.content.gate().enter(class, self.client, kind).await?;
        let look = self.right_look().await;
        permit.ended(&look);
        let (look, is_doubtful) = look?;
        self.fill(&look, is_doubtful)
    }

    /// What a node says that can be shown to be right, or the best that is to be had; and whether that is doubtful.
    async fn right_look(&self) -> Result<(Look<Q::Found>, bool), ContentError> {
        let now = self.content.clock().now();
        let mut look = self.first_look(now).await?;
        let mut is_doubtful = look.role != Role::Primary && !self.is_right(&look);
        if is_doubtful {
            match self.look(Freshness::Primary, now).await {
                Ok(newer) => (look, is_doubtful) = (newer, false),
                // A replica's word is better than none, and is marked.
                Err(error) if error.is_unavailable() => {}
                Err(error) => return Err(error),
            }
        }
        Ok((look, is_doubtful))
    }

    /// As fresh as was asked for; where that is not to be had, and the reader named nothing it has seen, whatever there is.
    async fn first_look(&self, now: Timestamp) -> Result<Look<Q::Found>, ContentError> {
        match self.look(self.freshness, now).await {
            Err(ContentError::Storage(
                StorageError::Unavailable { .. } | StorageError::UnknownToken(_),
            )) if !self.has_token && self.freshness != Freshness::Any => {
                self.look(Freshness::Any, now).await
            }
            outcome => outcome,
        }
    }

    async fn look(
        &self,
        freshness: Freshness,
        now: Timestamp,
    ) -> Result<Look<Q::Found>, ContentError> {
        let content = &self.content;
        let asking = Asking {
            content,
            sees_drafts: self.sees_drafts,
            now,
        };
        let question = &self.question;
        let reading = |conn: std::sync::Arc<prepnexus_storage::ReadConn>| async move {
            let draft = question.find(&conn, asking).await?;
            let (draft, proof) = match conn.first_proof()? {
                Some(proof) => (draft, proof),
                // What was read first told nothing of what it was read in.
                None => {
                    let proof = conn.prove().await?;
                    (question.find(&conn, asking).await?, proof)
                }
            };
            Ok::<_, ContentError>(Look {
                draft,
                proof,
                role: conn.role(),
                seen: conn.token().await?,
            })
        };
        let cluster = content.cluster();
        cluster
            .read_with(freshness, cluster.deadline(), reading)
            .await
    }

    /// Whether nothing that is known to have changed is missing in it.
    fn is_right(&self, look: &Look<Q::Found>) -> bool {
        let tags: Vec<Tag> = look.draft.dependencies.iter().collect();
        self.content.feed().judge(&look.proof, &tags, None) == Verdict::Fresh
    }

    fn fill(&self, look: &Look<Q::Found>, is_doubtful: bool) -> Result<Fill, ContentError> {
        let draft = &look.draft;
        let (kind, shown) = match &draft.outcome {
            Outcome::Found(found) => (Kind::Found, (self.render)(found)?),
            Outcome::MovedTo(slug) => {
                let moved = Representation {
                    link: slug.clone(),
                    ..Representation::default()
                };
                (Kind::Moved, moved)
            }
            Outcome::Missing => (Kind::Missing, Representation::default()),
        };
        let note = Note {
            kind,
            on_primary: look.role == Role::Primary,
            is_doubtful,
            version: draft.version,
            valid_until: draft.valid_until,
            digest: xxh3_64(&shown.body),
            seen: look.seen,
            text: &shown.link,
        };
        let (fresh_for, keep_for) = draft.lifetimes();
        Ok(Fill {
            note: note.to_bytes(),
            proof: look.proof.to_bytes(),
            tags: draft.dependencies.iter().map(|tag| tag.0).collect(),
            fresh_for,
            keep_for,
            is_negative: draft.is_missing(),
            body: shown.body,
        })
    }
}
