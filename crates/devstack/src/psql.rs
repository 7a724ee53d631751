//! Asks a PostgreSQL server by `psql`, as its superuser and always within a limit: a frozen server never answers.

use std::path::Path;
use std::time::Duration;

use crate::account::clean;
use crate::error::Result;
use crate::tool;

/// How long a question may take when its asker does not say.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Runs SQL on the loopback server at `port`. Statements run one by one, the first that fails ends it. Gives the rows
/// without headers, one per line, columns separated by `|`.
pub(crate) fn ask(
    program: &Path,
    (server, port): (&str, u16),
    database: &str,
    sql: &str,
    limit: Duration,
) -> Result<String> {
    let mut command = clean(program);
    command.args(["-XAtqw", "-v", "ON_ERROR_STOP=1", "-U", "postgres"]);
    command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-d", database]);
    tool::run(command, &format!("psql on {server}"), sql, limit)
}
