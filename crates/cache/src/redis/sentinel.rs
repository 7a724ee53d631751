//! Finding the master by asking sentinels, anew for each connection, so that a fail-over needs nobody's notice.
//!
//! A sentinel may be away, frozen, or not have heard yet; and until a demoted master is told, it believes that it still
//! is one. So all sentinels are asked until a server that one of them names says of itself that it is a master. Both can be
//! behind at once: a fail-over has a number, the configuration epoch, and a sentinel that has not heard of the last one that
//! any of them told of is passed over. When most of them are behind they were set up anew, and count from there.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bb8_redis::redis::aio::MultiplexedConnection;
use bb8_redis::redis::{Value, cmd};
use tokio::time::timeout;

use super::dial::{Dialer, OnPush};
use super::error::describe;
use crate::config::{RedisAddr, Sentinels};

/// The sentinels of one master.
#[derive(Clone)]
pub(super) struct Finder {
    to_sentinels: Dialer,
    to_servers: Dialer,
    sentinels: Sentinels,
    /// Who knew last, and is asked first.
    first: Arc<AtomicUsize>,
    /// The last fail-over that any of them told of.
    epoch: Arc<AtomicU64>,
}

/// What a sentinel says.
struct Told {
    master: RedisAddr,
    epoch: u64,
}

impl Finder {
    pub(super) fn new(sentinels: &Sentinels, to_servers: Dialer) -> Self {
        Self {
            to_sentinels: to_servers.as_default_user(sentinels.password.as_ref()),
            to_servers,
            sentinels: sentinels.clone(),
            first: Arc::default(),
            epoch: Arc::default(),
        }
    }

    /// A connection to the master within `limit`, of which each sentinel has its share; or why the last of them led to none.
    pub(super) async fn connect(
        &self,
        on_push: &OnPush,
        limit: Duration,
    ) -> Result<MultiplexedConnection, String> {
        let nodes = &self.sentinels.nodes;
        let share = limit / u32::try_from(nodes.len()).unwrap_or(u32::MAX);
        let first = self.first.load(Ordering::Relaxed);
        let known = self.epoch.load(Ordering::Relaxed);
        let mut reason = String::new();
        let mut behind = Vec::new();
        for number in (0..nodes.len()).map(|turn| (first + turn) % nodes.len()) {
            let sentinel = &nodes[number];
            let connecting = async {
                let told = self.ask(sentinel).await?;
                self.epoch.fetch_max(told.epoch, Ordering::Relaxed);
                if told.epoch < known {
                    behind.push(told.epoch);
                    return Err(format!(
                        "sentinel {sentinel} has not heard of the last fail-over"
                    ));
                }
                self.connect_to(&told.master, sentinel, on_push).await
            };
            match timeout(share, connecting).await {
                Ok(Ok(connection)) => {
                    self.first.store(number, Ordering::Relaxed);
                    return Ok(connection);
                }
                Ok(Err(why)) => reason = why,
                Err(_elapsed) => {
                    let share = share.as_millis();
                    reason = format!("sentinel {sentinel} led to no master within {share} ms");
                }
            }
        }
        if behind.len() > nodes.len() / 2 {
            let anew = behind.into_iter().max().unwrap_or_default();
            self.epoch.store(anew, Ordering::Relaxed);
        }
        Err(reason)
    }

    async fn connect_to(
        &self,
        master: &RedisAddr,
        sentinel: &RedisAddr,
        on_push: &OnPush,
    ) -> Result<MultiplexedConnection, String> {
        let wrong = |why: String| format!("{master}, the master by sentinel {sentinel}: {why}");
        let connecting = self.to_servers.connect(master, Arc::clone(on_push));
        let mut connection = connecting.await.map_err(wrong)?;
        let role = cmd("ROLE").query_async::<Vec<Value>>(&mut connection).await;
        let role = role.map_err(|error| wrong(describe(&error)))?;
        match role.first() {
            Some(Value::BulkString(role)) if role == b"master" => Ok(connection),
            _ => Err(wrong("it is none".to_owned())),
        }
    }

    /// Where the master is, as one sentinel sees it.
    async fn ask(&self, sentinel: &RedisAddr) -> Result<Told, String> {
        let wrong = |why: String| format!("sentinel {sentinel}: {why}");
        let connecting = self.to_sentinels.connect(sentinel, Arc::new(|_| {}));
        let mut connection = connecting.await.map_err(wrong)?;
        let mut command = cmd("SENTINEL");
        command.arg("master").arg(&self.sentinels.master);
        let found = command.query_async::<HashMap<String, String>>(&mut connection);
        let found = found.await.map_err(|error| {
            let is_unknown = error
                .detail()
                .is_some_and(|said| said.contains("No such master"));
            if is_unknown {
                let master = &self.sentinels.master;
                return wrong(format!("it knows no master {master:?}"));
            }
            wrong(describe(&error))
        })?;
        let number = |field: &str| {
            let value = found.get(field).and_then(|value| value.parse::<u64>().ok());
            value.ok_or_else(|| wrong(format!("its answer has no number {field}")))
        };
        let host = found.get("ip").cloned();
        let port = u16::try_from(number("port")?).ok();
        let (Some(host), Some(port)) = (host, port) else {
            return Err(wrong("its answer has no address".to_owned()));
        };
        Ok(Told {
            master: RedisAddr { host, port },
            epoch: number("config-epoch")?,
        })
    }
}
