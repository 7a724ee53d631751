//! Where Redis is, when it is more than one server.

use clap::Args;
use prepnexus_cache::{Sentinels, Topology};
use prepnexus_storage::Secret;

use crate::error::SettingsError;
use crate::value::{Addresses, nodes, present, secret, sentinels};

/// The servers of a Redis that fails over by itself, or of a cluster.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Redis (none set: the memory cache alone)")]
pub struct RedisTopologySettings {
    /// Sentinels to ask for the master, instead of REDIS_HOST: `host[:port],…`; port 26379 if not given.
    #[arg(long, env = "REDIS_SENTINELS", value_name = "HOST:PORT,…", value_parser = sentinels, hide_env_values = true, global = true)]
    pub redis_sentinels: Option<Addresses>,
    /// What the sentinels call the master.
    #[arg(
        long,
        env = "REDIS_MASTER",
        value_name = "NAME",
        hide_env_values = true,
        global = true
    )]
    pub redis_master: Option<String>,
    /// The sentinels' own password; REDIS_PASSWORD is not told to them.
    #[arg(long, env = "REDIS_SENTINEL_PASSWORD", value_name = "SECRET", value_parser = secret, hide_env_values = true, global = true)]
    pub redis_sentinel_password: Option<Secret>,
    /// Nodes of a cluster, instead of REDIS_HOST, some of them or all: `host[:port],…`; port 6379 if not given.
    #[arg(long, env = "REDIS_CLUSTER", value_name = "HOST:PORT,…", value_parser = nodes, hide_env_values = true, global = true)]
    pub redis_cluster: Option<Addresses>,
}

impl RedisTopologySettings {
    /// Where these settings say that Redis is, if they do; `elsewhere` is a set variable that says it too.
    pub(super) fn topology(
        &self,
        elsewhere: Option<&'static str>,
    ) -> Result<Option<Topology>, SettingsError> {
        let password = present(self.redis_sentinel_password.as_ref());
        let Some(nodes) = &self.redis_sentinels else {
            self.no_sentinels(password.is_some())?;
            return self.cluster(elsewhere);
        };
        if let Some(other) = elsewhere.or(self.redis_cluster.as_ref().map(|_| "REDIS_CLUSTER")) {
            return Err(not_both(other, "REDIS_SENTINELS"));
        }
        let Some(master) = self.redis_master.clone() else {
            let problem = "expected REDIS_MASTER beside it";
            return Err(SettingsError::invalid("REDIS_SENTINELS", problem));
        };
        Ok(Some(Topology::Sentinel(Sentinels {
            nodes: nodes.0.clone(),
            master,
            password: password.map(|password| password.expose().into()),
        })))
    }

    fn cluster(&self, elsewhere: Option<&str>) -> Result<Option<Topology>, SettingsError> {
        match (&self.redis_cluster, elsewhere) {
            (Some(_), Some(other)) => Err(not_both(other, "REDIS_CLUSTER")),
            (Some(nodes), None) => Ok(Some(Topology::Cluster(nodes.0.clone()))),
            (None, _) => Ok(None),
        }
    }

    fn no_sentinels(&self, password: bool) -> Result<(), SettingsError> {
        let alone = |variable| {
            let problem = "expected REDIS_SENTINELS beside it";
            Err(SettingsError::invalid(variable, problem))
        };
        match (&self.redis_master, password) {
            (Some(_), _) => alone("REDIS_MASTER"),
            (None, true) => alone("REDIS_SENTINEL_PASSWORD"),
            (None, false) => Ok(()),
        }
    }
}

fn not_both(one: &str, other: &'static str) -> SettingsError {
    SettingsError::invalid(other, format!("expected either {one} or {other}, not both"))
}
