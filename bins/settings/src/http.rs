//! Where the API listens, and the limits it puts on a request.

use std::thread;
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;

use crate::error::SettingsError;
use crate::value::{count, duration, host, network, port};

/// Where the API listens, and its limits.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "HTTP (api only)")]
pub struct HttpSettings {
    /// The address to listen on; 0.0.0.0 for all.
    #[arg(long, env = "API_HOST", default_value = "127.0.0.1", value_name = "HOST", value_parser = host, hide_env_values = true, global = true)]
    pub api_host: String,
    /// The port to listen on.
    #[arg(long, env = "API_PORT", default_value = "8000", value_name = "PORT", value_parser = port, hide_env_values = true, global = true)]
    pub api_port: u16,
    /// A port of its own for /metrics, /api/monitoring and /dashboard, which are then nowhere else. Not set: they are on
    /// the main port.
    #[arg(long, env = "ADMIN_PORT", value_name = "PORT", value_parser = port, hide_env_values = true, global = true)]
    pub admin_port: Option<u16>,
    /// Worker threads; as many as the machine has cores if not set.
    #[arg(long, env = "API_WORKERS", value_name = "N", value_parser = count, hide_env_values = true, global = true)]
    pub api_workers: Option<usize>,
    /// The longest body that a request may have, in bytes.
    #[arg(long, env = "BODY_LIMIT", default_value = "2097152", value_name = "BYTES", value_parser = count, hide_env_values = true, global = true)]
    pub body_limit: usize,
    /// The longest that a request may take.
    #[arg(long, env = "REQUEST_TIMEOUT", default_value = "10s", value_name = "DURATION", value_parser = duration, hide_env_values = true, global = true)]
    pub request_timeout: Duration,
    /// How long a stop goes on taking requests before that, while /health/ready says no, so that load balancers look
    /// elsewhere.
    #[arg(long, env = "SHUTDOWN_DRAIN", default_value = "1s", value_name = "DURATION", value_parser = duration, hide_env_values = true, global = true)]
    pub shutdown_drain: Duration,
    /// How long a stop waits for requests that are under way.
    #[arg(long, env = "SHUTDOWN_TIMEOUT", default_value = "10s", value_name = "DURATION", value_parser = duration, hide_env_values = true, global = true)]
    pub shutdown_timeout: Duration,
    /// Proxies in front, as addresses or networks, separated by commas: they are believed what X-Forwarded-For says of where
    /// a request comes from. Without them all that comes through a proxy counts as one client.
    #[arg(long, env = "TRUSTED_PROXIES", value_name = "NET,…", value_delimiter = ',', value_parser = network, hide_env_values = true, global = true)]
    pub trusted_proxies: Vec<IpNet>,
    /// How long an idle connection stays open.
    #[arg(long, env = "KEEP_ALIVE", default_value = "75s", value_name = "DURATION", value_parser = duration, hide_env_values = true, global = true)]
    pub keep_alive: Duration,
}

impl HttpSettings {
    /// Checks what single values can't show.
    ///
    /// # Errors
    /// The setting that can't be used, by its variable.
    pub fn validate(&self) -> Result<(), SettingsError> {
        if self.admin_port == Some(self.api_port) {
            let problem = "expected another port than API_PORT";
            return Err(SettingsError::invalid("ADMIN_PORT", problem));
        }
        Ok(())
    }

    /// The number of worker threads to start.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.api_workers
            .unwrap_or_else(|| thread::available_parallelism().map_or(1, Into::into))
    }
}
