//! The listeners, from bind to graceful end.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    App, HttpServer,
    dev::ServerHandle,
    middleware::from_fn,
    web::{self, ServiceConfig},
};
use metrics_exporter_prometheus::PrometheusHandle;
use nix::sys::socket::{Backlog, listen};
use prepnexus_health::Recent;
use tokio::task::JoinHandle;

use crate::{config::WebConfig, http::observe, metric::process, routes, state::AppState};

/// Histograms are emptied into their buckets at least this often; what the last minutes were is known to this precision.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// A server that listens.
pub struct Server {
    handles: Vec<ServerHandle>,
    tasks: Vec<JoinHandle<io::Result<()>>>,
    upkeep: JoinHandle<()>,
    address: SocketAddr,
    admin_address: Option<SocketAddr>,
}

/// Why a server could not begin to listen.
#[derive(Debug, thiserror::Error)]
#[error("can't listen on {host}:{port}")]
pub struct StartError {
    host: String,
    port: u16,
    source: io::Error,
}

/// The ports of a server, bound: who connects waits until they are served.
pub struct Listeners {
    main: (TcpListener, SocketAddr),
    admin: Option<(TcpListener, SocketAddr)>,
}

impl Listeners {
    /// Takes the ports of the configuration.
    ///
    /// # Errors
    /// [`StartError`] when a port can't be had.
    pub fn bind(config: &WebConfig) -> Result<Self, StartError> {
        let bound = |port: u16| {
            let bind = || {
                let listener = TcpListener::bind((config.host.as_str(), port))?;
                // The library's own queue holds 128: when thousands come at once, some would be put off by a second and more. The
                // system has the last word (net.core.somaxconn).
                listen(&listener, Backlog::MAXCONN)?;
                let address = listener.local_addr()?;
                Ok((listener, address))
            };
            bind().map_err(|source| StartError {
                host: config.host.clone(),
                port,
                source,
            })
        };
        Ok(Self {
            main: bound(config.port)?,
            admin: config.admin_port.map(bound).transpose()?,
        })
    }

    /// Serves until [`Server::stop`].
    ///
    /// # Errors
    /// [`StartError`] when the system refuses to listen.
    pub fn serve(self, state: &AppState) -> Result<Server, StartError> {
        self.serve_with(state, |_| {})
    }

    /// The same with `routes` of one's own on the main port. They get request ids, metrics, log lines and problem documents like
    /// any other; with a [`Route`](crate::Route) among its data, a resource has a name in those.
    ///
    /// # Errors
    /// [`StartError`] when the system refuses to listen.
    pub fn serve_with(
        self,
        state: &AppState,
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> Result<Server, StartError> {
        let workers = state.config.workers;
        let (main, address) = self.main;
        let (mut handles, mut tasks) = (Vec::new(), Vec::new());
        let mut serve = |listener, address: SocketAddr, workers, parts| {
            let server = serve(listener, workers, parts, state.clone(), routes.clone());
            let (handle, task) = server.map_err(|source| StartError {
                host: state.config.host.clone(),
                port: address.port(),
                source,
            })?;
            handles.push(handle);
            tasks.push(task);
            Ok(())
        };
        let parts = Parts {
            public: true,
            admin: self.admin.is_none(),
        };
        serve(main, address, workers, parts)?;
        let admin_address = self.admin.as_ref().map(|(_, address)| *address);
        if let Some((listener, address)) = self.admin {
            let parts = Parts {
                public: false,
                admin: true,
            };
            serve(listener, address, 1, parts)?;
        }
        let upkeep = tokio::spawn(keep_up(
            state.prometheus.clone(),
            state.health.recent.clone(),
        ));
        Ok(Server {
            handles,
            tasks,
            upkeep,
            address,
            admin_address,
        })
    }
}

impl Server {
    /// Listens on the ports of the configuration and serves until [`Server::stop`].
    ///
    /// # Errors
    /// [`StartError`] when a port can't be had.
    pub fn start(state: &AppState) -> Result<Self, StartError> {
        Listeners::bind(&state.config)?.serve(state)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for operators, when that is a port of its own.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Takes no more connections, finishes what is in flight within the configured time, and ends.
    pub async fn stop(self) {
        futures_util::future::join_all(self.handles.iter().map(|handle| handle.stop(true))).await;
        for task in self.tasks {
            let _ended = task.await;
        }
        self.upkeep.abort();
        let _ended = self.upkeep.await;
    }
}

/// What the instruments need now and then.
async fn keep_up(prometheus: PrometheusHandle, recent: Recent) {
    loop {
        process::tell();
        tokio::time::sleep(UPKEEP_INTERVAL).await;
        prometheus.run_upkeep();
        recent.tick(Instant::now());
    }
}

/// Which routes a listener has.
#[derive(Clone, Copy)]
struct Parts {
    public: bool,
    admin: bool,
}

fn serve(
    listener: TcpListener,
    workers: usize,
    parts: Parts,
    state: AppState,
    own: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> io::Result<(ServerHandle, JoinHandle<io::Result<()>>)> {
    let config = Arc::clone(&state.config);
    let state = web::Data::new(state);
    let server = HttpServer::new(move || {
        let own = own.clone();
        App::new()
            .app_data(state.clone())
            .wrap(from_fn(observe::observe))
            .configure(move |services| {
                if parts.public {
                    routes::public(services);
                    own(services);
                }
                if parts.admin {
                    routes::admin(services);
                }
            })
            .default_service(web::to(observe::not_found))
    })
    .workers(workers)
    .keep_alive(config.keep_alive)
    .client_request_timeout(config.header_timeout)
    .shutdown_timeout(config.shutdown_timeout.as_secs().max(1))
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    Ok((handle, tokio::spawn(server)))
}
