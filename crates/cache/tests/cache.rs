//! What the crate promises, tested against a real redis-server and the faults it can have.
//!
//! Each test has a server of its own. Where a test isn't about a limit, the limits are long, so that a
//! busy machine doesn't fail it.

#[path = "cache/cluster.rs"]
mod cluster;
#[path = "cache/commands.rs"]
mod commands;
#[path = "cache/faults.rs"]
mod faults;
#[path = "cache/hints.rs"]
mod hints;
#[path = "cache/kept.rs"]
mod kept;
#[path = "cache/monitoring.rs"]
mod monitoring;
#[path = "cache/origin.rs"]
mod origin;
#[path = "cache/secrets.rs"]
mod secrets;
#[path = "cache/sentinel.rs"]
mod sentinel;
#[path = "cache/shared.rs"]
mod shared;
#[path = "cache/support.rs"]
mod support;
#[path = "cache/tls.rs"]
mod tls;
