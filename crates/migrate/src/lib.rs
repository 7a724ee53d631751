//! Schema migrations: plan, lock, apply; and loading posts in bulk.
//!
//! [`Migrator::up`] brings a database to the schema of the files `migrations/NNNN_name.sql`, which are built into this
//! crate ([`Migrations::built_in`]). What holds, whoever runs it and however it ends:
//!
//! - One runner at a time: the others wait for a session lock by polling, up to a deadline, and then name its holder. A
//!   pooler in between, which would share that lock, is refused.
//! - One transaction per file, with the file's record in `schema_migrations` inside it: a file is applied wholly and
//!   recorded, or neither. A file that says `no-transaction` is a transaction for each statement, recorded in
//!   `schema_migration_steps`; what can't run in one, concurrent index builds above all, is looked for after an
//!   interruption, and finished. So a run that was killed, at whatever moment, is finished by the next one.
//! - Nobody queues behind a migration for longer than its lock timeout, a second by default: then all is undone and tried
//!   again after a pause.
//! - A file that was applied is never changed: its SHA-256 is in the record, and a difference is an error.
//! - Only a primary is written to.
//! - [`Migrator::verify`] tells whether the schema is the one that the files make, by making it afresh beside it.
//!
//! [`Migrator::seed`] and [`Migrator::generate`] load posts, real and made up, through the one bulk path, [`load`].
//! [`Migrator::import_sqlite`] brings in the old system's SQLite file, and accounts for each of its rows.
//!
//! ```no_run
//! use prepnexus_migrate::{Migrations, Migrator, UpOptions};
//! use prepnexus_storage::ClusterConfig;
//!
//! # async fn example() -> Result<(), prepnexus_migrate::Error> {
//! let migrator = Migrator::new(ClusterConfig::default(), Migrations::built_in())?;
//! let report = migrator.up(UpOptions::default(), &mut |_progress| {}).await?;
//! for file in &report.applied {
//!     println!("{file} in {:?}", file.took);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Deliberately absent: down migrations (the way back is a new file, or a restore), and printing: what happens is told to
//! the caller's function as [`Progress`].

mod apply;
mod error;
mod file;
mod generate;
pub mod import;
mod leftover;
mod lint;
pub mod load;
mod lock;
mod migrator;
mod plan;
mod poll;
mod progress;
mod record;
mod schema;
mod seed;
mod session;
mod statement;
mod steps;
mod verify;
mod watch;

pub use error::{Error, FileError, FileFailure, Holders, LockHolder};
pub use file::{Header, Migration, Migrations, Waiver};
pub use generate::{GenerateOptions, generated_post};
pub use lint::Finding;
pub use load::LoadReport;
pub use migrator::{Applied, Migrator, UpOptions, UpReport};
pub use plan::{How, Planned, Sent, Unit};
pub use progress::{OnProgress, Progress};
pub use record::{AppliedRecord, Status};
pub use schema::Difference;
pub use seed::SeedOptions;
pub use statement::Statement;
pub use verify::BaselineOptions;
