//! The parameters a statement takes: a closed list of types, so that no driver type is needed.

use jiff::Timestamp;
use tokio_postgres::types::{ToSql, Type};

pub(crate) mod sealed {
    use tokio_postgres::types::{ToSql, Type};

    /// Nobody outside can name this trait, but a generic function over [`Param`](super::Param) can call
    /// its methods: so what they give is opaque.
    pub trait AsSql {
        fn as_sql(&self) -> Sql<'_>;
        /// What it is sent as where the server is not asked what it expects.
        fn sql_type(&self) -> SqlType;
    }

    pub struct Sql<'a>(pub(crate) &'a (dyn ToSql + Sync));
    pub struct SqlType(pub(crate) Type);
}

/// A value that can be a parameter: numbers, texts, bytes, times, JSON, lists of them, and
/// `Option`s for what may be NULL.
pub trait Param: sealed::AsSql + Sync {}

macro_rules! params {
    ($($type:ty => $sql:ident),* $(,)?) => {$(
        impl sealed::AsSql for $type {
            fn as_sql(&self) -> sealed::Sql<'_> {
                sealed::Sql(self)
            }
            fn sql_type(&self) -> sealed::SqlType {
                sealed::SqlType(Type::$sql)
            }
        }
        impl Param for $type {}
        impl sealed::AsSql for Option<$type> {
            fn as_sql(&self) -> sealed::Sql<'_> {
                sealed::Sql(self)
            }
            fn sql_type(&self) -> sealed::SqlType {
                sealed::SqlType(Type::$sql)
            }
        }
        impl Param for Option<$type> {}
    )*};
}

params!(
    bool => BOOL,
    i16 => INT2,
    i32 => INT4,
    i64 => INT8,
    f64 => FLOAT8,
    &str => TEXT,
    String => TEXT,
    &[u8] => BYTEA,
    Vec<u8> => BYTEA,
    Timestamp => TIMESTAMPTZ,
    serde_json::Value => JSONB,
    Vec<i16> => INT2_ARRAY,
    Vec<i64> => INT8_ARRAY,
    Vec<String> => TEXT_ARRAY,
    &[i64] => INT8_ARRAY,
    &[&str] => TEXT_ARRAY,
    &[String] => TEXT_ARRAY,
);

/// The parameters of one statement, in order.
pub type Params<'a> = [&'a (dyn Param + 'a)];

pub(crate) fn for_driver<'a>(
    params: &'a Params<'a>,
) -> impl ExactSizeIterator<Item = &'a (dyn ToSql + Sync)> {
    params.iter().map(|param| param.as_sql().0)
}

pub(crate) fn with_types<'a>(
    params: &'a Params<'a>,
) -> impl ExactSizeIterator<Item = (&'a (dyn ToSql + Sync), Type)> {
    params
        .iter()
        .map(|param| (param.as_sql().0, param.sql_type().0))
}
