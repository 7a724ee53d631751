//! The schedule, on a real database, and the plan it keeps.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

#[path = "backup/plan.rs"]
mod plan;
#[path = "backup/schedule.rs"]
mod schedule;
