//! The role that owns the schema. The API's own role can't change the schema, so the migrator logs in as another.

use clap::Args;
use prepnexus_storage::{ClusterConfig, Secret};

use crate::error::SettingsError;
use crate::value::{name, present, secret};

/// Whom to log in as to change the schema.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Schema owner (migrator and backup)")]
pub struct OwnerSettings {
    /// The role that owns the schema; without it, the one that DB_USER or DATABASE_URL names.
    #[arg(long, env = "DB_OWNER", value_name = "NAME", value_parser = name, hide_env_values = true, global = true)]
    pub db_owner: Option<String>,
    /// Its password.
    #[arg(long, env = "DB_OWNER_PASSWORD", value_name = "SECRET", value_parser = secret, hide_env_values = true, global = true)]
    pub db_owner_password: Option<Secret>,
}

impl OwnerSettings {
    /// The same config, logging in as the owner when one is set.
    ///
    /// # Errors
    /// A password without a role.
    pub fn apply(&self, config: ClusterConfig) -> Result<ClusterConfig, SettingsError> {
        let password = present(self.db_owner_password.as_ref()).cloned();
        match (&self.db_owner, password) {
            (Some(owner), password) => Ok(ClusterConfig {
                user: owner.clone(),
                password,
                password_file: None,
                ..config
            }),
            (None, None) => Ok(config),
            (None, Some(_)) => {
                let problem = "expected DB_OWNER beside it";
                Err(SettingsError::invalid("DB_OWNER_PASSWORD", problem))
            }
        }
    }
}
