//! Where the database is, and how long to wait for it: [`ClusterConfig`] as settings.

mod tuning;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use prepnexus_storage::config::InvalidConfig;
use prepnexus_storage::{ClusterConfig, NodeAddr, Secret, SslMode};

use crate::error::SettingsError;
use crate::value::{Hosts, Ports, duration, name, present, secret};

pub use self::tuning::{Pooler, TuningSettings};

/// How to reach the database.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseSettings {
    /// The database's servers, primary and replicas alike, in any order, separated by commas.
    #[arg(
        long,
        env = "DB_HOST",
        default_value = "127.0.0.1",
        value_name = "HOST,…",
        hide_env_values = true,
        global = true
    )]
    pub db_host: Hosts,
    /// Their ports: one for all, or one for each, separated by commas.
    #[arg(
        long,
        env = "DB_PORT",
        default_value = "5432",
        value_name = "PORT,…",
        hide_env_values = true,
        global = true
    )]
    pub db_port: Ports,
    /// The database's name.
    #[arg(long, env = "DB_NAME", default_value = "prepnexus", value_name = "NAME", value_parser = name, hide_env_values = true, global = true)]
    pub db_name: String,
    /// The role that reads and writes rows.
    #[arg(long, env = "DB_USER", default_value = "prepnexus", value_name = "NAME", value_parser = name, hide_env_values = true, global = true)]
    pub db_user: String,
    /// Its password. A flag can be seen by everybody on the machine: prefer the variable, or the file.
    #[arg(long, env = "DB_PASSWORD", value_name = "SECRET", value_parser = secret, hide_env_values = true, global = true)]
    pub db_password: Option<Secret>,
    /// A file with its password, instead of DB_PASSWORD; a line break at its end does not count.
    #[arg(
        long,
        env = "DB_PASSWORD_FILE",
        value_name = "FILE",
        hide_env_values = true,
        global = true
    )]
    pub db_password_file: Option<PathBuf>,
    /// Encryption, in libpq's words: disable, prefer, require, verify-ca or verify-full.
    #[arg(long, env = "DB_SSLMODE", default_value = SslMode::Prefer.as_str(), value_name = "MODE", hide_env_values = true, global = true)]
    pub db_sslmode: SslMode,
    /// A PEM file of the certificate authorities to trust; verify-ca and verify-full need it.
    #[arg(
        long,
        env = "DB_SSLROOTCERT",
        value_name = "FILE",
        hide_env_values = true,
        global = true
    )]
    pub db_sslrootcert: Option<PathBuf>,
    /// All of the above in one: `postgresql://user:password@host:port,host:port/database?sslmode=…`.
    /// What the URL leaves out has its default; the variables above are then not looked at.
    #[arg(long, env = "DATABASE_URL", value_name = "URL", value_parser = secret, hide_env_values = true, global = true)]
    pub database_url: Option<Secret>,
    /// The longest that connecting may take. A connect_timeout in DATABASE_URL wins.
    #[arg(long, env = "DB_CONNECT_TIMEOUT", default_value = "1s", value_name = "DURATION", value_parser = duration, hide_env_values = true, global = true)]
    pub db_connect_timeout: Duration,
    /// The longest that work without a deadline of its own may take, waiting included.
    #[arg(long, env = "DB_DEADLINE", default_value = "5s", value_name = "DURATION", value_parser = duration, hide_env_values = true, global = true)]
    pub db_deadline: Duration,
    /// The longest that one statement may run on the server.
    #[arg(long, env = "DB_STATEMENT_TIMEOUT", default_value = "30s", value_name = "DURATION", value_parser = duration, hide_env_values = true, global = true)]
    pub db_statement_timeout: Duration,
    /// A statement that takes this long is listed by /api/monitoring/database/queries, with its plan.
    #[arg(long, env = "DB_SLOW_QUERY", default_value = "100ms", value_name = "DURATION", value_parser = duration, hide_env_values = true, global = true)]
    pub db_slow_query: Duration,
    /// How often each server is probed while all is well.
    #[arg(long, env = "DB_PROBE_INTERVAL", default_value = "500ms", value_name = "DURATION", value_parser = duration, hide_env_values = true, global = true)]
    pub db_probe_interval: Duration,
    /// The longest that a probe may take before the server counts as down.
    #[arg(long, env = "DB_PROBE_TIMEOUT", default_value = "500ms", value_name = "DURATION", value_parser = duration, hide_env_values = true, global = true)]
    pub db_probe_timeout: Duration,
    /// How connections are kept, and which replica serves what.
    #[command(flatten)]
    pub tuning: TuningSettings,
}

