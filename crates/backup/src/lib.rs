//! Drives the backup engine, pgBackRest: what it holds, as the engine itself says.
//!
//! Nothing the engine does is written again. Its exit code is not to be believed (a stanza without
//! any backup, or with a damaged repository, exits 0): what it prints is read instead.
//!
//! ```no_run
//! use prepnexus_backup::PgBackRest;
//!
//! # fn example() -> Result<(), prepnexus_backup::Error> {
//! let stanza = PgBackRest::new("main").info()?;
//! match stanza.latest() {
//!     Some(backup) => println!("{} ended at {}", backup.label, backup.stopped_at),
//!     None => println!("no backup: {}", stanza.message),
//! }
//! # Ok(())
//! # }
//! ```

mod engine;
mod info;

pub use engine::{Error, PgBackRest};
pub use info::{Backup, BackupKind, Stanza};
