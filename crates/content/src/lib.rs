//! The use cases: what readers, authors and operators do, joined from storage and cache.
//!
//! Nothing here speaks HTTP or SQL. A read is a [`Question`], answered by the first rung of a ladder that can show its
//! answer to be right ([`Content::answer`]); a write runs in one transaction that also records what it changed, so that every copy of
//! what it changed can be found out to be old.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use prepnexus_content::{
//!     CacheConfig, Content, ContentError, Encoding, PageQuestion, PostPage, Reader, Representation, Session,
//! };
//! use prepnexus_domain::SystemClock;
//! use prepnexus_storage::{Cluster, ClusterConfig};
//!
//! # async fn example() -> Result<(), ContentError> {
//! let cluster = Cluster::start(&ClusterConfig::default())?;
//! let content = Content::new(cluster, None, Arc::new(SystemClock), CacheConfig::default());
//! let session = Session::new(content.deadline(), None);
//! let reader = Reader { viewer: None, session: &session };
//! let titles = |page: &PostPage| {
//!     let titles: Vec<&str> = page.items.iter().map(|post| post.title.as_str()).collect();
//!     Ok(Representation { body: titles.join("\n").into_bytes(), ..Representation::default() })
//! };
//! let newest = content.answer(PageQuestion::default(), "titles", reader, titles).await?;
//! println!("{:?} from {:?}", newest.body(Encoding::Identity), newest.origin());
//! content.close().await;
//! # Ok(())
//! # }
//! ```

mod access;
mod backups;
mod change_tags;
mod error;
mod gate;
mod inspector;
mod janitor;
mod keys;
mod ladder;
mod operator;
mod questions;
mod service;
mod session;
mod views;
mod watch;
mod write;

pub use access::Precondition;
pub use error::ContentError;
pub use gate::{Class, Shed};
pub use inspector::{Inspected, Inspector};
pub use janitor::Janitor;
pub use keys::{Keys, NewKey};
pub use ladder::{
    Answer, Asking, Draft, Kind, Origin, Outcome, Question, Reader, Representation, Version,
};
pub use operator::PASS;
pub use prepnexus_cache::{CacheConfig, Encoding};
pub use prepnexus_domain::ListQuery;
pub use prepnexus_storage::backups::{Overview as Backups, Run as BackupRun};
pub use prepnexus_storage::inspect::{
    Advice, IndexStatistics, Inspection, SlowQuery, TableStatistics,
};
pub use prepnexus_storage::{
    Deadline, Error as StorageError, NodeState, NodeStatus, PoolStatus, Role as NodeRole, Token,
    UnknownToken, keys::ApiKey,
};
pub use questions::{
    AuthorsQuestion, History, HistoryQuestion, PageQuestion, PostPage, PostQuestion,
    RevisionQuestion, TagsQuestion,
};
pub use service::Content;
pub use session::Session;
pub use views::ViewWriter;
pub use watch::{Condition, Watch};
pub use write::{IdempotencyKey, Writer, Written};

/// Tells the installed recorder what this crate's metrics mean. Call it once, after installing one.
pub fn describe_metrics() {
    views::describe();
    backups::describe();
    gate::describe();
}
