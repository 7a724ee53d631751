//! How connections are kept and where requests go: what has a good default, and rarely another value.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use prepnexus_storage::ClusterConfig;

use crate::value::{count, duration};

/// What stands between the service and each database server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooler {
    /// Nothing.
    None,
    /// A pooler such as PgBouncer that gives a session to each transaction.
    Transaction,
}

impl FromStr for Pooler {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::None),
            "transaction" => Ok(Self::Transaction),
            _ => Err("expected none or transaction"),
        }
    }
}

/// How connections are kept, and which replica serves what.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Database: connections and routing")]
pub struct TuningSettings {
    /// What stands between this program and each database server: none, or transaction for a pooler such as PgBouncer in
    /// transaction mode. Then nothing is prepared, and no setting is made for a session.
    #[arg(
        long,
        env = "DB_POOLER",
        default_value = "none",
        value_name = "MODE",
        hide_env_values = true,
        global = true
    )]
    pub db_pooler: Pooler,
    /// The most connections to one server.
    #[arg(long, env = "DB_POOL_SIZE", default_value = "16", value_name = "N", value_parser = count, hide_env_values = true, global = true)]
    pub db_pool_size: usize,
    /// The most requests that wait for a connection to one server; one more fails at once.
    #[arg(long, env = "DB_POOL_QUEUE", default_value = "256", value_name = "N", value_parser = count, hide_env_values = true, global = true)]
    pub db_pool_queue: usize,
    /// The connections to each server that are kept ready.
    #[arg(
        long,
        env = "DB_POOL_MIN_IDLE",
        default_value = "2",
        value_name = "N",
        hide_env_values = true,
        global = true
    )]
    pub db_pool_min_idle: usize,
    /// How long a connection beyond those may be idle.
    #[arg(long, env = "DB_POOL_IDLE_TIMEOUT", default_value = "10m", value_name = "DURATION", value_parser = duration, hide_env_values = true, global = true)]
    pub db_pool_idle_timeout: Duration,
    /// The oldest a connection gets; up to a tenth less by chance.
    #[arg(long, env = "DB_POOL_MAX_LIFETIME", default_value = "30m", value_name = "DURATION", value_parser = duration, hide_env_values = true, global = true)]
    pub db_pool_max_lifetime: Duration,
    /// A replica further behind than this gets no reads.
    #[arg(long, env = "DB_MAX_LAG", default_value = "1s", value_name = "DURATION", value_parser = duration, hide_env_values = true, global = true)]
    pub db_max_lag: Duration,
    /// The same in bytes of the write-ahead log.
    #[arg(
        long,
        env = "DB_MAX_LAG_BYTES",
        default_value = "8388608",
        value_name = "N",
        hide_env_values = true,
        global = true
    )]
    pub db_max_lag_bytes: u64,
    /// How long the share of a server that came back takes to rise to its whole.
    #[arg(long, env = "DB_SLOW_START", default_value = "10s", value_name = "DURATION", value_parser = duration, hide_env_values = true, global = true)]
    pub db_slow_start: Duration,
    /// The longest that a read with a Consistency-Token waits for a replica to have it, before the primary serves it.
    #[arg(long, env = "DB_TOKEN_WAIT", default_value = "10ms", value_name = "DURATION", value_parser = duration, hide_env_values = true, global = true)]
    pub db_token_wait: Duration,
    /// The longest that a write whose commit may have been lost waits for a primary that knows.
    #[arg(long, env = "DB_UNKNOWN_COMMIT_WAIT", default_value = "250ms", value_name = "DURATION", value_parser = duration, hide_env_values = true, global = true)]
    pub db_unknown_commit_wait: Duration,
}

impl TuningSettings {
    pub(super) fn apply(&self, config: ClusterConfig) -> ClusterConfig {
        ClusterConfig {
            pooler: self.db_pooler == Pooler::Transaction,
            pool_size: self.db_pool_size,
            pool_queue: self.db_pool_queue,
            pool_min_idle: self.db_pool_min_idle,
            pool_idle_timeout: self.db_pool_idle_timeout,
            pool_max_lifetime: self.db_pool_max_lifetime,
            max_lag: self.db_max_lag,
            max_lag_bytes: self.db_max_lag_bytes,
            slow_start: self.db_slow_start,
            token_wait: self.db_token_wait,
            unknown_commit_wait: self.db_unknown_commit_wait,
            ..config
        }
    }
}
