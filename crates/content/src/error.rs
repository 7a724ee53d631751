//! What a use case can answer other than success.

use std::sync::Arc;

use prepnexus_cache::{Failure, LoadError, TooLong};
use prepnexus_domain::Invalid;
use prepnexus_storage::{AsStorageError, Error as StorageError};

use crate::gate::Shed;

/// Why a use case did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The input breaks the rules.
    #[error("the input is invalid: {0}")]
    Invalid(#[from] Invalid),
    /// There is nothing there that the viewer may see.
    #[error("there is no such thing")]
    NotFound,
    /// The key is unknown, revoked or malformed.
    #[error("the key is not valid")]
    UnknownKey,
    /// The key's role does not allow it.
    #[error("the key's role does not allow this")]
    Forbidden,
    /// Another post has the address that was asked for.
    #[error("another post has, or had, the slug {0}")]
    SlugTaken(String),
    /// The post is not at the revision the writer knows.
    #[error("the post is at revision {current}")]
    RevisionMismatch {
        /// The revision it is at.
        current: i32,
    },
    /// The idempotency key was used with another request.
    #[error("the idempotency key was used with another request")]
    IdempotencyKeyReused,
    /// The database could not do it.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A stored value can't be read by this version.
    #[error("a stored value can't be read")]
    Stored(#[from] serde_json::Error),
    /// The process is stopping, or a computation panicked.
    #[error("the work was given up")]
    Abandoned,
    /// Too much is asked of the database at once.
    #[error(transparent)]
    Overloaded(#[from] Shed),
    /// The answer is larger than any the service can give.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// What several readers waited for failed: each of them is told.
    #[error(transparent)]
    Shared(Arc<Self>),
}

impl ContentError {
    /// Whether the database is away or overloaded: a copy is better than this.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        let is_away = |error: &StorageError| error.is_unavailable();
        self.shed().is_some() || self.as_storage_error().is_some_and(is_away)
    }

    /// Whether the database did not answer in time.
    pub(crate) fn is_deadline(&self) -> bool {
        matches!(self.as_storage_error(), Some(StorageError::Deadline { .. }))
    }

    /// Why it was not let in to the database, if it was not.
    fn shed(&self) -> Option<Shed> {
        match self {
            Self::Overloaded(why) => Some(*why),
            Self::Shared(error) => error.shed(),
            _ => None,
        }
    }
}

impl LoadError for ContentError {
    fn is_unavailable(&self) -> bool {
        Self::is_unavailable(self)
    }
}

impl From<Failure<Self>> for ContentError {
    fn from(failure: Failure<Self>) -> Self {
        match failure {
            Failure::Load(error) => Arc::try_unwrap(error).unwrap_or_else(Self::Shared),
            Failure::Abandoned => Self::Abandoned,
            Failure::TooLong(why) => why.into(),
        }
    }
}

impl AsStorageError for ContentError {
    fn as_storage_error(&self) -> Option<&StorageError> {
        match self {
            Self::Storage(error) => Some(error),
            Self::Shared(error) => error.as_storage_error(),
            _ => None,
        }
    }
}
