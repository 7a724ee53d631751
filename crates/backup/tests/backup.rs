//! The schedule, on a real database, and the plan it keeps.

#[path = "backup/plan.rs"]
mod plan;
#[path = "backup/schedule.rs"]
mod schedule;
