//! The read ladder: an answer from memory, from Redis, from a replica, from the primary; a copy that is marked, when the
//! database is away; an error, when there is no copy either.
//!
//! What is kept is the answer as it is sent, with the proof of what it was read under. What is said of it, each time
//! before it is served, is the change feed's word, and the clock's where a scheduled post is about to appear.

mod answer;
mod load;
mod note;
mod question;

use std::sync::Arc;

use prepnexus_cache::{Entry, Failure, Look, Open, Served, Source, Verdict};
use prepnexus_domain::Clock;
use prepnexus_storage::{
    ChangeFeed, Error as StorageError, Token,
    feed::{Proof, Tag, Verdict as Known},
    keys::ApiKey,
};

pub use self::{
    answer::{Answer, Kind, Origin},
    question::{Asking, Draft, Outcome, Question, Representation, Version},
};
use self::{load::Loading, note::Note};
use crate::{error::ContentError, service::Content, session::Session};

/// Who reads.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    /// The holder of a key: is shown what is not published, and never an old copy.
    pub viewer: Option<&'a ApiKey>,
    /// Its deadline, and what its client has seen.
    pub session: &'a Session,
}

impl Content {
    /// The answer to `question`, shown by `render` under the name `view`: two that show the same differently have
    /// different names.
    ///
    /// Asks no database where a kept answer can be shown to be right. The holder of a key is always answered from the
    /// database, and nothing of that is kept.
    ///
    /// # Errors
    /// [`ContentError::Storage`] and [`ContentError::Overloaded`] where the database can't answer and there is no copy;
    /// what the question refuses.
    pub async fn answer<Q, R>(
        &self,
        question: Q,
        view: &str,
        reader: Reader<'_>,
        render: R,
    ) -> Result<Answer, ContentError>
    where
        Q: Question,
        R: Fn(&Q::Found) -> Result<Representation, ContentError> + Send + Sync + 'static,
    {
        let Reader { viewer, session } = reader;
        let (key, token) = (format!("{view}/{}", question.key()), session.token());
        let open = if viewer.is_some() {
            None
        } else {
            let judge = |entry: &Entry| judge(entry, self.feed(), &**self.clock(), token);
            match self.cache().look(&key, judge) {
                Look::Right(served) => return answered(&served, reader),
                Look::Open(open) => Some(open),
            }
        };
        let loading = Loading {
            content: self.clone(),
            question,
            render,
            freshness: self.freshness(session),
            has_token: session.has_sent_token(),
            client: session.client(),
            sees_drafts: viewer.is_some(),
        };
        let finding = self.find(&key, open, token, loading);
        let found = tokio::time::timeout(session.deadline().left(), finding).await;
        let waiting_for = "an answer";
        let late = |_| ContentError::Storage(StorageError::Deadline { waiting_for });
        answered(&found.map_err(late)??, reader)
    }

    /// What a look in memory left open, or, without one, what is loaded for this reader alone.
    async fn find<Q, R>(
        &self,
        key: &str,
        open: Option<Open>,
        token: Option<Token>,
        loading: Loading<Q, R>,
    ) -> Result<Served, Failure<ContentError>>
    where
        Q: Question,
        R: Fn(&Q::Found) -> Result<Representation, ContentError> + Send + Sync + 'static,
    {
        let cache = self.cache();
        let (class, client) = (loading.question.class(), loading.client);
        let load = move || loading.run();
        let Some(open) = open else {
            return cache.pass(load).await;
        };
        if !self.serves_reads()
            && let Some(served) = open.as_it_is()
        {
            return Ok(served);
        }
        // What others have kept is in Redis; without one, what is not here is the database's.
        if !self.has_redis()
            && let Some(why) = self.gate().refuses(class, client)
        {
            return match open.as_it_is() {
                Some(served) => Ok(served),
                None => Err(Failure::Load(Arc::new(why.into()))),
            };
        }
        let (feed, clock) = (self.feed().clone(), Arc::clone(self.clock()));
        let judge = move |entry: &Entry| judge(entry, &feed, &*clock, token);
        cache.resolve(key, open, judge, load).await
    }
}

fn answered(served: &Served, reader: Reader<'_>) -> Result<Answer, ContentError> {
    let answer = Answer::of(served, reader.viewer.is_some()).ok_or(ContentError::Abandoned)?;
    reader.session.note(answer.seen());
    Ok(answer)
}

/// What can be said of a kept answer, for a reader who has seen `token`.
fn judge(entry: &Entry, feed: &ChangeFeed, clock: &dyn Clock, token: Option<Token>) -> Verdict {
    let Some(note) = Note::parse(entry.note()) else {
        return Verdict::Outdated;
    };
    if note.valid_until.is_some_and(|until| until <= clock.now()) {
        return Verdict::Outdated;
    }
    let evidence = || Some((Proof::from_bytes(entry.proof())?, entry.tags().map(Tag)));
    match feed.judge_again(entry.memo(), evidence, token) {
        Known::Fresh => Verdict::Fresh,
        Known::Outdated => Verdict::Outdated,
        Known::Behind => Verdict::Behind,
        Known::Unproven => Verdict::Unproven,
    }
}

/// Whether what a load gave is to be marked: nobody could show that it was right.
fn is_doubtful(served: &Served, note: &Note<'_>) -> bool {
    served.source == Source::Stale || (served.source == Source::Load && note.is_doubtful)
}
