//! The HTTP contract, tested over real sockets against a real server on a real database.
//!
//! Every test has a database and a server of its own, and a clock that it can set. Every answer that
//! the client helper gets is checked against the OpenAPI document: its status has to be documented for
//! its route, its problem code has to be named there, and its body has to have the documented shape.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

#[path = "web/access.rs"]
mod access;
#[path = "web/addresses.rs"]
mod addresses;
#[path = "web/backups.rs"]
mod backups;
#[path = "web/bodies.rs"]
mod bodies;
#[path = "web/change.rs"]
mod change;
#[path = "web/client.rs"]
mod client;
#[path = "web/consistency.rs"]
mod consistency;
#[path = "web/create.rs"]
mod create;
#[path = "web/dashboard.rs"]
mod dashboard;
#[path = "web/docs.rs"]
mod docs;
#[path = "web/document.rs"]
mod document;
#[path = "web/fields.rs"]
mod fields;
#[path = "web/fuzz.rs"]
mod fuzz;
#[path = "web/harness.rs"]
mod harness;
#[path = "web/health.rs"]
mod health;
#[path = "web/idempotency.rs"]
mod idempotency;
#[path = "web/kept.rs"]
mod kept;
#[path = "web/list.rs"]
mod list;
#[path = "web/methods.rs"]
mod methods;
#[path = "web/metrics.rs"]
mod metrics;
#[path = "web/monitoring.rs"]
mod monitoring;
#[path = "web/outage.rs"]
mod outage;
#[path = "web/overload.rs"]
mod overload;
#[path = "web/pages.rs"]
mod pages;
#[path = "web/problems.rs"]
mod problems;
#[path = "web/query.rs"]
mod query;
#[path = "web/raw.rs"]
mod raw;
#[path = "web/read.rs"]
mod read;
#[path = "web/request_id.rs"]
mod request_id;
#[path = "web/revisions.rs"]
mod revisions;
#[path = "web/schema.rs"]
mod schema;
#[path = "web/slugs.rs"]
mod slugs;
#[path = "web/views.rs"]
mod views;
#[path = "web/wire.rs"]
mod wire;
