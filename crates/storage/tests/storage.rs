//! The promises of the crate, on real servers: one test per promise.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

#[path = "storage/cancel.rs"]
mod cancel;
#[path = "storage/commit.rs"]
mod commit;
#[path = "storage/embedding.rs"]
mod embedding;
#[path = "storage/errors.rs"]
mod errors;
#[path = "storage/failover.rs"]
mod failover;
#[path = "storage/faults.rs"]
mod faults;
#[path = "storage/feed.rs"]
mod feed;
#[path = "storage/idempotency.rs"]
mod idempotency;
#[path = "storage/inspect.rs"]
mod inspect;
#[path = "storage/keys.rs"]
mod keys;
#[path = "storage/lists.rs"]
mod lists;
#[path = "storage/names.rs"]
mod names;
#[path = "storage/once.rs"]
mod once;
#[path = "storage/password.rs"]
mod password;
#[path = "storage/plans.rs"]
mod plans;
#[path = "storage/pool.rs"]
mod pool;
#[path = "storage/pooler.rs"]
mod pooler;
#[path = "storage/posts.rs"]
mod posts;
#[path = "storage/promotion.rs"]
mod promotion;
#[path = "storage/retries.rs"]
mod retries;
#[path = "storage/roles.rs"]
mod roles;
#[path = "storage/routing.rs"]
mod routing;
#[path = "storage/startup.rs"]
mod startup;
#[path = "storage/support.rs"]
mod support;
#[path = "storage/tls.rs"]
mod tls;
#[path = "storage/tokens.rs"]
mod tokens;
#[path = "storage/upkeep.rs"]
mod upkeep;
#[path = "storage/values.rs"]
mod values;
