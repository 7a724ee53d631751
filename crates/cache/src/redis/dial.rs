//! Connecting to one server, of whichever kind. Nothing here has a limit of its own: who calls has.

use std::sync::Arc;

use bb8_redis::redis::aio::{MultiplexedConnection, SendError};
use bb8_redis::redis::io::tcp::TcpSettings;
use bb8_redis::redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    ProtocolVersion, PushInfo, RedisConnectionInfo, RedisError, TlsCertificates,
};

use super::error::describe;
use crate::config::{ConfigError, Password, RedisAddr, RedisConfig, Tls};

/// Commands that may queue up per connection before callers wait for the socket.
const QUEUE_LENGTH: usize = 256;

/// Hears what a server says unasked, and that the connection is lost.
pub(super) type OnPush = Arc<dyn Fn(&PushInfo) + Send + Sync>;

/// As whom to come, and whether encrypted.
#[derive(Clone)]
pub(super) struct Dialer {
    login: RedisConnectionInfo,
    certificates: Option<TlsCertificates>,
}

impl Dialer {
    /// As the user of `config`, with its TLS. Reads the files of that.
    pub(super) fn new(config: &RedisConfig) -> Result<Self, ConfigError> {
        let mut login = login(config.password.as_ref()).set_db(i64::from(config.database));
        if let Some(username) = &config.username {
            login = login.set_username(username);
        }
        let certificates = config.tls.as_ref().map(Tls::read).transpose()?;
        Ok(Self {
            login,
            certificates,
        })
    }

    /// The same with another login: the default user's, who may have a password.
    pub(super) fn as_default_user(&self, password: Option<&Password>) -> Self {
        Self {
            login: login(password),
            certificates: self.certificates.clone(),
        }
    }

    /// A connection to `addr`; or why there is none, in words for an operator.
    pub(super) async fn connect(
        &self,
        addr: &RedisAddr,
        on_push: OnPush,
    ) -> Result<MultiplexedConnection, String> {
        // The client's own limits are off: those around the calls cover what they cover, and more.
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE_LENGTH)
            .set_push_sender(sender(on_push));
        let client = self.client(addr).map_err(|error| describe(&error))?;
        let connecting = client.get_multiplexed_async_connection_with_config(&settings);
        connecting.await.map_err(|error| self.explain(&error))
    }

    fn client(&self, addr: &RedisAddr) -> Result<Client, RedisError> {
        let info = self.info(addr)?;
        match &self.certificates {
            None => Client::open(info),
            Some(certificates) => Client::build_with_tls(info, certificates.clone()),
        }
    }

    /// All that the client wants to know to connect to `addr`.
    pub(super) fn info(&self, addr: &RedisAddr) -> Result<ConnectionInfo, RedisError> {
        let (host, port) = (addr.host.clone(), addr.port);
        let addr = match &self.certificates {
            None => ConnectionAddr::Tcp(host, port),
            Some(_) => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            },
        };
        let info = addr.into_connection_info()?;
        Ok(info
            .set_redis_settings(self.login.clone())
            .set_tcp_settings(tcp()))
    }

    /// With TLS: whom to trust, and as whom to come.
    pub(super) fn certificates(&self) -> Option<&TlsCertificates> {
        self.certificates.as_ref()
    }

    fn explain(&self, error: &RedisError) -> String {
        let what = describe(error);
        let hung_up = error.is_connection_dropped() && !error.is_connection_refusal();
        // So does a server that waits for TLS, without a word.
        if hung_up && self.certificates.is_none() {
            return format!("{what}: the server hung up at once; does it expect TLS (rediss://)?");
        }
        what
    }
}

/// How sockets behave.
pub(super) fn tcp() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

/// What the client calls for each push.
pub(super) fn sender(on_push: OnPush) -> impl Fn(PushInfo) -> Result<(), SendError> {
    move |push| {
        on_push(&push);
        Ok(())
    }
}

fn login(password: Option<&Password>) -> RedisConnectionInfo {
    let login = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3);
    match password {
        Some(password) => login.set_password(password.expose()),
        None => login,
    }
}
