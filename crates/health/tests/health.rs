//! What the crate promises, tested through its public face, with times passed in.

#[path = "health/alerts.rs"]
mod alerts;
#[path = "health/breaker.rs"]
mod breaker;
#[path = "health/clock.rs"]
mod clock;
#[path = "health/errors.rs"]
mod errors;
#[path = "health/limit.rs"]
mod limit;
#[path = "health/properties.rs"]
mod properties;
#[path = "health/recent.rs"]
mod recent;
#[path = "health/registry.rs"]
mod registry;
#[path = "health/timeline.rs"]
mod timeline;
