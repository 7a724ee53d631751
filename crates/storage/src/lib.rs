//! PostgreSQL done properly, on two floors.
//!
//! Below, what any service can embed: a [`Cluster`] of nodes whose roles are found out and watched, reads of a stated
//! [`Freshness`], named transactions that are begun again after a passing fault, [`Token`]s and deadlines. Above, the
//! repositories of this project: [`posts`], [`tags`], [`authors`], [`keys`], [`idempotency`], [`signing`], [`backups`], [`schema`]. The lower
//! floor names nothing of the upper one, and no driver type is seen from outside. The rest of this page is about the
//! lower floor; `examples/ledger` is a whole service on it, which a test runs through a failover.
//!
//! ```no_run
//! use prepnexus_storage::{Cluster, ClusterConfig, Error, Freshness, seen};
//!
//! const CANCEL: &str = "-- orders.cancel\nUPDATE orders SET state = 'cancelled' WHERE id = $1";
//! const STATE: &str = concat!("-- orders.state\nSELECT state, ", seen!(), " FROM orders WHERE id = $1");
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // All nodes, in any order: which of them is the primary is found out.
//! let cluster = Cluster::start(&ClusterConfig::from_url("postgresql://shop:secret@db1,db2/shop")?)?;
//! let order = 7_i64;
//!
//! let cancelled = cluster
//!     .write("orders.cancel", cluster.deadline(), |tx| async move {
//!         tx.execute(CANCEL, &[&order]).await
//!     })
//!     .await?;
//!
//! // From a replica, if one has the write already; else from the primary.
//! let freshness = cancelled.token.map_or(Freshness::Primary, Freshness::AtLeast);
//! let (state, token) = cluster
//!     .read_with(freshness, cluster.deadline(), |conn| async move {
//!         let state: String = conn.query_one(STATE, &[&order]).await?.get("state")?;
//!         Ok::<_, Error>((state, conn.token().await?))
//!     })
//!     .await?;
//! println!("{state}; whoever has seen that sends back {token}");
//!
//! cluster.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What it does
//!
//! - **Roles.** The configuration lists nodes. One task per node probes it over a connection of its own, twice a second
//!   while all is well, and publishes a [`Topology`] that requests read without a lock. Nodes need not be up at the start.
//! - **Routing.** [`Cluster::read_with`] serves from a replica that is up, in time ([`ClusterConfig::max_lag`]) and fresh
//!   enough, chosen by the power of two choices on latency and requests under way; else from the primary. When a node fails
//!   in the middle the work runs again on another: so it must do nothing but read. [`Cluster::read`] gives one
//!   connection, and what happens on it is final.
//! - **Writes.** [`Cluster::write`] runs a named transaction on the primary. After a serialization failure, a deadlock, a
//!   change of roles or a connection lost before COMMIT it begins again, at most three times: so what the work does outside
//!   the transaction may happen more than once. [`Cluster::write_once`] also resolves a COMMIT whose outcome was lost, by
//!   running work again that can tell whether it was done.
//! - **Fencing.** Of several that say they are primary the one on the highest timeline is. The others get neither reads nor
//!   writes, nor does a node of another cluster.
//! - **Breakers.** Servers that can't be reached, or break off without a word, are left alone until probes succeed; no user's
//!   request is a probe. A query's own error, a deadline and a full pool never count. A node that is back gets a rising
//!   share ([`ClusterConfig::slow_start`]).
//! - **Generations.** When a node goes away, changes its role or its history, or is fenced, none of its connections is used
//!   again, and whoever waits for an answer on one is told at once.
//! - **Deadlines.** A [`Deadline`] bounds the wait for a connection, each statement and each retry. A read that is dropped or
//!   late is cancelled on the server; a COMMIT never is, and goes on without its caller. The queue for a pool is bounded.
//! - **Metrics.** Through the `metrics` facade, by the first line of each statement, `-- its.name`: see
//!   [`describe_metrics`]. [`Cluster::status`] tells of each node, and asks no database.
//!
//! # What is guaranteed, and what is not
//!
//! - A read [`AtLeast`](Freshness::AtLeast) a token sees all that the token's owner has written or seen, with the one
//!   exception below. A token names a position that may lie a little further than what it stands for, never before it.
//! - A token is honoured after a promotion if this process watched the switch and the position is in the new history. Else it is
//!   refused ([`Error::UnknownToken`]), also where it could have been honoured: a process that began after a failover
//!   refuses the tokens from before it. Drop the token then, and read again.
//! - [`Freshness::Any`] may go back: two reads may be served by two replicas. Send the token of one with the next.
//! - [`Freshness::Primary`] is what the node shows that this process takes for the primary. One that was replaced serves
//!   on until a probe, or a session, tells of the new one: there are no leases. A fence that must hold at once is the
//!   work of what promotes (Patroni, CloudNativePG).
//! - What a write confirms is as durable as PostgreSQL's own settings make it. With asynchronous replication a promotion can lose
//!   the last commits; their tokens are then refused. With synchronous replication a COMMIT whose standby was not waited
//!   for is [`Error::CommitUnknown`], not success.
//! - The exception: with synchronous replication a replica may show a commit before the primary does, which shows it when
//!   its standby has answered. So with a token of a replica's the primary may, for a moment, show less than the replica did.
//! - `write` commits its work at most once. Where it says [`Error::CommitUnknown`] it may have, and does not try again.
//!
//! # Errors
//!
//! | | says | then |
//! |---|---|---|
//! | [`Error::is_unavailable`] | the database is away or overloaded, and the caller did nothing wrong | answer 503, and [`Error::retry_after`] |
//! | [`Error::is_retryable`] | the same transaction may succeed if it is begun again | nothing: `write` and `read_with` did, as far as retries, a tenth of the traffic, allow |
//! | [`Error::CommitUnknown`] | committed or not | use `write_once` and a key; else ask the user to look |
//! | [`Error::UnknownToken`] | the token's history is not the one being served | drop the token |
//! | [`Error::violated_unique`] | the name of the constraint | the service's own error |
//!
//! An error of the service's own goes through a transaction unchanged: it implements `From<Error>` and [`AsStorageError`],
//! so that the crate sees whether one of its errors is the cause. `Display` shows no value of a row or a parameter, but
//! addresses of nodes; [`Error::chain`] adds what the server said. Both are for logs, not for users.
//!
//! # On a service of one's own
//!
//! 1. One `Cluster` for each database, made at the start inside a tokio runtime, cloned into every handler, and closed at the end:
//!    [`Cluster::close`] waits up to ten seconds for commits that are under way.
//! 2. The role needs `pg_read_all_stats` (the timeline that a replica receives) besides its rights on the tables.
//! 3. Each statement is a constant that begins with its name. Functions that read take a [`ReadConn`], functions that write
//!    a [`Tx`]: what writes through a `ReadConn` does not compile, and a replica refuses it.
//! 4. A handler makes one [`Deadline`] and hands it on. It takes a token from the request, and gives the one it got with
//!    the answer: `Token` has `Display` and `FromStr`. [`seen!`] at the end of a select list makes that free.
//! 5. What clients may repeat goes through `write_once`, with a table of keys: `examples/ledger/service.rs` has thirty lines
//!    for it.
//!
//! Deliberately absent: an ORM and a query builder, migrations, promotion and leader election, sharding, LISTEN, COPY, cursors and
//! streams of rows, sessions that keep a setting, read-only transactions over several statements (use `write`, or one
//! statement), and the raw driver connection, but for the crates of this workspace.

