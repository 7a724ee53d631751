//! What an error says about the node it happened on: the one place that decides what counts.
//!
//! A query's own error never counts against a node, and neither does a full pool, a deadline, or a
//! session that the server ended and said so. What counts is a server that can't be reached, or that
//! broke off without a word. Evidence that a role has changed is no failure: it begins a new
//! generation, and the monitor looks.

use std::{error::Error as StdError, time::Duration};

use tokio_postgres::error::SqlState;

use super::{Error, Source};

/// What to conclude about a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The node failed: its breaker counts it.
    Node,
    /// The node is not what it was taken for: none of its connections is used again.
    StaleRole,
    /// It answers, and takes nobody in: worth an operator's notice.
    Refusal,
    /// This one connection is gone.
    Connection,
    /// Nothing.
    Innocent,
}

/// The monitor found the node away while something waited for it: counted already.
#[derive(Debug, thiserror::Error)]
#[error("{0} was found to be away")]
struct WentAway(String);

/// The server took the connection and never greeted, or nothing answered at all.
#[derive(Debug, thiserror::Error)]
#[error("no greeting within {0:?}")]
struct NoGreeting(Duration);

impl Error {
    /// What waits for the node of that name is told that it went away.
    pub(crate) fn went_away(node: &str) -> Self {
        Self::ConnectionLost(WentAway(node.to_owned()).into())
    }

    /// A connection could not be made in time.
    pub(crate) fn no_greeting(limit: Duration) -> Self {
        Self::ConnectionLost(NoGreeting(limit).into())
    }

    /// What this error says about the node it happened on.
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::ConnectionLost(source) | Self::CommitUnknown(source) => of_lost(source),
            Self::Sql { sqlstate, .. } => of_state(sqlstate),
            Self::Unavailable { .. }
            | Self::Saturated { .. }
            | Self::Deadline { .. }
            | Self::Config(_)
            | Self::Row { .. }
            | Self::UnknownToken(_)
            | Self::TransactionFailed
            | Self::TransactionEnded
            | Self::Tls(_) => Verdict::Innocent,
        }
    }
}

fn of_lost(source: &Source) -> Verdict {
    if source.is::<WentAway>() {
        return Verdict::Innocent;
    }
    if source.is::<NoGreeting>() {
        return Verdict::Node;
    }
    match source.downcast_ref::<tokio_postgres::Error>() {
        // One that the server ended itself, with word of it, says that the server is there.
        Some(error) if error.as_db_error().is_some() => Verdict::Connection,
        Some(_) => Verdict::Node,
        // Ours: a commit that outlasted its deadline, or whose standby did not follow.
        None => Verdict::Innocent,
    }
}

/// Refused: class 28, the login; class 53, for want of connections, memory or disk; class 3D, no
/// such database.
fn of_state(sqlstate: &str) -> Verdict {
    if sqlstate == SqlState::READ_ONLY_SQL_TRANSACTION.code() {
        return Verdict::StaleRole;
    }
    if ["28", "53", "3D"]
        .iter()
        .any(|class| sqlstate.starts_with(class))
    {
        return Verdict::Refusal;
    }
    Verdict::Innocent
}

/// Whether the error, or one below it, is the system's.
pub(super) fn is_io(error: &tokio_postgres::Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.is::<std::io::Error>() {
            return true;
        }
        source = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Verdict;
    use crate::{error::Error, token::UnknownToken};

    fn sql(sqlstate: &str) -> Error {
        Error::Sql {
            query: "q".into(),
            sqlstate: sqlstate.into(),
            constraint: None,
            source: "said".into(),
        }
    }

    #[test]
    fn a_querys_own_error_never_counts_against_the_node() {
        for state in ["42601", "23505", "57014", "40001", "40P01", "22P02"] {
            assert_eq!(sql(state).verdict(), Verdict::Innocent, "{state}");
        }
    }

    #[test]
    fn saturation_is_not_sickness_and_a_deadline_is_the_requests_own() {
        let node = "a:1".to_owned();
        assert_eq!(Error::Saturated { node }.verdict(), Verdict::Innocent);
        let waiting_for = "a statement";
        assert_eq!(Error::Deadline { waiting_for }.verdict(), Verdict::Innocent);
        let unknown = Error::UnknownToken(UnknownToken::LostTimeline);
        assert_eq!(unknown.verdict(), Verdict::Innocent);
    }

    #[test]
    fn a_server_that_does_not_greet_counts_and_one_found_away_is_counted_already() {
        assert_eq!(
            Error::no_greeting(Duration::from_secs(1)).verdict(),
            Verdict::Node
        );
        assert_eq!(Error::went_away("a:1").verdict(), Verdict::Innocent);
    }

    #[test]
    fn a_node_that_takes_no_writes_has_a_stale_role_and_one_that_lets_nobody_in_refuses() {
        assert_eq!(sql("25006").verdict(), Verdict::StaleRole);
        for state in ["28P01", "53300", "3D000"] {
            assert_eq!(sql(state).verdict(), Verdict::Refusal, "{state}");
        }
    }
}
