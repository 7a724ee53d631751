//! What one session knows of the statements it has run.
//!
//! Statements are texts of the program itself, so that there are only as many as it has, and where
//! one stands in memory is enough to know it by: a look-up reads no text.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use foldhash::fast::RandomState;
use metrics::{Counter, Histogram};
use tokio_postgres::Statement;

/// A statement that is known by name.
pub(crate) struct Named {
    pub(crate) name: &'static str,
    /// Its text; none of what only says that something is to be done.
    pub(crate) sql: Option<&'static str>,
    /// As it was prepared on the session, if it was.
    pub(crate) statement: Option<Statement>,
    /// Of the time it takes.
    pub(crate) time: Histogram,
    /// Of the rows it gives or changes.
    pub(crate) rows: Counter,
}

/// The statements of one session, by their texts.
#[derive(Default)]
pub(crate) struct Statements(Mutex<HashMap<Place, Arc<Named>, RandomState>>);

/// Where a text begins, and how long it is.
type Place = (usize, usize);

impl Statements {
    pub(crate) fn get(&self, sql: &'static str) -> Option<Arc<Named>> {
        self.lock().get(&place(sql)).cloned()
    }

    /// Takes in what is known of `sql` now. Where two tasks were at it at once, the last one's stays.
    pub(crate) fn insert(&self, sql: &'static str, named: Named) -> Arc<Named> {
        let named = Arc::new(named);
        self.lock().insert(place(sql), Arc::clone(&named));
        named
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Arc<Named>, RandomState>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn place(sql: &'static str) -> Place {
    (sql.as_ptr().addr(), sql.len())
}
