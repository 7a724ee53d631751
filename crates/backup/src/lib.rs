//! Backups that are rehearsed. The engine, pgBackRest, makes and restores them, and nothing of what it does is written
//! again; this crate asks it, doesn't believe its exit code, restores what it made every day and compares, keeps the
//! schedule, and records all of it where an operator looks.
//!
//! | module | what it is |
//! |---|---|
//! | `engine` | the engine behind a trait, and what it prints, read |
//! | `archive` | how far the repository has the log |
//! | `still` | a database held still, for the moment of a question |
//! | `manifest` | what a database holds at one position of its log |
//! | `copy` | a restored data directory with a server on it that harms nobody |
//! | `drill` | the rehearsal: restore, recover, compare, measure |
//! | `scratch` | a directory of which nothing is left, even after a SIGKILL |
//! | `restore`, `fence` | the restore for good |
//! | `schedule` | what is due, and whose turn it is |
//! | `journal` | the file of all runs |
//!
//! ```no_run
//! use prepnexus_backup::{Engine, PgBackRest};
//!
//! # async fn example() -> Result<(), prepnexus_backup::Error> {
//! let stanza = PgBackRest::new("main").info().await?;
//! match stanza.latest() {
//!     Some(backup) => println!("{} ended at {}", backup.label, backup.stopped_at),
//!     None => println!("no backup: {}", stanza.message),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Deliberately absent: making backups, encryption, object stores, retention. Those are the engine's, and its own
//! configuration says how.

mod archive;
mod copy;
mod drill;
mod engine;
mod error;
mod fence;
mod init;
mod journal;
mod manifest;
mod program;
mod restore;
mod schedule;
mod scratch;
mod still;
mod wal;

pub use drill::{Drill, DrillConfig, Reads, Seconds, drill};
pub use engine::{Backup, BackupKind, Engine, PgBackRest, Restore, Stanza, Target, Verification};
pub use error::Error;
pub use init::{Finding, inspect};
pub use journal::Journal;
pub use manifest::{Content, Manifest};
pub use restore::{Purpose, RestoreConfig, Restored, restore};
pub use schedule::{Due, InvalidSchedule, Plan, RETRY, Runner, Scheduler, TICK, run_id};
pub use scratch::keep;
pub use wal::Lsn;
