//! The road out of the old system's SQLite file.
//!
//! What a value means is decided here, column by column, in memory and without a database: what is certain is converted, what
//! is not is refused with its reason and the raw value, never guessed. [`examine()`] reads a whole file that way.
//!
//! The old schema: `blogs` (posts), `users` (authors, with a private e-mail), `jobs` (nothing here corresponds).

mod blog;
mod date;
mod examine;
mod source;
mod tags;
mod text;
mod user;
mod value;

pub use blog::{Adjustment, Blog};
pub use examine::{Examined, Handler, TableCount, examine};
pub use source::SourceError;
pub use user::User;
pub use value::{Reason, Refusal};
