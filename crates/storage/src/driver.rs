//! The raw driver connection, for the crates of this workspace that drive the server itself.
//!
//! Behind the feature `driver`, and outside the promise of stability: whoever embeds this crate
//! sees no driver type without asking for it.

mod pid;

use std::time::Duration;

use futures_util::future::join_all;
use tokio_postgres::Client;

use crate::{
    config::{ClusterConfig, NodeAddr},
    connect::{self, Connector},
    error::Error,
    monitor,
};

/// A connection outside all pools. Dropping it closes it.
pub struct Connected {
    connected: connect::Connected,
    node: NodeAddr,
}

impl Connected {
    /// The node that it is to.
    #[must_use]
    pub fn node(&self) -> &NodeAddr {
        &self.node
    }

    /// The number of its server process, as told at its start: a pooler in between tells another than the server.
    pub async fn told_pid(&self) -> Option<i32> {
        pid::told(self.client()).await
    }

    /// The driver's handle.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.connected.client
    }

    /// The driver's handle, for what needs it alone: transactions.
    pub fn client_mut(&mut self) -> &mut Client {
        &mut self.connected.client
    }
}

/// Connects to one node, with `options` for the session as in libpq's `options`
/// (`-c statement_timeout=0`), all of it within `limit`.
///
/// # Errors
/// [`Error::Config`], [`Error::Deadline`], [`Error::ConnectionLost`] or [`Error::Sql`].
pub async fn connect(
    config: &ClusterConfig,
    node: &NodeAddr,
    options: &str,
    limit: Duration,
) -> Result<Connected, Error> {
    let connected = Connector::new(config)?
        .connect(node, options, limit)
        .await?;
    Ok(Connected {
        connected,
        node: node.clone(),
    })
}

/// Connects to the primary: of the nodes that say they are, the one on the highest timeline, if no
/// replica follows a higher one. Asks all nodes, so that a former primary is never taken for it.
///
/// # Errors
/// [`Error::Unavailable`] when there is none, with what each node said; the error itself when the
/// last node refused the login.
pub async fn connect_primary(
    config: &ClusterConfig,
    options: &str,
    limit: Duration,
) -> Result<Connected, Error> {
    let connector = Connector::new(config)?;
    let asking = config
        .nodes
        .iter()
        .map(|node| ask(&connector, node, options, limit));
    let (mut primary, mut newest) = (None, 0);
    let (mut reasons, mut refused) = (Vec::new(), None);
    for (node, answer) in config.nodes.iter().zip(join_all(asking).await) {
        match answer {
            Ok(answer) => {
                newest = newest.max(answer.timeline);
                if answer.in_recovery {
                    reasons.push(format!("{node} is a replica"));
                } else if primary
                    .as_ref()
                    .is_none_or(|best: &Answer| best.timeline < answer.timeline)
                {
                    primary = Some(answer);
                }
            }
            Err(error) => {
                reasons.push(format!("{node}: {}", error.chain()));
                refused = Some(error)
                    .filter(|error| error.sqlstate().is_some())
                    .or(refused);
            }
        }
    }
    match (primary, refused) {
        (Some(answer), _) if answer.timeline == newest => Ok(answer.connected),
        (Some(_), _) => {
            reasons.push("a former primary answers, the present one does not".into());
            Err(Error::Unavailable {
                wanted: "primary",
                reason: reasons.join("; "),
            })
        }
        (None, Some(refused)) => Err(refused),
        (None, None) => Err(Error::Unavailable {
            wanted: "primary",
            reason: reasons.join("; "),
        }),
    }
}

/// A node that answered.
struct Answer {
    connected: Connected,
    in_recovery: bool,
    timeline: i32,
}

async fn ask(
    connector: &Connector,
    node: &NodeAddr,
    options: &str,
    limit: Duration,
) -> Result<Answer, Error> {
    let failed = |error| Error::from_driver("connect", error);
    let connected = connector.connect(node, options, limit).await?;
    let asking = connected.client.query_typed(monitor::PROBE, &[]);
    let late = |_| Error::Deadline {
        waiting_for: "a node's role",
    };
    let rows = tokio::time::timeout(limit, asking)
        .await
        .map_err(late)?
        .map_err(failed)?;
    let row = rows.first().ok_or(Error::Unavailable {
        wanted: "node",
        reason: "no answer".into(),
    })?;
    let in_recovery = row.try_get("in_recovery").map_err(failed)?;
    let timeline = row.try_get("timeline").map_err(failed)?;
    Ok(Answer {
        connected: Connected {
            connected,
            node: node.clone(),
        },
        in_recovery,
        timeline,
    })
}
