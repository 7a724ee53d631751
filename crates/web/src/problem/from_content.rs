//! The one place where what went wrong inside becomes what a client is told. No wildcard arm:
//! a new kind of error has to be thought about here.

use prepnexus_content::{ContentError, StorageError, UnknownToken};
use prepnexus_domain::Invalid;

use super::{Code, Problem, ShedBy};

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        let detail = match invalid.errors() {
            [error] if error.pointer.is_empty() => format!("The body {}.", error.detail),
            [error] => format!("{} {}.", error.pointer, error.detail),
            errors => format!("{} fields are not valid.", errors.len()),
        };
        Self {
            errors: invalid.into_errors(),
            ..Self::new(Code::InvalidFields, detail)
        }
    }
}

impl From<ContentError> for Problem {
    fn from(error: ContentError) -> Self {
        Self::from_content(&error)
    }
}

impl Problem {
    fn from_content(error: &ContentError) -> Self {
        match error {
            ContentError::Invalid(invalid) => invalid.clone().into(),
            ContentError::NotFound => Self::new(
                Code::NotFound,
                "There is nothing at this address that you may see.",
            ),
            ContentError::UnknownKey => {
                Self::new(Code::Unauthorized, "The key is unknown or was revoked.")
            }
            ContentError::Forbidden => {
                Self::new(Code::Forbidden, "The role of the key does not allow this.")
            }
            ContentError::SlugTaken(slug) => Self::new(
                Code::SlugTaken,
                format!("Another post has, or had, the slug {slug}."),
            ),
            ContentError::RevisionMismatch { current } => Self::new(
                Code::RevisionMismatch,
                format!("The post is at revision {current}. Read it again before you change it."),
            ),
            ContentError::IdempotencyKeyReused => Self::new(
                Code::IdempotencyKeyReused,
                "This Idempotency-Key was sent with another body. Use a new one for a new request.",
            ),
            ContentError::Storage(error) => Self::from_storage(error),
            ContentError::Stored(error) => internal(&error.to_string()),
            ContentError::Abandoned | ContentError::TooLong(_) => internal(&error.to_string()),
            ContentError::Overloaded(why) => Self {
                retry_after: Some(1),
                shed: Some(ShedBy::Gate(*why)),
                ..Self::new(
                    Code::Overloaded,
                    "Too much is asked of the database at the moment. Nothing was changed.",
                )
            },
            ContentError::Shared(error) => Self::from_content(error),
        }
    }

    /// What the storage's error is to a client.
    pub(crate) fn from_storage(error: &StorageError) -> Self {
        let problem = match error {
            StorageError::Unavailable { .. }
            | StorageError::ConnectionLost(_)
            | StorageError::Tls(_) => Problem::new(
                Code::DatabaseUnavailable,
                "The database can't be reached at the moment.",
            ),
            StorageError::Saturated { .. } => Problem {
                shed: Some(ShedBy::Pool),
                ..Problem::new(
                    Code::Overloaded,
                    "The database is busy. Nothing was changed.",
                )
            },
            StorageError::Deadline { .. } => Problem::new(
                Code::DeadlineExceeded,
                "The database did not answer in time.",
            ),
            StorageError::CommitUnknown(_) => Problem::new(
                Code::CommitUnknown,
                "The connection was lost during the commit: the change may have been made. Send the same \
             request again with the Idempotency-Key of this answer: it is done once.",
            ),
            StorageError::UnknownToken(token) => Problem::new(
                Code::TokenUnknown,
                match token {
                    UnknownToken::Malformed => "The Consistency-Token is malformed.",
                    UnknownToken::OtherCluster => {
                        "The Consistency-Token belongs to another database."
                    }
                    UnknownToken::LostTimeline => {
                        "The Consistency-Token belongs to a history that was lost."
                    }
                },
            ),
            StorageError::Sql { sqlstate, .. } if sqlstate == STATEMENT_CANCELLED => Problem::new(
                Code::DeadlineExceeded,
                "The database did not answer in time.",
            ),
            StorageError::Sql { sqlstate, .. } if is_contention(sqlstate) => Problem {
                shed: Some(ShedBy::Contention),
                ..Problem::new(
                    Code::Overloaded,
                    "Others are changing the same. Nothing was changed.",
                )
            },
            StorageError::Sql { .. } if error.is_unavailable() => Problem::new(
                Code::DatabaseUnavailable,
                "The database could not do this at the moment.",
            ),
            StorageError::Sql { .. }
            | StorageError::Row { .. }
            | StorageError::Config(_)
            | StorageError::TransactionFailed
            | StorageError::TransactionEnded => return internal(&error.chain()),
        };
        let retry_after = error
            .is_unavailable()
            .then(|| error.retry_after().as_secs().max(1));
        Problem {
            retry_after,
            ..problem
        }
        .with_internal(error.chain())
    }
}

/// SQLSTATE of a statement that ran into the server's own limit.
const STATEMENT_CANCELLED: &str = "57014";

/// A lock not had in time, contention that outlasted the retries, or a lack of resources: the
/// database is there, and has too much to do.
fn is_contention(sqlstate: &str) -> bool {
    ["55P03", "40001", "40P01"].contains(&sqlstate) || sqlstate.starts_with("53")
}

fn internal(text: &str) -> Problem {
    Problem::new(
        Code::Internal,
        "An error was recorded under the request id.",
    )
    .with_internal(text)
}
