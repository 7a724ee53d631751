//! The road out of the old system's SQLite file.
//!
//! [`Migrator::import_sqlite`](crate::Migrator::import_sqlite) goes it. Every row of the file is accounted for: it is in the
//! new schema and was read back, or it is in the reject file with its reason, or its table has no place here.
//!
//! 1. *Read* (`legacy`, `read`): what a value means is decided column by column, in memory and without a database: what
//!    is certain is converted, what is not is refused with its reason and the raw value, never guessed. The file is opened
//!    read-only and hashed before and after. [`examine()`] does this much for a caller of one's own.
//! 2. *Stage* (`staging`): what is taken goes by binary COPY into unlogged tables of a schema of their own, batch by
//!    batch, each with a note of how far the file was read. A run that was killed goes on behind the last batch.
//! 3. *Resolve* (`resolve`): what a row alone can't tell: numbers and addresses that come twice, or are taken.
//! 4. *Publish* (`publish`, `verify`): one transaction, in which each row is read back and its hash compared; only when all
//!    are equal it is committed. So readers see nothing of an import, or all of it.
//!
//! The old schema: `blogs` (posts), `users` (authors, with a private e-mail), `jobs` (nothing here corresponds).

mod hash;
mod legacy;
mod output;
mod publish;
mod read;
mod reject;
mod report;
mod resolve;
mod run;
mod staging;
mod verify;

pub use legacy::{
    Adjustment, Blog, Examined, Handler, Reason, Refusal, SourceError, TableCount, User, examine,
};
pub use report::{ImportReport, Outcome, Phases, TableReport};
pub use run::{ImportOptions, Phase};
