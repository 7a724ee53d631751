//! TLS to Redis: on or off, whom to trust, and as whom to come.

use std::path::PathBuf;

use clap::Args;
use prepnexus_cache::{ClientCertificate, RedisConfig, Tls};

use crate::error::SettingsError;
use crate::value::switch;

/// How connections to Redis are encrypted.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Redis (none set: the memory cache alone)")]
pub struct RedisTlsSettings {
    /// true for TLS, to sentinels too; with REDIS_URL write rediss:// instead. The server's certificate is always verified.
    #[arg(long, env = "REDIS_TLS", value_name = "BOOL", value_parser = switch, hide_env_values = true, global = true)]
    pub redis_tls: Option<bool>,
    /// A PEM file of the certificate authorities to trust; the system's if not set.
    #[arg(
        long,
        env = "REDIS_TLS_CA",
        value_name = "FILE",
        hide_env_values = true,
        global = true
    )]
    pub redis_tls_ca: Option<PathBuf>,
    /// A PEM file of the certificate to present to a server that asks for one.
    #[arg(
        long,
        env = "REDIS_TLS_CERT",
        value_name = "FILE",
        hide_env_values = true,
        global = true
    )]
    pub redis_tls_cert: Option<PathBuf>,
    /// A PEM file of its key.
    #[arg(
        long,
        env = "REDIS_TLS_KEY",
        value_name = "FILE",
        hide_env_values = true,
        global = true
    )]
    pub redis_tls_key: Option<PathBuf>,
}

impl RedisTlsSettings {
    /// Adds them to `config`, whose URL, if it has one, has said already whether there is TLS.
    pub(super) fn apply(
        &self,
        config: RedisConfig,
        has_url: bool,
    ) -> Result<RedisConfig, SettingsError> {
        let by_url = has_url.then_some(config.tls.is_some());
        let tls = match (self.redis_tls, by_url) {
            (Some(wanted), Some(has)) if wanted != has => {
                let scheme = if wanted { "rediss" } else { "redis" };
                let problem = format!("expected REDIS_URL to begin with {scheme}://");
                return Err(SettingsError::invalid("REDIS_TLS", problem));
            }
            (wanted, has) => has.or(wanted).unwrap_or(false),
        };
        let tls = if tls { Some(self.tls()?) } else { self.none()? };
        let config = RedisConfig { tls, ..config };
        config.check_tls().map_err(|error| {
            let variable = match error.field {
                "tls.ca_file" => "REDIS_TLS_CA",
                _ => "REDIS_TLS_CERT",
            };
            SettingsError::invalid(variable, error.problem)
        })?;
        Ok(config)
    }

    fn tls(&self) -> Result<Tls, SettingsError> {
        let (cert, key) = (self.redis_tls_cert.clone(), self.redis_tls_key.clone());
        let alone = |variable, other| {
            SettingsError::invalid(variable, format!("expected {other} beside it"))
        };
        let client = match (cert, key) {
            (Some(cert_file), Some(key_file)) => Some(ClientCertificate {
                cert_file,
                key_file,
            }),
            (None, None) => None,
            (Some(_), None) => return Err(alone("REDIS_TLS_CERT", "REDIS_TLS_KEY")),
            (None, Some(_)) => return Err(alone("REDIS_TLS_KEY", "REDIS_TLS_CERT")),
        };
        Ok(Tls {
            ca_file: self.redis_tls_ca.clone(),
            client,
        })
    }

    /// Nothing, unless a file was meant for something.
    fn none(&self) -> Result<Option<Tls>, SettingsError> {
        let files = [
            ("REDIS_TLS_CA", &self.redis_tls_ca),
            ("REDIS_TLS_CERT", &self.redis_tls_cert),
            ("REDIS_TLS_KEY", &self.redis_tls_key),
        ];
        match files.into_iter().find(|(_, file)| file.is_some()) {
            Some((variable, _)) => {
                let problem = "expected REDIS_TLS=true, or a REDIS_URL with rediss://, beside it";
                Err(SettingsError::invalid(variable, problem))
            }
            None => Ok(None),
        }
    }
}
