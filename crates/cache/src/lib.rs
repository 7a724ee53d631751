//! The cache: kept answers that are served only if they can be shown to be right, and its connection to Redis. Knows
//! no PostgreSQL.
//!
//! An [`Entry`] carries what proves it; whether the proof holds is a question to the caller ([`Cache::get`]). So nothing is ever
//! deleted to invalidate it, and there is no race between a deletion and a load to lose. One load runs for each key,
//! apart from who asked. When nothing can be loaded, what is kept is served and marked stale.
//!
//! Redis is a cache and nothing else: losing it, flushing it, or getting an old copy of it back
//! costs time and never correctness. What follows from that, and holds in every function here:
//!
//! - **Nothing waits for Redis for long.** A connection is had within 100 ms and a reply within
//!   50 ms, or the caller gets an error and reads from the database instead.
//! - **A dead Redis costs a few requests, not all of them.** After three failures a breaker turns
//!   callers away at once; only [`RedisMonitor`]'s probe tests whether Redis is back.
//! - **Nobody restarts anything.** Connections that the server closed are replaced, whatever closed
//!   them, and an absent Redis at start is no error.
//!
//! # Example
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use prepnexus_cache::{RedisConfig, RedisMonitor, RedisPool};
//! use prepnexus_domain::SystemClock;
//! use prepnexus_health::Registry;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = RedisPool::new(RedisConfig::from_url("redis://127.0.0.1:6379/0")?)?;
//! let registry = Arc::new(Registry::new(Arc::new(SystemClock)));
//! let monitor = RedisMonitor::spawn(pool.clone(), Arc::clone(&registry), Duration::from_millis(500));
//!
//! pool.set("greeting", "hello", 60_000).await?;
//! match pool.get("greeting").await {
//!     Ok(Some(value)) => println!("{} bytes from the cache", value.len()),
//!     Ok(None) => println!("a miss: read the database"),
//!     Err(error) if error.is_unavailable() => println!("no cache just now: read the database"),
//!     Err(error) => return Err(error.into()),
//! }
//! monitor.stop().await;
//! # Ok(())
//! # }
//! ```

mod cache;
pub mod config;
mod encoding;
mod entry;
mod flight;
mod lifetime;
mod memory;
mod metric;
pub mod redis;
mod shared;

pub use cache::{Cache, CacheConfig, Failure, LoadError, Look, Open, Served, Source, Verdict};
pub use config::{
    ClientCertificate, ConfigError, Password, RedisAddr, RedisConfig, Sentinels, Tls, Topology,
};
pub use encoding::Encoding;
pub use entry::{Entry, Fill, TooLong};
pub use metric::describe_metrics;
pub use redis::{Error, Hints, RedisMonitor, RedisPool};
