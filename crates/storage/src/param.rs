//! The parameters a statement takes: a closed list of types, so that no driver type is needed.

use jiff::Timestamp;
use tokio_postgres::types::ToSql;

pub(crate) mod sealed {
    use tokio_postgres::types::ToSql;

    pub trait AsSql {
        fn as_sql(&self) -> &(dyn ToSql + Sync);
    }
}

/// A value that can be a parameter: numbers, texts, bytes, times, JSON, lists of them, and
/// `Option`s for what may be NULL.
pub trait Param: sealed::AsSql + Sync {}

macro_rules! params {
    ($($type:ty),* $(,)?) => {$(
        impl sealed::AsSql for $type {
            fn as_sql(&self) -> &(dyn ToSql + Sync) {
                self
            }
        }
        impl Param for $type {}
        impl sealed::AsSql for Option<$type> {
            fn as_sql(&self) -> &(dyn ToSql + Sync) {
                self
            }
        }
        impl Param for Option<$type> {}
    )*};
}

params!(
    bool,
    i16,
    i32,
    i64,
    f64,
    &str,
    String,
    &[u8],
    Vec<u8>,
    Timestamp,
    serde_json::Value,
    Vec<i16>,
    Vec<i64>,
    Vec<String>,
    &[i64],
    &[&str],
    &[String],
);

/// The parameters of one statement, in order.
pub type Params<'a> = [&'a (dyn Param + 'a)];

pub(crate) type DriverParams<'a> = smallvec::SmallVec<[&'a (dyn ToSql + Sync); 16]>;

pub(crate) fn for_driver<'a>(params: &'a Params<'a>) -> DriverParams<'a> {
    params.iter().map(|param| param.as_sql()).collect()
}