impl DatabaseSettings {
    /// The config that these settings mean. `application_name` is how the connections present themselves to the server.
    ///
    /// # Errors
    /// The first setting that can't be used, by its variable.
    pub fn cluster_config(&self, application_name: &str) -> Result<ClusterConfig, SettingsError> {
        let url = present(self.database_url.as_ref());
        let mut config = match url {
            Some(url) => url_config(url.expose())?,
            None => self.parts_config()?,
        };
        if config.connect_timeout == ClusterConfig::default().connect_timeout {
            config.connect_timeout = self.db_connect_timeout;
        }
        config.application_name = application_name.to_owned();
        config.default_deadline = self.db_deadline;
        config.statement_timeout = self.db_statement_timeout;
        config.slow_query = self.db_slow_query;
        config.probe_interval = self.db_probe_interval;
        config.probe_timeout = self.db_probe_timeout;
        let config = self.tuning.apply(config);
        let named = |invalid: InvalidConfig| match url {
            Some(_) => SettingsError::invalid("DATABASE_URL", invalid.to_string()),
            None => SettingsError::invalid(variable_of(invalid.field), invalid.detail),
        };
        config.validate().map_err(named)?;
        let unusable = |error: prepnexus_storage::Error| {
            let variable = url.map_or("DB_SSLROOTCERT", |_| "DATABASE_URL");
            SettingsError::invalid(variable, error.chain())
        };
        config.check_tls().map_err(unusable)?;
        Ok(config)
    }

    fn parts_config(&self) -> Result<ClusterConfig, SettingsError> {
        Ok(ClusterConfig {
            nodes: nodes(&self.db_host.0, &self.db_port.0)?,
            database: self.db_name.clone(),
            user: self.db_user.clone(),
            password: self.password()?,
            password_file: self.password_file().cloned(),
            ssl_mode: self.db_sslmode,
            ssl_root_cert: self.db_sslrootcert.clone(),
            ..ClusterConfig::default()
        })
    }

    /// The file, if one is really set.
    fn password_file(&self) -> Option<&PathBuf> {
        let file = self.db_password_file.as_ref();
        file.filter(|path| !path.as_os_str().is_empty())
    }

    fn password(&self) -> Result<Option<Secret>, SettingsError> {
        const VARIABLE: &str = "DB_PASSWORD_FILE";
        let password = present(self.db_password.as_ref());
        let Some(path) = self.password_file() else {
            return Ok(password.cloned());
        };
        if password.is_some() {
            let problem = "expected either DB_PASSWORD or DB_PASSWORD_FILE, not both";
            return Err(SettingsError::invalid(VARIABLE, problem));
        }
        let password = Secret::read_file(path).map_err(|source| match source.kind() {
            ErrorKind::InvalidData => {
                SettingsError::invalid(VARIABLE, format!("{path:?}: {source}"))
            }
            _ => SettingsError::Unreadable {
                variable: VARIABLE,
                path: path.clone(),
                source,
            },
        })?;
        Ok(Some(password))
    }
}

fn url_config(url: &str) -> Result<ClusterConfig, SettingsError> {
    let invalid = |problem: &str| {
        let problem = format!("the value is not accepted: {problem}");
        SettingsError::invalid("DATABASE_URL", problem)
    };
    // Otherwise the rest of a password after its question mark would be taken for parameters, and named in an error.
    if url
        .split_once('?')
        .is_some_and(|(_, query)| query.contains('@'))
    {
        return Err(invalid("in a user or password write ? as %3F and @ as %40"));
    }
    ClusterConfig::from_url(url).map_err(|error| invalid(&error.to_string()))
}

/// One port is for all hosts, and one host is for all ports; otherwise they come in pairs.
fn nodes(hosts: &[String], ports: &[u16]) -> Result<Vec<NodeAddr>, SettingsError> {
    if hosts.len() != ports.len() && hosts.len() != 1 && ports.len() != 1 {
        let (hosts, ports) = (hosts.len(), ports.len());
        let problem = format!(
            "expected one port, or one for each of the {hosts} hosts of DB_HOST, not {ports}"
        );
        return Err(SettingsError::invalid("DB_PORT", problem));
    }
    let node = |index: usize| NodeAddr {
        host: hosts.get(index).unwrap_or(&hosts[0]).clone(),
        port: *ports.get(index).unwrap_or(&ports[0]),
    };
    Ok((0..hosts.len().max(ports.len())).map(node).collect())
}

/// The variable behind a field of [`ClusterConfig`], for those that the value parsers can't judge alone.
fn variable_of(field: &str) -> &'static str {
    match field {
        "nodes" => "DB_HOST",
        "database" => "DB_NAME",
        "user" => "DB_USER",
        "ssl_root_cert" => "DB_SSLROOTCERT",
        "pool_size" => "DB_POOL_SIZE",
        "pool_max_lifetime" => "DB_POOL_MAX_LIFETIME",
        "max_lag" => "DB_MAX_LAG",
        "connect_timeout" => "DB_CONNECT_TIMEOUT",
        "default_deadline" => "DB_DEADLINE",
        "statement_timeout" => "DB_STATEMENT_TIMEOUT",
        "probe_interval" => "DB_PROBE_INTERVAL",
        "probe_timeout" => "DB_PROBE_TIMEOUT",
        _ => "database settings",
    }
}
