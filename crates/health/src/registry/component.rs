//! What is known of one component.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

/// How a component, or the whole service, is. Ordered from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Does all it is for.
    Healthy,
    /// Serves, with something lost: speed, freshness, or spare capacity.
    Degraded,
    /// Doesn't serve.
    Unhealthy,
}

impl Status {
    /// `healthy`, `degraded` or `unhealthy`; the same word that it serializes to.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a component's failure means for the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Without it the service isn't healthy: its status counts as it is.
    Critical,
    /// The service can do without: it degrades at worst.
    Optional,
}

/// One component's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Component {
    /// As its owner last reported it.
    pub status: Status,
    /// Whether the service can do without.
    pub severity: Severity,
    /// Why it isn't healthy, for an operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it took on this status.
    pub since: Timestamp,
    /// Whatever else a reader may want to know.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<&'static str, String>,
}

impl Component {
    /// One that nobody has looked at.
    pub(super) fn unchecked(now: Timestamp) -> Self {
        Self {
            status: Status::Unhealthy,
            severity: Severity::Critical,
            reason: Some("not checked yet".to_owned()),
            since: now,
            details: BTreeMap::new(),
        }
    }

    /// What it contributes to the status of the service.
    #[must_use]
    pub fn effective_status(&self) -> Status {
        match self.severity {
            Severity::Critical => self.status,
            Severity::Optional => self.status.min(Status::Degraded),
        }
    }
}
