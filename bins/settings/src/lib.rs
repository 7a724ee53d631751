//! The settings all binaries share: environment variables, flags, and their documentation.
//!
//! This is the only place that reads the environment. A library takes a plain config; a binary flattens the structs of
//! this crate into its own `clap` parser, and asks them for those configs:
//!
//! ```
//! use clap::Parser;
//! use prepnexus_settings::{DatabaseSettings, LogSettings};
//!
//! /// Counts things.
//! #[derive(Parser)]
//! struct Arguments {
//!     #[command(flatten)]
//!     database: DatabaseSettings,
//!     #[command(flatten)]
//!     log: LogSettings,
//! }
//!
//! // A program calls `parse_or_exit::<Arguments>()`.
//! let arguments = Arguments::parse_from(["count", "--db-host", "a,b", "--db-port", "5433"]);
//! let config = arguments.database.cluster_config("count")?;
//! assert_eq!(config.nodes[1].to_string(), "b:5433");
//! # Ok::<(), prepnexus_settings::SettingsError>(())
//! ```
//!
//! What holds for every setting: it is an environment variable and a flag of the same name, and the flag wins; a value
//! that can't be used stops the program with exit code 2 and one line that names the variable; a secret's value is in no
//! message, no `--help` and no `Debug`. An empty secret counts as not set, because that is how container files write it.
//!
//! Deliberately absent: settings files, and settings that change while the program runs.

mod backup;
mod cache;
mod database;
mod error;
mod exit;
mod http;
mod log;
mod markdown;
mod outbound;
mod owner;
mod pages;
mod redis;
mod value;

pub use backup::BackupSettings;
pub use cache::CacheSettings;
pub use database::{DatabaseSettings, Pooler, TuningSettings};
pub use error::SettingsError;
pub use exit::{or_exit, parse_or_exit, usage_line};
pub use http::HttpSettings;
pub use log::{LogFormat, LogLevel, LogSettings, SpanLayer};
pub use markdown::markdown;
pub use outbound::OutboundSettings;
pub use owner::OwnerSettings;
pub use redis::{RedisSettings, RedisTlsSettings, RedisTopologySettings};
pub use value::{Addresses, Hosts, Ports};

/// The version of all binaries, with the commit that they were built from.
pub const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("PREPNEXUS_COMMIT"),
    ")"
);
