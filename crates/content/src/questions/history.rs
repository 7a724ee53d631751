//! What a post was: for who may change it, and for nobody else.

use prepnexus_domain::{Revision, RevisionSummary, Role};
use prepnexus_storage::{ReadConn, keys::ApiKey, posts};

use crate::{
    access::{check_may_change, check_role},
    change_tags::Dependencies,
    error::ContentError,
    ladder::{Asking, Draft, Outcome, Question},
};

/// Asks what a post was before each edit, the last first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuestion {
    /// The post's number.
    pub post_id: i64,
    /// Only what was before this revision; `None`: all.
    pub before: Option<i32>,
    /// The most that is wanted.
    pub limit: u16,
    /// Who asks.
    pub key: ApiKey,
}

/// Some of what a post was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The revisions, the last first.
    pub items: Vec<RevisionSummary>,
    /// Ask for what was before this one for more; `None`: there is no more.
    pub next_before: Option<i32>,
}

/// Asks what a post was at one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevisionQuestion {
    /// The post's number.
    pub post_id: i64,
    /// The revision.
    pub revision: i32,
    /// Who asks.
    pub key: ApiKey,
}

impl Question for HistoryQuestion {
    type Found = History;

    fn key(&self) -> String {
        let (post, key, limit) = (self.post_id, self.key.id, self.limit);
        let before = self.before.unwrap_or(i32::MAX);
        format!("history:{post}?before={before}&limit={limit}&key={key}")
    }

    fn kind(&self) -> &'static str {
        "posts.history"
    }

    /// # Errors
    /// [`ContentError::Forbidden`] where the key may not change the post.
    async fn find(
        &self,
        conn: &ReadConn,
        _asking: Asking<'_>,
    ) -> Result<Draft<History>, ContentError> {
        let exists = check_may_see(conn, &self.key, self.post_id).await?;
        let before = self.before.unwrap_or(i32::MAX);
        let mut items = posts::list_revisions(conn, self.post_id, before, self.limit + 1).await?;
        let has_more = items.len() > usize::from(self.limit);
        items.truncate(self.limit.into());
        let last = items.last().map(|last| last.revision);
        let outcome = if exists || !items.is_empty() {
            Outcome::Found(History {
                next_before: last.filter(|_| has_more),
                items,
            })
        } else {
            Outcome::Missing
        };
        Ok(Draft::new(outcome, Dependencies::post(self.post_id)))
    }
}

impl Question for RevisionQuestion {
    type Found = Revision;

    fn key(&self) -> String {
        let (post, revision, key) = (self.post_id, self.revision, self.key.id);
        format!("revision:{post}/{revision}?key={key}")
    }

    fn kind(&self) -> &'static str {
        "posts.history"
    }

    /// # Errors
    /// As [`HistoryQuestion`].
    async fn find(
        &self,
        conn: &ReadConn,
        _asking: Asking<'_>,
    ) -> Result<Draft<Revision>, ContentError> {
        check_may_see(conn, &self.key, self.post_id).await?;
        let revision = posts::find_revision(conn, self.post_id, self.revision).await?;
        let outcome = revision.map_or(Outcome::Missing, Outcome::Found);
        Ok(Draft::new(outcome, Dependencies::post(self.post_id)))
    }
}

/// Who may change a post may see what it was; of one that is gone nobody knows whose it was, and editors may. Whether there is one.
async fn check_may_see(conn: &ReadConn, key: &ApiKey, post_id: i64) -> Result<bool, ContentError> {
    let owner = posts::find_owner(conn, post_id).await?;
    match owner {
        Some(owner) => check_may_change(key, owner.created_by)?,
        None => check_role(key, Role::Editor).map_err(|_| ContentError::NotFound)?,
    }
    Ok(owner.is_some())
}
