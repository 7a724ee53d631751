//! Opens connections, and knows when one is beyond use.
//!
//! bb8-redis brings a manager whose `has_broken` is always false: with its PING at check-out every
//! request pays a round trip, and without it a connection that the server closed is handed out for
//! ever. Here each connection carries a flag that all clones of its handle share. It is raised
//!
//! - by the client's own notice that the socket has closed, also while idle, so that a restarted
//!   server usually costs no request at all (this notice needs RESP3, so Redis 6 or newer);
//! - by a reply that didn't come in time, or that left the stream out of step.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bb8_redis::redis::aio::{MultiplexedConnection, SendError};
use bb8_redis::redis::io::tcp::TcpSettings;
use bb8_redis::redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, FromRedisValue, IntoConnectionInfo,
    ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo, RedisError,
};
use tokio::time::timeout;

use super::error::{Error, classify, describe};
use crate::config::{ConfigError, RedisConfig, Tls};

/// Commands that may queue up per connection before callers wait for the socket.
const QUEUE_LENGTH: usize = 256;

/// A handle on one connection. Any number of clones may send at once.
#[derive(Clone)]
pub(super) struct Connection {
    handle: MultiplexedConnection,
    broken: Arc<AtomicBool>,
}

impl Connection {
    /// Whether it should leave the pool.
    pub(super) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// Sends `command` and waits for its reply for at most `limit`.
    pub(super) async fn query<T: FromRedisValue>(
        mut self,
        command: &Cmd,
        limit: Duration,
    ) -> Result<T, Error> {
        match timeout(limit, command.query_async(&mut self.handle)).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => {
                if error.is_io_error() || error.is_unrecoverable_error() {
                    self.mark_broken();
                }
                Err(classify(&error))
            }
            Err(_elapsed) => {
                self.mark_broken();
                Err(Error::Timeout {
                    limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
                })
            }
        }
    }

    fn mark_broken(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }
}

/// Why connecting failed last, so that those who only see the pool run dry can say it.
#[derive(Clone, Default)]
pub(super) struct ConnectFailures(Arc<Mutex<Option<String>>>);

impl ConnectFailures {
    /// The latest failure since connecting last succeeded.
    pub(super) fn latest(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, failure: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }
}

/// Connects for the pool.
#[derive(Clone)]
pub(super) struct Manager {
    client: Client,
    encrypted: bool,
    connect_timeout: Duration,
    failures: ConnectFailures,
}

impl Manager {
    /// A manager for the server in `config`; connects to nothing yet.
    pub(super) fn new(config: &RedisConfig) -> Result<Self, ConfigError> {
        let mut redis = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_db(i64::from(config.database));
        if let Some(username) = &config.username {
            redis = redis.set_username(username);
        }
        if let Some(password) = &config.password {
            redis = redis.set_password(password.expose());
        }
        let addr = match &config.tls {
            None => ConnectionAddr::Tcp(config.host.clone(), config.port),
            Some(_) => ConnectionAddr::TcpTls {
                host: config.host.clone(),
                port: config.port,
                insecure: false,
                tls_params: None,
            },
        };
        let info = addr.into_connection_info().map(|info| {
            info.set_redis_settings(redis)
                .set_tcp_settings(TcpSettings::default().set_nodelay(true))
        });
        let certificates = config.tls.as_ref().map(Tls::read).transpose()?;
        let client = info.and_then(|info| match certificates {
            None => Client::open(info),
            Some(certificates) => Client::build_with_tls(info, certificates),
        });
        Ok(Self {
            encrypted: config.tls.is_some(),
            client: client.map_err(|error| ConfigError::new("host", describe(&error)))?,
            connect_timeout: config.connect_timeout,
            failures: ConnectFailures::default(),
        })
    }

    /// Where failures to connect are noted.
    pub(super) fn failures(&self) -> ConnectFailures {
        self.failures.clone()
    }

    async fn open(&self) -> Result<Connection, String> {
        let broken = Arc::new(AtomicBool::new(false));
        let closed = Arc::clone(&broken);
        let on_push = move |push: &PushInfo| {
            if push.kind == PushKind::Disconnection {
                closed.store(true, Ordering::Relaxed);
            }
        };
        let handle = self.open_with(on_push).await?;
        Ok(Connection { handle, broken })
    }

    /// A connection; `on_push` hears what the server says unasked, and that the connection is lost.
    pub(super) async fn open_with(
        &self,
        on_push: impl Fn(&PushInfo) + Send + Sync + 'static,
    ) -> Result<MultiplexedConnection, String> {
        // The client's own limits are off: those around the calls cover what they cover, and more.
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE_LENGTH)
            .set_push_sender(move |push: PushInfo| {
                on_push(&push);
                Ok::<_, SendError>(())
            });
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&settings);
        match timeout(self.connect_timeout, connecting).await {
            Ok(Ok(handle)) => Ok(handle),
            // So does a server that waits for TLS, without a word.
            Ok(Err(error)) if self.hung_up(&error) => Err(format!(
                "{}: the server hung up at once; does it expect TLS (rediss://)?",
                describe(&error)
            )),
            Ok(Err(error)) => Err(describe(&error)),
            Err(_elapsed) => {
                let limit = self.connect_timeout.as_millis();
                Err(format!("connecting took longer than {limit} ms"))
            }
        }
    }

    fn hung_up(&self, error: &RedisError) -> bool {
        !self.encrypted && error.is_connection_dropped() && !error.is_connection_refusal()
    }
}

impl bb8::ManageConnection for Manager {
    type Connection = Connection;
    type Error = Error;

    async fn connect(&self) -> Result<Connection, Error> {
        match self.open().await {
            Ok(connection) => {
                self.failures.set(None);
                Ok(connection)
            }
            Err(reason) => {
                tracing::debug!(reason, "connecting to Redis failed");
                self.failures.set(Some(reason.clone()));
                Err(Error::Unavailable {
                    reason: reason.into(),
                })
            }
        }
    }

    async fn is_valid(&self, connection: &mut Connection) -> Result<(), Error> {
        if self.has_broken(connection) {
            return Err(Error::Unavailable {
                reason: "connection lost".into(),
            });
        }
        Ok(())
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        connection.is_broken()
    }
}
