//! Finding the master by asking sentinels, anew for each connection, so that a fail-over needs nobody's notice.
//!
//! A sentinel may be away, frozen, or not have heard yet; and until a demoted master is told, it believes that it still
//! is one. So all sentinels are asked until a server that one of them names says of itself that it is a master.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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
}

impl Finder {
    pub(super) fn new(sentinels: &Sentinels, to_servers: Dialer) -> Self {
        Self {
            to_sentinels: to_servers.as_default_user(sentinels.password.as_ref()),
            to_servers,
            sentinels: sentinels.clone(),
            first: Arc::default(),
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
        let mut reason = String::new();
        for number in (0..nodes.len()).map(|turn| (first + turn) % nodes.len()) {
            let sentinel = &nodes[number];
            match timeout(share, self.connect_by(sentinel, on_push)).await {
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
        Err(reason)
    }

    async fn connect_by(
        &self,
        sentinel: &RedisAddr,
        on_push: &OnPush,
    ) -> Result<MultiplexedConnection, String> {
        let master = self.ask(sentinel).await?;
        let wrong = |why: String| format!("{master}, the master by sentinel {sentinel}: {why}");
        let connecting = self.to_servers.connect(&master, Arc::clone(on_push));
        let mut connection = connecting.await.map_err(wrong)?;
        let role = cmd("ROLE").query_async::<Vec<Value>>(&mut connection).await;
        let role = role.map_err(|error| wrong(describe(&error)))?;
        match role.first() {
            Some(Value::BulkString(role)) if role == b"master" => Ok(connection),
            _ => Err(wrong("it is none".to_owned())),
        }
    }

    /// Where the master is, as one sentinel sees it.
    async fn ask(&self, sentinel: &RedisAddr) -> Result<RedisAddr, String> {
        let wrong = |why: String| format!("sentinel {sentinel}: {why}");
        let connecting = self.to_sentinels.connect(sentinel, Arc::new(|_| {}));
        let mut connection = connecting.await.map_err(wrong)?;
        let mut command = cmd("SENTINEL");
        let master = &self.sentinels.master;
        command.arg("get-master-addr-by-name").arg(master);
        let found = command.query_async::<Option<(String, u16)>>(&mut connection);
        let found = found.await.map_err(|error| wrong(describe(&error)))?;
        let (host, port) = found.ok_or_else(|| wrong(format!("it knows no master {master:?}")))?;
        Ok(RedisAddr { host, port })
    }
}
