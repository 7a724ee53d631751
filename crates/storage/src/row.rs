//! The rows a statement answers with.

use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;

use crate::error::Error;

pub(crate) mod sealed {
    /// Nobody outside can name this trait, but a generic function over [`Column`](super::Column) can
    /// call its method: so what it takes is opaque.
    pub trait FromColumn: Sized {
        fn from_column(row: Source<'_>, index: usize) -> Result<Self, Failure>;
    }

    pub struct Source<'a>(pub(crate) &'a tokio_postgres::Row);
    pub struct Failure(pub(crate) tokio_postgres::Error);
}

/// A type a column can be read as; `Option` for a column that may be NULL.
pub trait Column: sealed::FromColumn {}

macro_rules! columns {
    ($($type:ty),* $(,)?) => {$(
        impl sealed::FromColumn for $type {
            fn from_column(row: sealed::Source<'_>, index: usize) -> Result<Self, sealed::Failure> {
                row.0.try_get(index).map_err(sealed::Failure)
            }
        }
        impl Column for $type {}
        impl sealed::FromColumn for Option<$type> {
            fn from_column(row: sealed::Source<'_>, index: usize) -> Result<Self, sealed::Failure> {
                row.0.try_get(index).map_err(sealed::Failure)
            }
        }
        impl Column for Option<$type> {}
    )*};
}

columns!(
    bool,
    i16,
    i32,
    i64,
    f64,
    String,
    Vec<u8>,
    Timestamp,
    serde_json::Value,
    Vec<i64>,
    Vec<String>,
);

/// One row of a result.
#[derive(Debug)]
pub struct Row {
    query: &'static str,
    row: tokio_postgres::Row,
    /// The column after the one that was read last: rows are mostly read in the order of their columns, and
    /// then no name is searched for.
    next: AtomicUsize,
}

impl Row {
    pub(crate) fn new(query: &'static str, row: tokio_postgres::Row) -> Self {
        Self {
            query,
            row,
            next: AtomicUsize::new(0),
        }
    }

    /// The value of the column of that name.
    ///
    /// # Errors
    /// [`Error::Row`] when there is no such column, or it is of another type or NULL.
    pub fn get<T: Column>(&self, column: &str) -> Result<T, Error> {
        let index = self.index(column)?;
        T::from_column(sealed::Source(&self.row), index)
            .map_err(|source| self.error(source.0.into()))
    }

    /// A text column, borrowed.
    ///
    /// # Errors
    /// As [`Row::get`].
    pub fn text(&self, column: &str) -> Result<&str, Error> {
        let index = self.index(column)?;
        let text = self.row.try_get(index);
        text.map_err(|source| self.error(source.into()))
    }

    fn index(&self, column: &str) -> Result<usize, Error> {
        let columns = self.row.columns();
        let is_it = |index: &usize| columns.get(*index).is_some_and(|it| it.name() == column);
        let next = Some(self.next.load(Ordering::Relaxed)).filter(is_it);
        let index = next.or_else(|| (0..columns.len()).find(is_it));
        let index =
            index.ok_or_else(|| self.error(format!("there is no column {column}").into()))?;
        self.next.store(index + 1, Ordering::Relaxed);
        Ok(index)
    }

    fn error(&self, source: Box<dyn std::error::Error + Send + Sync>) -> Error {
        Error::Row {
            query: self.query.to_owned(),
            source,
        }
    }
}
