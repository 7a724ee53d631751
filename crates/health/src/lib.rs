//! Circuit breakers, concurrency limits, component states, tracked errors, and what happened in the last minutes.
//!
//! What the rest of the system needs in order to say how it is, and to stop asking a server that
//! doesn't answer. Seven parts, none of which knows what it watches:
//!
//! - [`Breaker`] and [`SharedBreaker`]: closed, open, half-open. Pure transitions with the time
//!   passed in; only a monitor's probe tests an open one, never a user's request.
//! - [`Registry`]: the state of every component, why, and since when; the worst of them is the
//!   state of the service.
//! - [`ConcurrencyLimit`]: how much may be under way at once, learned from how long it takes.
//! - [`ErrorLog`]: errors grouped by fingerprint, bounded in number and in size.
//! - [`Recent`]: chosen metrics over the last 1, 5 and 15 minutes, kept beside whatever exports them.
//! - [`Timeline`]: what changed in the last hour.
//! - [`Alerts`](alerts::Alerts): which conditions somebody should be told of, and what was told.
//!
//! [`Health`] is one of each, for one process.
//!
//! Deliberately absent: any I/O, any task, any runtime. Whoever probes owns the task that does so
//! and reports what it saw. Metrics go through the `metrics` facade; a program that installs no
//! recorder pays almost nothing.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use std::time::{Duration, Instant};
//!
//! use prepnexus_domain::SystemClock;
//! use prepnexus_health::{BreakerConfig, BreakerState, Registry, Severity, SharedBreaker, Status};
//!
//! let breaker = SharedBreaker::new(BreakerConfig::default());
//! let registry = Registry::new(Arc::new(SystemClock));
//! registry.register("cache", Severity::Optional);
//!
//! // Three calls in a row fail: users are turned away at once from here on.
//! let now = Instant::now();
//! for _ in 0..3 {
//!     breaker.on_failure(now);
//! }
//! assert_eq!(breaker.state(), BreakerState::Open);
//! assert!(!breaker.allows());
//! registry.set("cache", Status::Unhealthy, Some("connection refused".to_owned()));
//! assert_eq!(registry.overall(), Status::Degraded, "an optional component degrades at worst");
//!
//! // The monitor asks whether a probe is due, and two that succeed close it again.
//! let later = now + Duration::from_secs(1);
//! assert!(breaker.wants_probe(later));
//! breaker.on_probe_success(later);
//! breaker.on_probe_success(later);
//! assert!(breaker.allows());
//! registry.set("cache", Status::Healthy, None);
//! assert_eq!(registry.overall(), Status::Healthy);
//! ```

pub mod alerts;
pub mod breaker;
pub mod errors;
mod instruments;
pub mod limit;
mod metric;
pub mod recent;
pub mod registry;
pub mod timeline;

pub use breaker::{Breaker, BreakerConfig, BreakerState, SharedBreaker};
pub use errors::{ErrorLog, Occurrence, TrackedError};
pub use instruments::Health;
pub use limit::{ConcurrencyLimit, LimitConfig};
pub use metric::describe_metrics;
pub use recent::{Recent, Window};
pub use registry::{Component, Registry, Severity, Snapshot, Status};
pub use timeline::Timeline;

/// The target of spans that are there to be sent to a collector of traces, and are in no log.
pub const TRACE: &str = "prepnexus::trace";
