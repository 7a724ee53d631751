//! How much is kept in memory.

use clap::Args;

use crate::value::count;

/// How much the process keeps in memory.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Memory cache (api only)")]
pub struct CacheSettings {
    /// The most that answers kept in memory may weigh, in bytes, headers and keys included.
    #[arg(long, env = "CACHE_MEMORY_BYTES", default_value = "67108864", value_name = "BYTES", value_parser = count, hide_env_values = true, global = true)]
    pub cache_memory_bytes: usize,
}
