//! A migrated database of its own for every test, on real servers.
//!
//! ```no_run
//! use prepnexus_testkit::TestDb;
//!
//! # async fn example() {
//! let db = TestDb::new().await;
//! assert_eq!(db.psql("SELECT count(*) FROM posts").await, "0");
//! # }
//! ```
//!
//! The servers are those of the stack that `PREPNEXUS_TEST_STACK` names (its directory), or else a stack of this process:
//! a primary, one replica and Redis, started by the first test that asks and gone with the process. Nothing is shared
//! between tests but the servers: a [`TestDb`] is a clone of a template that is migrated once per stack and version of the
//! migrations, and is dropped with the value; a [`redis_prefix`] is random. So tests run at the same time, in one process
//! or in many. What kills or freezes servers needs a stack of its own, and [`TestDb::on`].
//!
//! For tests only: what goes wrong here panics, saying why.

mod database;
mod document;
mod packages;
mod shared;
mod template;
mod wait;

pub use database::TestDb;
pub use document::commands;
pub use packages::{node, python};
pub use shared::{redis_prefix, stack};
pub use wait::wait_until;
