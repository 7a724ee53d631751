//! What can go wrong, by what the caller can do about it.

mod verdict;

use std::{error::Error as StdError, time::Duration};

use tokio_postgres::error::SqlState;

pub(crate) use self::verdict::Verdict;
use self::verdict::is_io;
use crate::token::UnknownToken;

type Source = Box<dyn StdError + Send + Sync>;

/// Why a statement, a transaction or a connection failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration can't be used.
    #[error("configuration: {0}")]
    Config(String),
    /// No node that may serve this is reachable.
    #[error("no {wanted} is available: {reason}")]
    Unavailable {
        /// What was looked for: `primary`, or `node`.
        wanted: &'static str,
        /// Why there is none.
        reason: String,
    },
    /// The pool's queue is full: more is asked of the node than it can do.
    #[error("the pool of {node} is saturated")]
    Saturated {
        /// The node.
        node: String,
    },
    /// The deadline passed.
    #[error("deadline passed while waiting for {waiting_for}")]
    Deadline {
        /// `a connection`, `a statement` or `a commit`.
        waiting_for: &'static str,
    },
    /// The connection broke. Outside a COMMIT, nothing of the transaction remains.
    #[error("the connection was lost")]
    ConnectionLost(#[source] Source),
    /// The connection was lost during COMMIT: the transaction may have been committed or not.
    #[error("the connection was lost during COMMIT")]
    CommitUnknown(#[source] Source),
    /// The server refused a statement.
    #[error("{query}: SQLSTATE {sqlstate}")]
    Sql {
        /// The name of the query.
        query: String,
        /// The five characters of the SQL standard.
        sqlstate: String,
        /// The constraint that was violated, if it was that.
        constraint: Option<String>,
        /// What the server said.
        #[source]
        source: Source,
    },
    /// A row does not have the shape the code expects.
    #[error("{query}: a column could not be read")]
    Row {
        /// The name of the query.
        query: String,
        /// What the driver said.
        #[source]
        source: Source,
    },
    /// A consistency token that can't be honoured.
    #[error(transparent)]
    UnknownToken(#[from] UnknownToken),
    /// A statement of the transaction had failed, so that it could only be rolled back.
    #[error("a statement failed, the transaction was rolled back")]
    TransactionFailed,
    /// A transaction was used after it had ended.
    #[error("the transaction has ended")]
    TransactionEnded,
    /// TLS could not be set up.
    #[error("TLS")]
    Tls(#[source] Source),
}

impl Error {
    pub(crate) fn tls(source: impl Into<Source>) -> Self {
        Self::Tls(source.into())
    }

    /// A statement that was to give one row gave another number of them.
    pub(crate) fn count(query: &str, rows: usize) -> Self {
        Self::Row {
            query: query.to_owned(),
            source: format!("expected one row, got {rows}").into(),
        }
    }

    /// What the driver's `error` means for the query of that name.
    pub(crate) fn from_driver(query: &str, error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(db) if is_connection_end(db.code()) => Self::ConnectionLost(error.into()),
            Some(db) => Self::Sql {
                query: query.to_owned(),
                sqlstate: db.code().code().to_owned(),
                constraint: db.constraint().map(str::to_owned),
                source: error.into(),
            },
            None if error.is_closed() || is_io(&error) => Self::ConnectionLost(error.into()),
            None => Self::Row {
                query: query.to_owned(),
                source: error.into(),
            },
        }
    }

    /// What the driver's `error` means when a connection was being made.
    pub(crate) fn from_connecting(error: tokio_postgres::Error) -> Self {
        match Self::from_driver("connect", error) {
            // The driver's word for a handshake that came to nothing.
            Self::Row { source, .. } => Self::ConnectionLost(source),
            other => other,
        }
    }

    /// This error and its sources on one line. For logs: it holds what the server said.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }

    /// The SQLSTATE, where the server gave one.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Sql { sqlstate, .. } => Some(sqlstate),
            _ => None,
        }
    }

    /// The name of the unique constraint that was violated.
    #[must_use]
    pub fn violated_unique(&self) -> Option<&str> {
        match self {
            Self::Sql {
                sqlstate,
                constraint,
                ..
            } if sqlstate == SqlState::UNIQUE_VIOLATION.code() => constraint.as_deref(),
            _ => None,
        }
    }

    /// Whether the server ended the statement, on request or after its timeout.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.sqlstate() == Some(SqlState::QUERY_CANCELED.code())
    }

    /// Whether the server refused the login.
    pub(crate) fn is_refused_login(&self) -> bool {
        self.sqlstate().is_some_and(|state| state.starts_with("28"))
    }

    /// Whether the same read may succeed on another node: the connection was lost, or replay got in
    /// the way of a standby's query.
    pub(crate) fn is_worth_another_node(&self) -> bool {
        let conflict = SqlState::T_R_SERIALIZATION_FAILURE.code();
        matches!(self, Self::ConnectionLost(_)) || self.sqlstate() == Some(conflict)
    }

    /// Whether a node refused a write because it is no primary any more.
    pub(crate) fn is_stale_role(&self) -> bool {
        self.sqlstate() == Some(SqlState::READ_ONLY_SQL_TRANSACTION.code())
    }

    /// Whether the same transaction may succeed if it is begun again at once: a serialization
    /// failure, a deadlock, a node that is no primary any more, or a connection lost before COMMIT.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::ConnectionLost(_) => true,
            Self::Sql { sqlstate, .. } => [
                SqlState::T_R_SERIALIZATION_FAILURE,
                SqlState::T_R_DEADLOCK_DETECTED,
                SqlState::READ_ONLY_SQL_TRANSACTION,
            ]
            .iter()
            .any(|state| state.code() == sqlstate),
            _ => false,
        }
    }

    /// Whether the fault is the database's being away or overloaded: the caller did nothing wrong,
    /// and may try again after [`Error::retry_after`].
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unavailable { .. }
            | Self::Saturated { .. }
            | Self::Deadline { .. }
            | Self::ConnectionLost(_)
            | Self::CommitUnknown(_)
            | Self::Tls(_) => true,
            Self::Sql { sqlstate, .. } => is_unavailable_state(sqlstate),
            Self::Config(_)
            | Self::Row { .. }
            | Self::UnknownToken(_)
            | Self::TransactionFailed
            | Self::TransactionEnded => false,
        }
    }

    /// How long to wait before trying again, where [`Error::is_unavailable`].
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        Duration::from_secs(1)
    }
}

/// The server ended the connection: shutdown, crash of another session, or class 08.
fn is_connection_end(state: &SqlState) -> bool {
    state.code().starts_with("08")
        || [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::DATABASE_DROPPED,
            SqlState::IDLE_SESSION_TIMEOUT,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        ]
        .contains(state)
}

/// A role that is stale, a lack of resources (class 53), a cancelled statement, a lock not had,
/// or contention that outlasted the retries.
fn is_unavailable_state(sqlstate: &str) -> bool {
    sqlstate.starts_with("53")
        || [
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::QUERY_CANCELED,
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
        ]
        .iter()
        .any(|state| state.code() == sqlstate)
}
