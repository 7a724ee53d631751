//! Private PostgreSQL, PgBouncer, Patroni and Redis servers, with faults on demand, for development and tests.
//!
//! A [`Stack`] is a PostgreSQL primary, its streaming replicas and a Redis server, run from the machine's own Debian
//! packages under a directory of their own, on free loopback ports. Nothing on the machine is shared with it or changed by
//! it. Each [`PgNode`] and the [`RedisServer`] can be killed, frozen, delayed, promoted and brought back; a [`Proxy`] stands
//! in for a network that fails, and a [`PgBouncer`] for the pooler that many have on the way.
//!
//! ```no_run
//! use prepnexus_devstack::{Stack, StackConfig};
//!
//! # fn main() -> Result<(), prepnexus_devstack::Error> {
//! let stack = Stack::start(StackConfig { replicas: 1, ..StackConfig::for_tests() })?;
//! stack.primary().psql("CREATE TABLE t AS SELECT 1 AS n")?;
//! stack.replica(0).wait_caught_up_with(stack.primary())?;
//! stack.primary().kill()?;
//! assert_eq!(stack.replica(0).psql("SELECT n FROM t")?, "1");
//! # Ok(())
//! # }
//! ```
//!
//! A [`Repository`] is one of backups, for a stack that archives.
//!
//! Who may connect: `postgres`, the superuser, without a password; every other role with its own (scram-sha-256). Only
//! from this machine, only over TCP on `127.0.0.1`: there are no Unix sockets, but for a stack that archives.
//!
//! Servers of a stack that is not detached end with it: when it is dropped, after a panic too, and when its process is
//! killed. Their files are removed if they were temporary; what a killed process left is removed by the next test stack.
//!
//! A [`RedisNode`] is a Redis by itself: with TLS, as one of [`RedisSentinels`], which promote by themselves, or of a
//! [`RedisCluster`].
//!
//! A [`PatroniCluster`] is another kind of stack: its nodes elect their primary, promote and rewind by themselves, as
//! production does, where a [`Stack`] does what a test tells it. It is temporary always.
//!
//! Deliberately absent: async, a PostgreSQL driver (SQL goes through `psql`), systems other than Linux.

mod account;
mod binaries;
mod daemon;
mod error;
mod http;
mod identity;
mod layout;
mod logs;
mod patroni;
mod pgbouncer;
mod ports;
mod postgres;
mod process;
mod proxy;
mod psql;
mod redis;
mod repository;
mod scratch;
mod spawn;
mod stack;
mod template;
mod tool;
mod wait;

pub use error::{Error, Result};
pub use patroni::{PatroniCluster, PatroniConfig, PatroniNode};
pub use pgbouncer::{PgBouncer, PgBouncerConfig};
pub use postgres::{PgNode, Rejoin};
pub use proxy::Proxy;
pub use redis::{RedisCluster, RedisNode, RedisSentinels, RedisServer, RedisTls};
pub use repository::Repository;
pub use stack::{Stack, StackConfig};
