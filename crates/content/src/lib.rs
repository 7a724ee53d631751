//! The use cases: what readers, authors and operators do, joined from storage and cache.
//!
//! Nothing here speaks HTTP or SQL. A read takes a [`Session`] and answers with what a viewer may
//! see; a write runs in one transaction that also records what it changed, so that every copy of
//! what it changed can be found out to be old.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use prepnexus_content::{Content, ContentError, ListQuery, Session};
//! use prepnexus_domain::SystemClock;
//! use prepnexus_storage::{Cluster, ClusterConfig};
//!
//! # async fn example() -> Result<(), ContentError> {
//! let cluster = Cluster::start(&ClusterConfig::default())?;
//! let content = Content::new(cluster, None, Arc::new(SystemClock));
//! let session = Session::new(content.deadline(), None);
//! let newest = content.list_posts(ListQuery::default(), None, &session).await?;
//! for post in newest.items {
//!     println!("{}", post.title);
//! }
//! # Ok(())
//! # }
//! ```

mod access;
mod change_tags;
mod error;
mod health;
mod janitor;
mod keys;
mod read;
mod service;
mod session;
mod write;

pub use access::Precondition;
pub use error::ContentError;
pub use health::HealthWatch;
pub use janitor::Janitor;
pub use keys::NewKey;
pub use prepnexus_domain::ListQuery;
pub use prepnexus_storage::{
    Deadline, Error as StorageError, NodeState, NodeStatus, PoolStatus, Role as NodeRole, Token,
    UnknownToken, keys::ApiKey,
};
pub use read::{Found, PostAddress, PostPage};
pub use service::Content;
pub use session::Session;
pub use write::{IdempotencyKey, Writer, Written};
