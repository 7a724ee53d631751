//! What all handlers share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use metrics_exporter_prometheus::PrometheusHandle;
use prepnexus_content::{Content, Deadline};
use prepnexus_health::Health;

use crate::{config::WebConfig, routes::dashboard::Watchers};

/// The service and its instruments. Cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// The use cases.
    pub content: Content,
    /// What the process knows of how it is.
    pub health: Health,
    /// Renders the metrics.
    pub prometheus: PrometheusHandle,
    /// What `/health` says the version is.
    pub version: &'static str,
    /// When the process began.
    pub started: Instant,
    /// Set when the process is about to stop: it serves on, and asks clients to look elsewhere.
    pub draining: Arc<AtomicBool>,
    /// The operator's pages that are open.
    pub watchers: Watchers,
    /// The limits.
    pub config: Arc<WebConfig>,
}

impl AppState {
    /// Whether the process is about to stop.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// The deadline of a request that begins now: one for all that it does.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        Deadline::after(self.config.request_timeout)
    }
}
