//! What a Patroni cluster is made of, and the settings file of one of its members.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::postgres::config::settings;
use crate::postgres::{REPLICATION_PASSWORD, REPLICATION_USER};
use crate::{scratch, template};

/// What [`PatroniCluster::start`](crate::PatroniCluster::start) makes. Begin with the constructor and change fields:
///
/// ```
/// use prepnexus_devstack::PatroniConfig;
///
/// let config = PatroniConfig { synchronous_mode: true, ..PatroniConfig::for_tests() };
/// assert_eq!(config.nodes, 3);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatroniConfig {
    /// Where to make the cluster's directory, which is removed with it.
    pub dir: PathBuf,
    /// How many PostgreSQL nodes.
    pub nodes: usize,
    /// A commit waits until one replica has it on disk, and only such a replica may take over.
    pub synchronous_mode: bool,
    /// Survive a crash of the machine. Without it, commits do not wait for the disk; what was acknowledged still survives the
    /// death of the server.
    pub durable: bool,
    /// Further PostgreSQL settings (name, value) for all nodes. Patroni keeps some to itself, as the port.
    pub settings: Vec<(String, String)>,
}

impl PatroniConfig {
    /// Three nodes that replicate asynchronously, fast rather than durable, in memory on a machine with plenty of it.
    #[must_use]
    pub fn for_tests() -> Self {
        Self {
            dir: scratch::default_base(),
            nodes: 3,
            synchronous_mode: false,
            durable: false,
            settings: Vec::new(),
        }
    }
}

/// What one member is told about itself and its cluster.
pub(super) struct Member<'a> {
    pub(super) scope: &'a str,
    pub(super) name: &'a str,
    pub(super) dir: &'a Path,
    pub(super) port: u16,
    pub(super) rest_port: u16,
    pub(super) etcd_port: u16,
    /// Where PostgreSQL's programs are.
    pub(super) programs: &'a Path,
}

impl Member<'_> {
    /// Its settings file. The times are the shortest that work: with a ttl of 3 s no failover ever happens.
    ///
    /// etcd is spoken to by its older protocol. By the newer one, Patroni before 3.0.3 takes the lock back from whoever has it
    /// when it was frozen for longer than its lease, and what the new leader has acknowledged is lost
    /// (<https://github.com/patroni/patroni/pull/2689>).
    pub(super) fn yaml(&self, config: &PatroniConfig) -> String {
        let (scope, name) = (quoted(self.scope), quoted(self.name));
        let address = |port: u16| quoted(&format!("127.0.0.1:{port}"));
        let (server, rest, etcd) = (
            address(self.port),
            address(self.rest_port),
            address(self.etcd_port),
        );
        let path = |path: &Path| quoted(&path.to_string_lossy());
        let (data, pgpass) = (path(&self.dir.join("data")), path(&self.dir.join("pgpass")));
        let programs = path(self.programs);
        let synchronous = config.synchronous_mode;
        let parameters = parameters(config);
        let hba = template::HBA.lines().filter(|line| !line.starts_with('#'));
        let hba: String = hba
            .map(|line| format!("    - {}\n", quoted(line)))
            .collect();
        format!(
            "scope: {scope}
name: {name}
restapi:
  listen: {rest}
  connect_address: {rest}
etcd:
  host: {etcd}
bootstrap:
  dcs:
    ttl: 5
    loop_wait: 1
    retry_timeout: 2
    synchronous_mode: {synchronous}
    postgresql:
      use_pg_rewind: true
      use_slots: true
      parameters:
{parameters}  initdb:
    - encoding: UTF8
    - locale: C.UTF-8
    - data-checksums
postgresql:
  listen: {server}
  connect_address: {server}
  data_dir: {data}
  bin_dir: {programs}
  pgpass: {pgpass}
  remove_data_directory_on_rewind_failure: true
  remove_data_directory_on_diverged_timelines: true
  authentication:
    superuser:
      username: postgres
    replication:
      username: {REPLICATION_USER}
      password: {REPLICATION_PASSWORD}
  pg_hba:
{hba}"
        )
    }
}

fn parameters(config: &PatroniConfig) -> String {
    let own = [("synchronous_commit", "on")];
    let mut text = String::new();
    let all = settings(config.durable, &own, &config.settings);
    // The address is each member's own matter.
    for (name, value) in all.filter(|(name, _)| *name != "listen_addresses") {
        let _ = writeln!(text, "        {name}: {}", quoted(value));
    }
    text
}

/// A YAML string that means itself, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
