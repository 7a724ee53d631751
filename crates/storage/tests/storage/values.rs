//! Every type a parameter and a column can have, there and back.

use jiff::Timestamp;
use prepnexus_storage::{Column, Error, Freshness, Param, ReadConn, Row};
use serde_json::{Value, json};

use crate::support::{cluster, database, patience};

async fn echo(conn: &ReadConn, sql: &'static str, param: &dyn Param) -> Row {
    conn.query_one(sql, &[param]).await.unwrap()
}

fn value<T: Column>(row: &Row) -> T {
    row.get("value").unwrap()
}

#[tokio::test]
async fn every_type_comes_back_as_it_went() {
    let (_db, cluster) = database().await;
    let conn = cluster.read(Freshness::Any, patience()).await.unwrap();
    macro_rules! echoes {
        ($($type:ty as $sql:literal: $param:expr => $expected:expr;)*) => {$(
            let sql = concat!("SELECT $1::", $sql, " AS value");
            let row = echo(&conn, sql, &$param).await;
            assert_eq!(value::<$type>(&row), $expected, "{sql}");
            assert_eq!(value::<Option<$type>>(&row), Some($expected), "{sql}");
            let row = echo(&conn, sql, &None::<$type>).await;
            assert_eq!(value::<Option<$type>>(&row), None, "{sql}");
            assert!(matches!(row.get::<$type>("value"), Err(Error::Row { .. })), "{sql}");
        )*};
    }
    let time: Timestamp = "2026-02-03T04:05:06.789012Z".parse().unwrap();
    let texts = vec!["a".to_owned(), String::new(), "ü,\"{}".to_owned()];
    echoes! {
        bool as "bool": true => true;
        i16 as "smallint": i16::MIN => i16::MIN;
        i32 as "integer": i32::MAX => i32::MAX;
        i64 as "bigint": i64::MIN => i64::MIN;
        f64 as "float8": 0.1 => 0.1;
        String as "text": "text \u{1F600} '\\" => "text \u{1F600} '\\".to_owned();
        Vec<u8> as "bytea": vec![0_u8, 255] => vec![0, 255];
        Timestamp as "timestamptz": time => time;
        Value as "jsonb": json!({"a": [1, null]}) => json!({"a": [1, null]});
        Vec<i64> as "bigint[]": vec![1_i64, -1] => vec![1, -1];
        Vec<String> as "text[]": texts.clone() => texts.clone();
    }
}

#[tokio::test]
async fn borrowed_and_empty_values_are_parameters_too() {
    let (_db, cluster) = database().await;
    let conn = cluster.read(Freshness::Any, patience()).await.unwrap();
    let texts = [String::from("x")];
    let row = echo(&conn, "SELECT $1::text[] AS value", &&texts[..]).await;
    assert_eq!(value::<Vec<String>>(&row), texts);
    let row = echo(&conn, "SELECT $1::text[] AS value", &&["a", "b"][..]).await;
    assert_eq!(value::<Vec<String>>(&row), ["a", "b"]);
    let row = echo(&conn, "SELECT $1::bigint[] AS value", &&[7_i64][..]).await;
    assert_eq!(value::<Vec<i64>>(&row), [7]);
    let row = echo(&conn, "SELECT $1::bigint[] AS value", &Vec::<i64>::new()).await;
    assert_eq!(value::<Vec<i64>>(&row), [0_i64; 0]);
    let row = echo(&conn, "SELECT $1::bytea AS value", &&b"\0\xFF"[..]).await;
    assert_eq!(value::<Vec<u8>>(&row), b"\0\xFF");
    let sql = "SELECT array_length($1::int2[], 1)::bigint AS value";
    let row = echo(&conn, sql, &vec![1_i16, 2]).await;
    assert_eq!(value::<i64>(&row), 2);
    let row = echo(&conn, "SELECT $1::text AS value", &None::<&str>).await;
    assert_eq!(value::<Option<String>>(&row), None);
    assert!(row.text("value").is_err());
}

#[tokio::test]
async fn a_column_of_another_name_or_type_is_an_error_that_names_the_query() {
    let (_db, cluster) = database().await;
    let conn = cluster.read(Freshness::Any, patience()).await.unwrap();
    let row = conn.query_one("-- some.query\nSELECT 1 AS n", &[]).await;
    let row = row.unwrap();
    let named = |error: Error| match error {
        Error::Row { query, .. } => query,
        other => panic!("{other}"),
    };
    assert_eq!(named(row.get::<i32>("m").unwrap_err()), "some.query");
    assert_eq!(named(row.get::<String>("n").unwrap_err()), "some.query");
}

#[tokio::test]
async fn as_many_rows_as_were_asked_for() {
    let (_db, cluster) = database().await;
    let conn = cluster.read(Freshness::Any, patience()).await.unwrap();
    const ROWS: &str = "-- rows\nSELECT n FROM generate_series(1, $1::bigint) AS n ORDER BY n";
    assert_eq!(conn.query(ROWS, &[&3_i64]).await.unwrap().len(), 3);
    assert!(conn.query_opt(ROWS, &[&0_i64]).await.unwrap().is_none());
    assert!(conn.query_opt(ROWS, &[&1_i64]).await.unwrap().is_some());
    for rows in [0_i64, 2] {
        let error = conn.query_one(ROWS, &[&rows]).await.unwrap_err();
        assert!(matches!(error, Error::Row { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_session_is_in_utc_and_has_a_statement_timeout() {
    let db = prepnexus_testkit::TestDb::new().await;
    let mut config = db.config();
    config.statement_timeout = std::time::Duration::from_millis(12_345);
    let cluster = cluster(config).await;
    let conn = cluster.read(Freshness::Any, patience()).await.unwrap();
    const SQL: &str = "SELECT current_setting('TimeZone') AS zone, current_setting('statement_timeout') AS timeout";
    let row = conn.query_one(SQL, &[]).await.unwrap();
    assert_eq!(row.text("zone").unwrap(), "UTC");
    assert_eq!(row.text("timeout").unwrap(), "12345ms");
}
