//! A master, its replica, and three sentinels that promote the replica when the master is gone.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::redis::node::{Home, RedisNode, SERVES, WATCHES};
use crate::wait::wait_until;

const FORMING: Duration = Duration::from_secs(30);
/// A majority of three.
const QUORUM: usize = 2;
/// How long (ms) a server gives no answer until a sentinel calls it down.
const DOWN_AFTER_MS: u32 = 1_000;
/// What is between two attempts at a promotion (ms), half of it.
const FAILOVER_MS: u32 = 2_000;

/// Two servers and three sentinels on loopback ports of their own. A failure is found after a second, and mended after
/// about two. They end when this is dropped.
#[derive(Debug)]
pub struct RedisSentinels {
    servers: [RedisNode; 2],
    sentinels: [RedisNode; 3],
}

impl RedisSentinels {
    /// What the sentinels call the master.
    pub const MASTER: &str = "cache";

    /// Starts all, and waits until each sentinel knows the others and the replica.
    ///
    /// # Errors
    /// [`Error::Missing`](crate::Error::Missing) without the Debian package `redis-server`;
    /// [`Error::Start`](crate::Error::Start); [`Error::Timeout`](crate::Error::Timeout) after half a minute.
    pub fn start() -> Result<Self> {
        let home = Home::make()?;
        let first = start_server(&home, "redis-1", None)?;
        let second = start_server(&home, "redis-2", Some(first.port()))?;
        let watch = |number| start_sentinel(&home, number, first.port());
        let formed = Self {
            sentinels: [watch(1)?, watch(2)?, watch(3)?],
            servers: [first, second],
        };
        wait_until("the replica having what the master has", FORMING, || {
            let seen = formed.servers[1].cli(&["INFO", "replication"])?;
            Ok(seen.contains("master_link_status:up"))
        })?;
        for sentinel in &formed.sentinels {
            wait_until("sentinels finding each other", FORMING, || {
                let seen = sentinel.cli(&["SENTINEL", "MASTER", Self::MASTER])?;
                Ok(value(&seen, "num-slaves") == Some("1")
                    && value(&seen, "num-other-sentinels") == Some("2"))
            })?;
        }
        Ok(formed)
    }

    /// The two servers: the first was the master at the start.
    #[must_use]
    pub fn servers(&self) -> &[RedisNode; 2] {
        &self.servers
    }

    /// The sentinels.
    #[must_use]
    pub fn sentinels(&self) -> &[RedisNode; 3] {
        &self.sentinels
    }
}

fn start_server(home: &Arc<Home>, name: &str, master: Option<u16>) -> Result<RedisNode> {
    let replicates = master.map(|port| format!("127.0.0.1 {port}"));
    RedisNode::launch(Arc::clone(home), name, SERVES, |port| {
        let port = port.to_string();
        let mut arguments = home.server(&[["--port", &port], ["--repl-diskless-sync-delay", "0"]]);
        if let Some(master) = &replicates {
            arguments.extend(["--replicaof".to_owned(), master.clone()]);
        }
        Ok(arguments)
    })
}

/// A sentinel writes what it learns to its configuration, so that it is a file.
fn start_sentinel(home: &Arc<Home>, number: usize, master: u16) -> Result<RedisNode> {
    let name = format!("sentinel-{number}");
    let called = RedisSentinels::MASTER;
    RedisNode::launch(Arc::clone(home), &name, WATCHES, |port| {
        let text = format!(
            "port {port}\n\
             bind 127.0.0.1\n\
             sentinel monitor {called} 127.0.0.1 {master} {QUORUM}\n\
             sentinel down-after-milliseconds {called} {DOWN_AFTER_MS}\n\
             sentinel failover-timeout {called} {FAILOVER_MS}\n"
        );
        let file = home.write(&format!("{name}.conf"), &text)?;
        Ok(vec![file, "--sentinel".to_owned()])
    })
}

/// What follows the line `name` in an answer of names and values.
fn value<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = answer.lines();
    lines.find(|line| *line == name)?;
    lines.next()
}
