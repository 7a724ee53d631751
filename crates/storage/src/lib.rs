//! PostgreSQL done properly, on two floors.
//!
//! Below, what any service can embed: a [`Cluster`] of nodes whose roles are found out and
//! watched, reads of a stated [`Freshness`], named transactions that are begun again after a
//! passing fault, [`Token`]s, deadlines, and a feed of changes. Above, the repositories of this
//! project: [`posts`], [`tags`], [`authors`], [`keys`], [`idempotency`], [`signing`]. The lower
//! floor names nothing of the upper one, and no driver type is seen from outside.
//!
//! ```no_run
//! use prepnexus_storage::{Cluster, ClusterConfig, Error, Freshness};
//!
//! # async fn example() -> Result<(), Error> {
//! let cluster = Cluster::start(&ClusterConfig::default())?;
//! let conn = cluster.read(Freshness::Any, cluster.deadline()).await?;
//! let row = conn.query_one("-- example.now\nSELECT now() AS now", &[]).await?;
//! let now: jiff::Timestamp = row.get("now")?;
//! # drop((now, conn));
//! cluster.close().await;
//! # Ok(())
//! # }
//! ```

mod budget;
mod change;
mod cluster;
pub mod config;
mod connect;
mod deadline;
#[cfg(feature = "driver")]
pub mod driver;
pub mod error;
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
mod timelines;
mod tls;
pub mod token;
pub mod topology;
mod tx;

pub mod authors;
pub mod idempotency;
pub mod keys;
pub mod posts;
pub mod signing;
pub mod tags;

pub use change::record_change;
pub use cluster::{AsStorageError, Cluster, Committed, Freshness, NodeStatus};
pub use config::{ClusterConfig, NodeAddr, SslMode};
pub use deadline::Deadline;
pub use error::Error;
pub use metric::describe_metrics;
pub use node::PoolStatus;
pub use param::{Param, Params};
pub use read::ReadConn;
pub use row::{Column, Row};
pub use secret::{Secret, SecretBytes};
pub use timelines::Timelines;
pub use token::{Token, UnknownToken};
pub use topology::{NodeState, NodeView, Role, Topology};
pub use tx::Tx;
