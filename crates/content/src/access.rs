//! Who may do what to which post, and on what condition.

use prepnexus_domain::Role;
use prepnexus_storage::{keys::ApiKey, posts::StoredPost};

use crate::error::ContentError;

/// What a writer says about the state of the post it means to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// Any state will do.
    Any,
    /// The post must be at one of these revisions.
    Revisions(Vec<i32>),
}

/// Whether `key` may change a post that was made with the key `created_by`: its own with the role author, anybody's from editor on.
pub(crate) fn check_may_change(key: &ApiKey, created_by: Option<i64>) -> Result<(), ContentError> {
    let own = created_by == Some(key.id);
    if key.role >= Role::Editor || (key.role >= Role::Author && own) {
        Ok(())
    } else {
        Err(ContentError::Forbidden)
    }
}

/// Whether a picture that comes with a post takes the place of its author's: it changes all of the
/// author's posts.
pub(crate) fn may_replace_picture(key: &ApiKey) -> bool {
    key.role >= Role::Editor
}

/// Whether `key` has at least `role`.
pub(crate) fn check_role(key: &ApiKey, role: Role) -> Result<(), ContentError> {
    if key.role >= role {
        Ok(())
    } else {
        Err(ContentError::Forbidden)
    }
}

/// Whether the post is at a revision the writer knows.
pub(crate) fn check_revision(wanted: &Precondition, post: &StoredPost) -> Result<(), ContentError> {
    let current = post.post.revision;
    match wanted {
        Precondition::Any => Ok(()),
        Precondition::Revisions(revisions) if revisions.contains(&current) => Ok(()),
        Precondition::Revisions(_) => Err(ContentError::RevisionMismatch { current }),
    }
}
