//! Real servers, real faults: what the crate promises, one test per promise.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

#[path = "devstack/directories.rs"]
mod directories;
#[path = "devstack/faults.rs"]
mod faults;
#[path = "devstack/lifetime.rs"]
mod lifetime;
#[path = "devstack/patroni.rs"]
mod patroni;
#[path = "devstack/pgbouncer.rs"]
mod pgbouncer;
#[path = "devstack/proxy.rs"]
mod proxy;
#[path = "devstack/redis.rs"]
mod redis;
#[path = "devstack/roles.rs"]
mod roles;
#[path = "devstack/start.rs"]
mod start;
#[path = "devstack/support.rs"]
mod support;
#[path = "devstack/timelines.rs"]
mod timelines;
