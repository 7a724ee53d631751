//! The settings of a node, in two files beside its data directory.
//!
//! `stack.conf` is the same for all nodes and is written when a stack starts. `node.conf` is the memory of one node: its port,
//! whom it follows, how late it replays. It is read back when another process attaches.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use crate::error::{During, Result};
use crate::postgres::{REPLICATION_PASSWORD, REPLICATION_USER};
use crate::stack::StackConfig;

/// What one node remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NodeConf {
    /// 0 when none was chosen yet.
    pub(crate) port: u16,
    /// The port of the node it follows when it is a standby; 0 for none.
    pub(crate) upstream: u16,
    pub(crate) apply_delay: Duration,
}

impl NodeConf {
    /// What an earlier start left, or nothing.
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let value = |key: &str| {
            let line = text.lines().find(|line| line.starts_with(key))?;
            line.split_once('=')
                .map(|(_, value)| value.trim().trim_matches('\''))
        };
        let upstream = value("primary_conninfo").and_then(|conninfo| {
            conninfo
                .split(' ')
                .find_map(|word| word.strip_prefix("port=")?.parse().ok())
        });
        let delay = value("recovery_min_apply_delay");
        let delay = delay.and_then(|delay| delay.strip_suffix("ms")?.parse().ok());
        Self {
            port: value("port")
                .and_then(|port| port.parse().ok())
                .unwrap_or(0),
            upstream: upstream.unwrap_or(0),
            apply_delay: Duration::from_millis(delay.unwrap_or(0)),
        }
    }

    pub(crate) fn text(&self, name: &str, cluster_name: &str) -> String {
        let Self {
            port,
            upstream,
            apply_delay,
        } = self;
        let mut text = format!("port = {port}\ncluster_name = '{cluster_name}'\n");
        if *upstream != 0 {
            let _ = writeln!(
                text,
                "primary_conninfo = 'host=127.0.0.1 port={upstream} user={REPLICATION_USER} \
                 password={REPLICATION_PASSWORD} application_name={name}'\nprimary_slot_name = '{name}'"
            );
        }
        let _ = writeln!(
            text,
            "recovery_min_apply_delay = '{}ms'",
            apply_delay.as_millis()
        );
        text
    }
}

/// What every server of this crate is set to, whoever manages it.
const COMMON: [(&str, &str); 22] = [
    ("listen_addresses", "127.0.0.1"),
    ("unix_socket_directories", ""),
    ("max_connections", "200"),
    ("shared_buffers", "128MB"),
    ("dynamic_shared_memory_type", "mmap"),
    // As in `deploy`: what is read is in memory, or on a disk without heads.
    ("random_page_cost", "1.1"),
    ("shared_preload_libraries", "pg_stat_statements"),
    ("wal_level", "replica"),
    ("wal_log_hints", "on"),
    ("max_wal_senders", "20"),
    ("max_replication_slots", "20"),
    ("max_slot_wal_keep_size", "2GB"),
    ("wal_keep_size", "256MB"),
    ("wal_retrieve_retry_interval", "200ms"),
    ("wal_receiver_status_interval", "1s"),
    ("hot_standby", "on"),
    ("hot_standby_feedback", "on"),
    ("password_encryption", "scram-sha-256"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("log_min_messages", "warning"),
    ("log_line_prefix", "%m [%p] %q%u@%d %a "),
];

/// The common settings, then whether they survive a crash of the machine, then the caller's, which win.
pub(crate) fn settings<'a>(
    durable: bool,
    own: &'a [(&'a str, &'a str)],
    callers: &'a [(String, String)],
) -> impl Iterator<Item = (&'a str, &'a str)> {
    // full_page_writes stays on: pg_rewind refuses a source without it.
    let fsync = (!durable).then_some(("fsync", "off"));
    let callers = callers.iter();
    let callers = callers.map(|(name, value)| (name.as_str(), value.as_str()));
    COMMON
        .into_iter()
        .chain(fsync)
        .chain(own.iter().copied())
        .chain(callers)
}

/// The settings that all nodes of a stack share.
pub(crate) fn stack_conf(config: &StackConfig) -> String {
    let own: &[(&str, &str)] = match (config.synchronous, config.durable) {
        (true, _) => &[
            ("synchronous_standby_names", "ANY 1 (*)"),
            ("synchronous_commit", "remote_apply"),
        ],
        (false, true) => &[("synchronous_commit", "on")],
        (false, false) => &[("synchronous_commit", "off")],
    };
    let mut text = String::new();
    for (name, value) in settings(config.durable, own, &config.settings) {
        let value = value.replace('\\', "\\\\").replace('\'', "''");
        let _ = writeln!(text, "{name} = '{value}'");
    }
    text
}

/// Replaces a settings file, so that a server never reads half of one. They are readable by all; they hold no secrets but
/// those printed in this crate's source.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    let unfinished = path.with_extension("new");
    let written =
        std::fs::write(&unfinished, text).and_then(|()| std::fs::rename(&unfinished, path));
    written.during(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_remembers_what_it_wrote() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.conf");
        let delay = Duration::from_millis(2_500);
        for conf in [
            NodeConf {
                port: 4_321,
                upstream: 1_234,
                apply_delay: delay,
            },
            NodeConf {
                port: 4_321,
                ..NodeConf::default()
            },
        ] {
            write(&path, &conf.text("pg2", "pg2-0")).unwrap();
            assert_eq!(NodeConf::read(&path), conf);
        }
        assert_eq!(
            NodeConf::read(&dir.path().join("absent")),
            NodeConf::default()
        );
    }
}
