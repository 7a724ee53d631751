//! What can go wrong with Redis, without a word that Redis was told.
//!
//! A server may echo a command it doesn't know, arguments and all, and an old one doesn't know the
//! `HELLO 3 AUTH user password` that opens a connection. Of a server's error only its code is
//! therefore kept, never its text; the client's own errors keep their category or the system's words.

use std::borrow::Cow;

use bb8_redis::redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why Redis didn't do what it was asked. None of these is a reason to fail a reader's request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No connection to be had, a server that is still loading, a slot of a cluster that nobody serves, or an open breaker.
    #[error("Redis is unavailable: {reason}")]
    Unavailable {
        /// For an operator.
        reason: Cow<'static, str>,
    },
    /// The connection was lost while the command was under way; it may have been carried out. Whether the
    /// server is gone too, the next connection will tell. Or the server is no master any more.
    #[error("the connection to Redis was lost")]
    ConnectionLost,
    /// No reply in time. The command may have been carried out.
    #[error("Redis did not reply within {limit_ms} ms")]
    Timeout {
        /// The limit that was exceeded.
        limit_ms: u64,
    },
    /// Redis answered, and what it answered was an error or made no sense.
    #[error("Redis refused the command: {reason}")]
    Protocol {
        /// The server's code, such as `WRONGTYPE` or `OOM`, or the kind of nonsense.
        reason: String,
    },
}

impl Error {
    /// Whether Redis couldn't be used, rather than refused this command.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::ConnectionLost | Self::Timeout { .. } => true,
            Self::Protocol { .. } => false,
        }
    }
}

/// What `error` means to a caller.
pub(super) fn classify(error: &RedisError) -> Error {
    if error.is_connection_dropped() || is_of_a_replica(error) {
        return Error::ConnectionLost;
    }
    match error.kind() {
        ErrorKind::Io
        | ErrorKind::AuthenticationFailed
        | ErrorKind::ClusterConnectionNotFound
        | ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::ClusterDown
            // Of a cluster, where following it led nowhere.
            | ServerErrorKind::Moved
            | ServerErrorKind::Ask
            | ServerErrorKind::TryAgain,
        ) => Error::Unavailable {
            reason: describe(error).into(),
        },
        _ => Error::Protocol {
            reason: describe(error),
        },
    }
}

/// Whether it is what only a replica answers: the master that was connected to is elsewhere now.
pub(super) fn is_of_a_replica(error: &RedisError) -> bool {
    let kind = error.kind();
    let kinds = [ServerErrorKind::ReadOnly, ServerErrorKind::MasterDown];
    kinds.into_iter().any(|of| kind == ErrorKind::Server(of))
}

/// `error` in words that can't contain anything that was sent.
pub(super) fn describe(error: &RedisError) -> String {
    // The client adds no detail to the system's words, but may add a server's.
    if error.is_io_error() && error.detail().is_none() {
        return error.to_string();
    }
    error.code().unwrap_or(error.category()).to_owned()
}
