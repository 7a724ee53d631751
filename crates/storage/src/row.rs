//! The rows a statement answers with.

use jiff::Timestamp;

use crate::error::Error;

pub(crate) mod sealed {
    /// Nobody outside can name this trait, but a generic function over [`Column`](super::Column) can
    /// call its method: so what it takes is opaque.
    pub trait FromColumn: Sized {
        fn from_column(row: Source<'_>, column: &str) -> Result<Self, Failure>;
    }

    pub struct Source<'a>(pub(crate) &'a tokio_postgres::Row);
    pub struct Failure(pub(crate) tokio_postgres::Error);
}

/// A type a column can be read as; `Option` for a column that may be NULL.
pub trait Column: sealed::FromColumn {}

macro_rules! columns {
    ($($type:ty),* $(,)?) => {$(
        impl sealed::FromColumn for $type {
            fn from_column(row: sealed::Source<'_>, column: &str) -> Result<Self, sealed::Failure> {
                row.0.try_get(column).map_err(sealed::Failure)
            }
        }
        impl Column for $type {}
        impl sealed::FromColumn for Option<$type> {
            fn from_column(row: sealed::Source<'_>, column: &str) -> Result<Self, sealed::Failure> {
                row.0.try_get(column).map_err(sealed::Failure)
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
}

impl Row {
    pub(crate) fn new(query: &'static str, row: tokio_postgres::Row) -> Self {
        Self { query, row }
    }

    /// The value of the column of that name.
    ///
    /// # Errors
    /// [`Error::Row`] when there is no such column, or it is of another type or NULL.
    pub fn get<T: Column>(&self, column: &str) -> Result<T, Error> {
        T::from_column(sealed::Source(&self.row), column).map_err(|source| Error::Row {
            query: self.query.to_owned(),
            source: source.0.into(),
        })
    }

    /// A text column, borrowed.
    ///
    /// # Errors
    /// As [`Row::get`].
    pub fn text(&self, column: &str) -> Result<&str, Error> {
        self.row.try_get(column).map_err(|source| Error::Row {
            query: self.query.to_owned(),
            source: source.into(),
        })
    }
}
