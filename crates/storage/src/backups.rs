//! What was done about backups, and whose turn it is to do something: the tables of the migration `0006_backups.sql`.
//!
//! A schedule needs no record of its own: a slot is done when a run that began at it or later has succeeded, and so what is
//! due follows from [`last`]. The program `backup` writes all of this; the API reads [`overview()`].

mod concern;
mod overview;
mod run;
mod turn;

pub use concern::Concern;
pub use overview::{Archiver, Overview, overview};
pub use run::{Action, Latest, Run, insert, last};
pub use turn::{beat, end_turn, keep_turn, take_turn, touch};
