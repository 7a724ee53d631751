//! How a node would run a statement, for any parameters.

use std::time::Instant;

use tokio_postgres::SimpleQueryMessage;

use crate::{error::Error, read::ReadConn, slow::QueryPlan};

/// What a request waits for that waits for a plan.
const PLAN: &str = "a plan";

/// The generic plan of `sql`, whose parameters are `$1` and so on. Nothing is run. The connection is not used again: what was
/// set on it is nobody else's.
pub(super) async fn explain(conn: &ReadConn, sql: &'static str) -> Result<QueryPlan, Error> {
    conn.break_off();
    let nulls = vec!["NULL"; parameters(sql)].join(", ");
    let nulls = if nulls.is_empty() {
        nulls
    } else {
        format!("({nulls})")
    };
    let asking = format!(
        "BEGIN READ ONLY; SET LOCAL statement_timeout = '1s'; SET LOCAL plan_cache_mode = force_generic_plan; \
         PREPARE inspected AS {sql}\n; EXPLAIN EXECUTE inspected{nulls}; ROLLBACK"
    );
    let session = conn.session();
    let answers = conn
        .deadline()
        .limit(PLAN, session.simple_query(&asking))
        .await?;
    let answers = answers.map_err(|error| Error::from_driver("inspect.plan", error))?;
    let lines = answers.iter().filter_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(QueryPlan {
        text: lines.collect::<Vec<_>>().join("\n"),
        node: conn.addr().to_string(),
        at: Instant::now(),
    })
}

/// The highest number of a parameter in `sql`.
fn parameters(sql: &str) -> usize {
    let numbers = sql.split('$').skip(1).map(|rest| {
        let end = rest
            .find(|one: char| !one.is_ascii_digit())
            .unwrap_or(rest.len());
        rest[..end].parse().unwrap_or(0)
    });
    numbers.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::parameters;

    #[test]
    fn parameters_are_counted_by_their_highest_number() {
        assert_eq!(parameters("SELECT 1"), 0);
        assert_eq!(parameters("SELECT $2, $1, $12::int, $12"), 12);
        assert_eq!(parameters("SELECT $$text$$"), 0);
    }
}