mod budget;
mod cluster;
pub mod config;
mod connect;
mod deadline;
#[cfg(feature = "driver")]
pub mod driver;
pub mod error;
pub mod feed;
pub mod inspect;
mod keeper;
mod lag;
mod load;
mod metric;
mod monitor;
mod node;
mod param;
mod patience;
mod pool;
mod progress;
mod query;
mod ramp;
mod read;
mod router;
mod row;
mod secret;
mod slow;
mod timelines;
mod tls;
pub mod token;
pub mod topology;
mod tx;

pub mod authors;
pub mod backups;
pub mod idempotency;
pub mod keys;
pub mod posts;
pub mod schema;
pub mod signing;
pub mod tags;

pub use cluster::{AsStorageError, Cluster, Committed, Freshness, NodeStatus};
pub use config::{ClusterConfig, NodeAddr, SslMode};
pub use deadline::Deadline;
pub use error::Error;
pub use feed::{ChangeFeed, FeedConfig, record_change};
pub use metric::describe_metrics;
pub use node::PoolStatus;
pub use param::{Param, Params};
pub use prepnexus_health::BreakerState;
pub use read::ReadConn;
pub use row::{Column, Row};
pub use secret::{Secret, SecretBytes};
pub use timelines::Timelines;
pub use token::{Token, UnknownToken};
pub use topology::{NodeState, NodeView, Role, Topology};
pub use tx::Tx;
