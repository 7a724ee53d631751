//! One connection to one node, within a deadline.
//!
//! The driver's own `connect_timeout` covers TCP alone: a frozen server accepts and never greets.
//! So the whole of it, from the name's look-up to the last greeting, is under one deadline here.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::{
    task::{AbortHandle, JoinHandle},
    time::timeout,
};
use tokio_postgres::{Client, config::SslMode as DriverSslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    config::{ClusterConfig, NodeAddr, SslMode},
    error::Error,
    tls,
};

/// Makes connections to the nodes of one cluster.
#[derive(Clone)]
pub(crate) struct Connector {
    config: ClusterConfig,
    tls: MakeRustlsConnect,
}

/// A connection, and the task that drives it. Dropping it closes the connection.
pub(crate) struct Connected {
    pub(crate) client: Client,
    driver: AbortHandle,
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Makes the connections of a pool.
pub(crate) struct PoolConnect(MakeRustlsConnect);

impl PoolConnect {
    pub(crate) fn new(connector: &Connector) -> Self {
        Self(connector.tls())
    }
}

impl deadpool_postgres::Connect for PoolConnect {
    fn connect(
        &self,
        config: &tokio_postgres::Config,
    ) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), tokio_postgres::Error>> {
        let (config, tls) = (config.clone(), self.0.clone());
        Box::pin(async move {
            let (client, connection) = config.connect(tls).await?;
            let driver = tokio::spawn(async move {
                // An error ends the connection, and every request on it says so.
                let _ended = connection.await;
            });
            Ok((client, driver))
        })
    }
}

impl Connector {
    pub(crate) fn new(config: &ClusterConfig) -> Result<Self, Error> {
        config
            .validate()
            .map_err(|error| Error::Config(error.to_string()))?;
        Ok(Self {
            config: config.clone(),
            tls: tls::connector(config)?,
        })
    }

    pub(crate) fn config(&self) -> &ClusterConfig {
        &self.config
    }

    pub(crate) fn tls(&self) -> MakeRustlsConnect {
        self.tls.clone()
    }

    /// Connects to `node`, with `options` for the session as in libpq's `options`.
    pub(crate) async fn connect(
        &self,
        node: &NodeAddr,
        options: &str,
        limit: Duration,
    ) -> Result<Connected, Error> {
        let driver_config = self.driver_config(node, options);
        let connecting = driver_config.connect(self.tls());
        let (client, connection) = timeout(limit, connecting)
            .await
            .map_err(|_| Error::Deadline {
                waiting_for: "a connection",
            })?
            .map_err(Error::from_connecting)?;
        let driver = tokio::spawn(async move {
            // An error ends the connection, and every request on it says so.
            let _ended = connection.await;
        });
        Ok(Connected {
            client,
            driver: driver.abort_handle(),
        })
    }

    /// The driver's configuration for pooled connections to `node`.
    pub(crate) fn pool_config(&self, node: &NodeAddr) -> tokio_postgres::Config {
        let timeout = self.config.statement_timeout.as_millis().max(1);
        let options = format!(
            "-c statement_timeout={timeout} -c idle_in_transaction_session_timeout={timeout} -c TimeZone=UTC"
        );
        self.driver_config(node, &options)
    }

    fn driver_config(&self, node: &NodeAddr, options: &str) -> tokio_postgres::Config {
        let config = &self.config;
        let mut driver = tokio_postgres::Config::new();
        driver
            .host(&node.host)
            .port(node.port)
            .dbname(&config.database)
            .user(&config.user)
            .application_name(&config.application_name)
            .options(options)
            .ssl_mode(match config.ssl_mode {
                SslMode::Disable => DriverSslMode::Disable,
                SslMode::Prefer => DriverSslMode::Prefer,
                SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => {
                    DriverSslMode::Require
                }
            });
        if let Some(password) = &config.password {
            driver.password(password.expose());
        }
        driver
    }
}
