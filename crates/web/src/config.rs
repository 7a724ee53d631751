//! Where the server listens, and the limits of a request.

use std::time::Duration;

use ipnet::IpNet;

/// Settings of the HTTP server. A plain struct: it reads no environment.
#[derive(Debug, Clone)]
pub struct WebConfig {
    /// The address to listen on.
    pub host: String,
    /// The port to listen on; 0 lets the system choose.
    pub port: u16,
    /// A port of its own for metrics and monitoring, which are then nowhere else.
    pub admin_port: Option<u16>,
    /// Threads that serve.
    pub workers: usize,
    /// The longest body, in bytes.
    pub body_limit: usize,
    /// The longest a request may take, from its last header to its answer.
    pub request_timeout: Duration,
    /// The longest its headers may take to arrive.
    pub header_timeout: Duration,
    /// How long an idle connection stays open.
    pub keep_alive: Duration,
    /// Proxies in front, who are believed what they say of where a request comes from.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether there is a collector of traces: that spans of the target [`TRACE`](prepnexus_health::TRACE) go anywhere.
    pub traces: bool,
    /// How long a stop waits for what is under way.
    pub shutdown_timeout: Duration,
}

impl Default for WebConfig {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: 8000,
            admin_port: None,
            workers: 2,
            body_limit: 2 * 1024 * 1024,
            request_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(75),
            trusted_proxies: Vec::new(),
            traces: false,
            shutdown_timeout: Duration::from_secs(10),
        }
    }
}
