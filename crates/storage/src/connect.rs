//! One connection to one node, within a deadline.
//!
//! The driver's own `connect_timeout` covers TCP alone: a frozen server accepts and never greets.
//! So the whole of it, from the name's look-up to the last greeting, is under one deadline here.
//!
//! The connection is driven by a task of ours, because the driver's own throws away what a server
//! says besides answers: see [`Told`].

mod alarm;
mod credentials;
mod told;

use std::{future::poll_fn, sync::Arc, task::Poll, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinHandle,
    time::timeout,
};
use tokio_postgres::{AsyncMessage, Client, Connection, config::SslMode as DriverSslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::alarm::Timer;
use self::credentials::Credentials;
pub(crate) use self::{alarm::Alarm, told::Told};
use crate::{
    config::{ClusterConfig, NodeAddr, SslMode},
    error::Error,
    secret::Secret,
    tls,
};

/// The parameter by which a server tells its sessions that it is a standby, since PostgreSQL 14.
const IN_RECOVERY: &str = "in_hot_standby";

/// How long a connection may be silent before the system asks the server whether it is still there, how often it asks again,
/// and how many questions may stay unanswered. Devices between machines forget a silent connection without a word, some
/// after 350 s (AWS, "Update the TCP idle timeout for your Network Load Balancer listener"): a request on it would wait until its deadline.
const SILENCE: Duration = Duration::from_secs(60);
const QUESTION_INTERVAL: Duration = Duration::from_secs(10);
const QUESTIONS: u32 = 3;

/// Makes connections to the nodes of one cluster.
#[derive(Clone)]
pub(crate) struct Connector {
    config: Arc<ClusterConfig>,
    credentials: Arc<Credentials>,
    tls: MakeRustlsConnect,
}

/// A connection that was just made: the driver's handle, the task that drives it, what it is told, and the
/// deadline that it keeps.
pub(crate) struct Opened {
    pub(crate) client: Client,
    pub(crate) driver: JoinHandle<()>,
    pub(crate) told: Arc<Told>,
    pub(crate) alarm: Arc<Alarm>,
}

/// A connection outside all pools. Dropping it closes it.
pub(crate) struct Connected {
    pub(crate) client: Client,
    driver: JoinHandle<()>,
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl From<Opened> for Connected {
    fn from(opened: Opened) -> Self {
        Self {
            client: opened.client,
            driver: opened.driver,
        }
    }
}

impl Connector {
    pub(crate) fn new(config: &ClusterConfig) -> Result<Self, Error> {
        config
            .validate()
            .map_err(|error| Error::Config(error.to_string()))?;
        Ok(Self {
            credentials: Arc::new(Credentials::new(config)),
            config: Arc::new(config.clone()),
            tls: tls::connector(config)?,
        })
    }

    pub(crate) fn config(&self) -> &ClusterConfig {
        &self.config
    }

    pub(crate) fn tls(&self) -> MakeRustlsConnect {
        self.tls.clone()
    }

    /// Connects to `node`, with `options` for the session as in libpq's `options`. A refused password
    /// is looked up again in its file: it may have been changed.
    pub(crate) async fn open(
        &self,
        node: &NodeAddr,
        options: &str,
        limit: Duration,
        told: Told,
    ) -> Result<Opened, Error> {
        let opening = async {
            let told = Arc::new(told);
            let password = self.credentials.password();
            let refused = match self
                .try_open(node, options, password.as_deref(), &told)
                .await
            {
                Err(error) if error.is_refused_login() => error,
                outcome => return outcome,
            };
            match self.credentials.read_again(password.as_deref()).await {
                Some(changed) => self.try_open(node, options, Some(&changed), &told).await,
                None => Err(refused),
            }
        };
        timeout(limit, opening)
            .await
            .unwrap_or_else(|_| Err(Error::no_greeting(limit)))
    }

    /// [`Connector::open`] for a connection outside all pools.
    pub(crate) async fn connect(
        &self,
        node: &NodeAddr,
        options: &str,
        limit: Duration,
    ) -> Result<Connected, Error> {
        let opened = self.open(node, options, limit, Told::default()).await?;
        Ok(opened.into())
    }

    async fn try_open(
        &self,
        node: &NodeAddr,
        options: &str,
        password: Option<&Secret>,
        told: &Arc<Told>,
    ) -> Result<Opened, Error> {
        let config = self.driver_config(node, options, password);
        // Boxed: it is kilobytes, and part of every future that may have to connect.
        let connecting = Box::pin(config.connect(self.tls()));
        let (client, connection) = connecting.await.map_err(Error::from_connecting)?;
        let (told, alarm) = (Arc::clone(told), Arc::new(Alarm::new()));
        let driver = tokio::spawn(drive(connection, Arc::clone(&told), Arc::clone(&alarm)));
        Ok(Opened {
            client,
            driver,
            told,
            alarm,
        })
    }

    fn driver_config(
        &self,
        node: &NodeAddr,
        options: &str,
        password: Option<&Secret>,
    ) -> tokio_postgres::Config {
        let config = &self.config;
        let mut driver = tokio_postgres::Config::new();
        driver
            .host(&node.host)
            .port(node.port)
            .dbname(&config.database)
            .user(&config.user)
            .application_name(&config.application_name)
            .keepalives_idle(SILENCE)
            .keepalives_interval(QUESTION_INTERVAL)
            .keepalives_retries(QUESTIONS)
            .ssl_mode(match config.ssl_mode {
                SslMode::Disable => DriverSslMode::Disable,
                SslMode::Prefer => DriverSslMode::Prefer,
                SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
                    DriverSslMode::Require
                }
            });
        // A pooler in between passes no options on, and refuses who sends some.
        if !config.pooler {
            driver.options(options);
        }
        if let Some(password) = password {
            driver.password(password.expose());
        }
        driver
    }
}

/// Moves messages until the connection ends, notes what the server says besides answers, and keeps the alarm.
async fn drive<S, T>(mut connection: Connection<S, T>, told: Arc<Told>, alarm: Arc<Alarm>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut timer = Timer::None;
    // What it says first came with the greeting.
    let mut looks_at_role = true;
    poll_fn(|cx| {
        loop {
            let polled = connection.poll_message(cx);
            if looks_at_role {
                told.note_recovery(connection.parameter(IN_RECOVERY));
            }
            match polled {
                Poll::Ready(Some(Ok(AsyncMessage::Notice(notice)))) => told.note_notice(&notice),
                Poll::Ready(Some(Ok(_))) => {}
                // An error ends the connection, and every request on it says so.
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
                Poll::Pending => {
                    // A look-up by name is dear. A statement wakes this task to be sent and to be answered, so that
                    // every second time is enough; and no primary becomes a standby while a session lasts.
                    looks_at_role = !looks_at_role && told.is_standby();
                    alarm.poll(&mut timer, cx);
                    return Poll::Pending;
                }
            }
        }
    })
    .await;
}
