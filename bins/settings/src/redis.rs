//! Where Redis is, if there is one.

mod tls;

use clap::Args;
use prepnexus_cache::{ConfigError, RedisConfig};
use prepnexus_storage::Secret;

use crate::error::SettingsError;
use crate::value::{host, port, present, secret};

pub use tls::RedisTlsSettings;

/// How to reach Redis. None of them set: the memory tier alone.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Redis (none set: the memory cache alone)")]
pub struct RedisSettings {
    /// Redis's server. 127.0.0.1 if only the port or the password is set.
    #[arg(long, env = "REDIS_HOST", value_name = "HOST", value_parser = host, hide_env_values = true, global = true)]
    pub redis_host: Option<String>,
    /// Its port; 6379 if not set.
    #[arg(long, env = "REDIS_PORT", value_name = "PORT", value_parser = port, hide_env_values = true, global = true)]
    pub redis_port: Option<u16>,
    /// The password of its default user.
    #[arg(long, env = "REDIS_PASSWORD", value_name = "SECRET", value_parser = secret, hide_env_values = true, global = true)]
    pub redis_password: Option<Secret>,
    /// All of the above in one: `redis://[[user]:password@]host[:port][/database]`, or `rediss://…` for TLS.
    #[arg(long, env = "REDIS_URL", value_name = "URL", value_parser = secret, hide_env_values = true, global = true)]
    pub redis_url: Option<Secret>,
    /// How connections are encrypted.
    #[command(flatten)]
    pub tls: RedisTlsSettings,
}

impl RedisSettings {
    /// The config that these settings mean, or `None` when there is no Redis.
    ///
    /// # Errors
    /// The setting that can't be used, by its variable.
    pub fn redis_config(&self) -> Result<Option<RedisConfig>, SettingsError> {
        let url = present(self.redis_url.as_ref());
        let config = match url {
            Some(url) => Some(url_config(url.expose())?),
            None => self.parts_config()?,
        };
        config
            .map(|config| self.tls.apply(config, url.is_some()))
            .transpose()
    }

    fn parts_config(&self) -> Result<Option<RedisConfig>, SettingsError> {
        let password = present(self.redis_password.as_ref());
        let named = self.redis_host.is_some() || self.redis_port.is_some() || password.is_some();
        if !named && self.tls.redis_tls != Some(true) {
            return Ok(None);
        }
        let defaults = RedisConfig::default();
        let config = RedisConfig {
            host: self.redis_host.clone().unwrap_or(defaults.host),
            port: self.redis_port.unwrap_or(defaults.port),
            password: password.map(|password| password.expose().into()),
            ..RedisConfig::default()
        };
        let named = |error: ConfigError| SettingsError::invalid("REDIS_HOST", error.to_string());
        config.validate().map_err(named)?;
        Ok(Some(config))
    }
}

fn url_config(url: &str) -> Result<RedisConfig, SettingsError> {
    RedisConfig::from_url(url).map_err(|error| {
        SettingsError::invalid("REDIS_URL", format!("the value is not accepted: {error}"))
    })
}
