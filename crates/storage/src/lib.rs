//! PostgreSQL: nodes, pools, routing, transactions, tokens; then the repositories.

pub mod config;
mod connect;
#[cfg(feature = "driver")]
pub mod driver;
pub mod error;
mod secret;
mod tls;
pub mod token;

pub use config::{ClusterConfig, NodeAddr, SslMode};
pub use error::Error;
pub use secret::Secret;
pub use token::{Token, UnknownToken};
