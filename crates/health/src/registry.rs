//! The state of every component, why, and since when.
//!
//! Health endpoints answer from here and never by asking a server, so that they are quick exactly
//! when something is wrong. Invariants:
//!
//! - A change of status is logged once, by whoever made it, and counted once; saying the same thing
//!   again is free. A new reason for the same status is kept, and logged at debug level only.
//! - A component is unhealthy, with the reason "not checked yet", until its owner has looked.
//! - One that was never registered counts as [`Severity::Critical`]: forgetting to register must
//!   not hide anything.

mod component;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use prepnexus_domain::Clock;
use serde::Serialize;

use crate::metric;
pub use component::{Component, Severity, Status};

/// All components by name. Shared by reference; every method takes `&self`.
pub struct Registry {
    clock: Arc<dyn Clock>,
    components: RwLock<BTreeMap<&'static str, Component>>,
}

/// What the registry held at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// The worst of the components, optional ones counting as degraded at worst.
    pub status: Status,
    /// By name, in the order of the names.
    pub components: BTreeMap<&'static str, Component>,
}

impl Registry {
    /// An empty registry: healthy, as nothing speaks against it.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            components: RwLock::new(BTreeMap::new()),
        }
    }

    /// Makes a component known before its owner first looks. A component that is there already keeps
    /// its state and takes the new severity.
    pub fn register(&self, component: &'static str, severity: Severity) {
        let now = self.clock.now();
        self.write()
            .entry(component)
            .or_insert_with(|| Component::unchecked(now))
            .severity = severity;
    }

    /// Reports what is known of a component now.
    pub fn set(&self, component: &'static str, status: Status, reason: Option<String>) {
        let now = self.clock.now();
        let effective = {
            let mut components = self.write();
            let entry = components
                .entry(component)
                .or_insert_with(|| Component::unchecked(now));
            if entry.status == status {
                if entry.reason != reason {
                    tracing::debug!(component, %status, reason = reason.as_deref(), "component reason changed");
                    entry.reason = reason;
                }
                return;
            }
            entry.status = status;
            entry.reason.clone_from(&reason);
            entry.since = now;
            entry.effective_status()
        };
        let reason = reason.as_deref().unwrap_or("");
        match effective {
            Status::Healthy => tracing::info!(component, %status, "component state changed"),
            Status::Degraded => {
                tracing::warn!(component, %status, reason, "component state changed");
            }
            Status::Unhealthy => {
                tracing::error!(component, %status, reason, "component state changed");
            }
        }
        metrics::counter!(metric::STATE_CHANGES, "component" => component, "status" => status.as_str())
            .increment(1);
    }

    /// Replaces a component's details: names and values for a reader, such as a version. They change
    /// neither its status nor since when it has it.
    pub fn set_details(&self, component: &'static str, details: BTreeMap<&'static str, String>) {
        let now = self.clock.now();
        self.write()
            .entry(component)
            .or_insert_with(|| Component::unchecked(now))
            .details = details;
    }

    /// One component, if it is known.
    #[must_use]
    pub fn get(&self, component: &str) -> Option<Component> {
        self.read().get(component).cloned()
    }

    /// The worst status of all, optional components counting as degraded at worst.
    #[must_use]
    pub fn overall(&self) -> Status {
        overall(&self.read())
    }

    /// Everything at one moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let components = self.read();
        Snapshot {
            status: overall(&components),
            components: components.clone(),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<&'static str, Component>> {
        self.components
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<&'static str, Component>> {
        self.components
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn overall(components: &BTreeMap<&'static str, Component>) -> Status {
    components
        .values()
        .map(Component::effective_status)
        .max()
        .unwrap_or(Status::Healthy)
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("components", &*self.read())
            .finish_non_exhaustive()
    }
}
