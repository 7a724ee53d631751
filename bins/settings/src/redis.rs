//! Where Redis is, if there is one.

mod tls;
mod topology;

use clap::Args;
use prepnexus_cache::{RedisAddr, RedisConfig, Topology};
use prepnexus_storage::Secret;

use crate::error::SettingsError;
use crate::value::{host, port, present, secret};

pub use tls::RedisTlsSettings;
pub use topology::RedisTopologySettings;

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
    /// An ACL user; the default one if not set.
    #[arg(
        long,
        env = "REDIS_USERNAME",
        value_name = "NAME",
        hide_env_values = true,
        global = true
    )]
    pub redis_username: Option<String>,
    /// The user's password.
    #[arg(long, env = "REDIS_PASSWORD", value_name = "SECRET", value_parser = secret, hide_env_values = true, global = true)]
    pub redis_password: Option<Secret>,
    /// All of the above in one: `redis://[[user]:password@]host[:port][/database]`, or `rediss://…` for TLS.
    #[arg(long, env = "REDIS_URL", value_name = "URL", value_parser = secret, hide_env_values = true, global = true)]
    pub redis_url: Option<Secret>,
    /// The servers of a Redis that is more than one.
    #[command(flatten)]
    pub topology: RedisTopologySettings,
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
        let topology = self.topology.topology(self.server(url.is_some()))?;
        let config = match url {
            Some(url) => Some(url_config(url.expose())?),
            None => self.parts_config(topology)?,
        };
        config
            .map(|config| self.tls.apply(config, url.is_some()))
            .transpose()
    }

    /// The variable that names one server, if one does.
    fn server(&self, url: bool) -> Option<&'static str> {
        let variables = [
            ("REDIS_URL", url),
            ("REDIS_HOST", self.redis_host.is_some()),
            ("REDIS_PORT", self.redis_port.is_some()),
        ];
        let mut set = variables.into_iter().filter(|(_, set)| *set);
        set.next().map(|(variable, _)| variable)
    }

    fn parts_config(
        &self,
        topology: Option<Topology>,
    ) -> Result<Option<RedisConfig>, SettingsError> {
        let password = present(self.redis_password.as_ref());
        let login = password.is_some() || self.redis_username.is_some();
        let named = topology.is_some() || self.server(false).is_some();
        if !named && !login && self.tls.redis_tls != Some(true) {
            return Ok(None);
        }
        let config = RedisConfig {
            topology: topology.unwrap_or_else(|| self.standalone()),
            username: self.redis_username.clone(),
            password: password.map(|password| password.expose().into()),
            ..RedisConfig::default()
        };
        config
            .validate()
            .map_err(|error| SettingsError::invalid(variable_of(error.field), error.problem))?;
        Ok(Some(config))
    }

    fn standalone(&self) -> Topology {
        let default = RedisAddr::default();
        Topology::Standalone(RedisAddr {
            host: self.redis_host.clone().unwrap_or(default.host),
            port: self.redis_port.unwrap_or(default.port),
        })
    }
}

fn url_config(url: &str) -> Result<RedisConfig, SettingsError> {
    RedisConfig::from_url(url).map_err(|error| {
        SettingsError::invalid("REDIS_URL", format!("the value is not accepted: {error}"))
    })
}

/// The variable behind a field of [`RedisConfig`], for those that the value parsers can't judge alone.
fn variable_of(field: &str) -> &'static str {
    match field {
        "username" => "REDIS_USERNAME",
        "master" => "REDIS_MASTER",
        "sentinels" => "REDIS_SENTINELS",
        "cluster" => "REDIS_CLUSTER",
        _ => "REDIS_HOST",
    }
}
