//! All that one process knows of how it is.

use std::{fmt, sync::Arc};

use prepnexus_domain::Clock;

use crate::{
    alerts::{AlertConfig, Alerts},
    errors::ErrorLog,
    recent::Recent,
    registry::Registry,
    timeline::Timeline,
};

/// Groups of errors that are remembered.
const ERROR_GROUPS: usize = 200;

/// The instruments of one process. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Health {
    /// The states of its components.
    pub registry: Arc<Registry>,
    /// What changed in the last hour.
    pub timeline: Arc<Timeline>,
    /// What somebody should be told of.
    pub alerts: Arc<Alerts>,
    /// The errors it met.
    pub errors: Arc<ErrorLog>,
    /// The last minutes of the metrics that tell how fast it is.
    pub recent: Recent,
}

impl Health {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(clock: &Arc<dyn Clock>, recent: Recent) -> Self {
        Self {
            registry: Arc::new(Registry::new(Arc::clone(clock))),
            timeline: Arc::new(Timeline::new(Arc::clone(clock))),
            alerts: Arc::new(Alerts::new(Arc::clone(clock), AlertConfig::default())),
            errors: Arc::new(ErrorLog::new(Arc::clone(clock), ERROR_GROUPS)),
            recent,
        }
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("registry", &self.registry)
            .field("alerts", &self.alerts)
            .finish_non_exhaustive()
    }
}
