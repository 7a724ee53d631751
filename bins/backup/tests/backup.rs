//! The program, on real servers with the real engine.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

#[path = "backup/alerts.rs"]
mod alerts;
#[path = "backup/drill.rs"]
mod drill;
#[path = "backup/faults.rs"]
mod faults;
#[path = "backup/killed.rs"]
mod killed;
#[path = "backup/object_store.rs"]
mod object_store;
#[path = "backup/procedures.rs"]
mod procedures;
#[path = "backup/program.rs"]
mod program;
#[path = "backup/restore.rs"]
mod restore;
#[path = "backup/rig.rs"]
mod rig;
#[path = "backup/schedule.rs"]
mod schedule;
#[path = "backup/week.rs"]
mod week;
