//! The real binary: what it prints, with what it exits, and how it ends.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

#[path = "api/alerts.rs"]
mod alerts;
#[path = "api/browser.rs"]
mod browser;
#[path = "api/frozen.rs"]
mod frozen;
#[path = "api/keys.rs"]
mod keys;
#[path = "api/logs.rs"]
mod logs;
#[path = "api/outbound.rs"]
mod outbound;
#[path = "api/procedures.rs"]
mod procedures;
#[path = "api/process.rs"]
mod process;
#[path = "api/prometheus.rs"]
mod prometheus;
#[path = "api/receiver.rs"]
mod receiver;
#[path = "api/rolling.rs"]
mod rolling;
#[path = "api/schema.rs"]
mod schema;
#[path = "api/scraped.rs"]
mod scraped;
#[path = "api/serve.rs"]
mod serve;
#[path = "api/settings.rs"]
mod settings;
